/**
 * Security groups as AWS has them: not deleted while a load balancer, an interface or another group's rule uses them or a load balancer
 * has just gone, a settable quota of rules, checked CIDRs and descriptions, not visible at once when so set.
 */
import { isIP } from 'node:net'
import { refuse } from '../answer.ts'
import { type AwsCall, type Parameters, strings, structures } from '../aws-call.ts'
import type { Layer, Next } from '../layer.ts'
import { childOf, itemsOf, textOf, type XmlElement } from '../xml.ts'
import { ask, rewritten } from './ask.ts'
import type { RepairContext } from './state.ts'

const describable = /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/

export function securityGroups(context: RepairContext): Layer {
  const { state, now, settings } = context
  const hidden = (id: string) => {
    const known = state.securityGroups.get(id)
    return known !== undefined && now() < known.createdAt + settings().visibilityMs
  }
  const notFound = (id: string): never => refuse('InvalidGroup.NotFound', `The security group '${id}' does not exist`)

  async function remove(call: AwsCall, next: Next) {
    const id = call.parameters.get('GroupId') ?? ''
    const balanced = [...state.loadBalancers.values()].some(({ securityGroups }) => securityGroups.includes(id))
    const lingers = now() < (state.lingeringGroups.get(id) ?? 0)
    if (balanced || lingers || (await referenced(call, next, id))) dependent(id)
    return await next(call)
  }

  async function referenced(call: AwsCall, next: Next, id: string): Promise<boolean> {
    const rules = await ask(call, next, 'ec2', 'DescribeSecurityGroups', {
      'Filter.1.Name': 'ip-permission.group-id',
      'Filter.1.Value.1': id,
    })
    if (itemsOf(rules, 'securityGroupInfo').some((item) => textOf(item, 'groupId') !== id)) return true
    const interfaces = await ask(call, next, 'ec2', 'DescribeNetworkInterfaces', {
      'Filter.1.Name': 'group-id',
      'Filter.1.Value.1': id,
    })
    return itemsOf(interfaces, 'networkInterfaceSet').length > 0
  }

  async function authorize(call: AwsCall, next: Next) {
    const id = call.parameters.get('GroupId') ?? ''
    if (hidden(id)) notFound(id)
    const permissions = structures(call.parameters, 'IpPermissions')
    for (const permission of permissions) checkPermission(permission)
    const added = permissions.reduce((count, permission) => count + sourcesOf(permission), 0)
    const known = state.securityGroups.get(id)
    const quota = settings().quotas.rulesPerSecurityGroup
    if (known === undefined || known.inboundAtMost + added > quota) {
      const root = await ask(call, next, 'ec2', 'DescribeSecurityGroups', { 'GroupId.1': id })
      const rules = itemsOf(itemsOf(root, 'securityGroupInfo')[0], 'ipPermissions')
      const held = rules.reduce((count, rule) => count + sourcesIn(rule), 0)
      if (known !== undefined) known.inboundAtMost = held
      if (held + added > quota)
        refuse('RulesPerSecurityGroupLimitExceeded', 'The maximum number of rules per security group has been reached.')
    }
    const answer = await next(call)
    if (answer.code === undefined && known !== undefined) known.inboundAtMost += added
    return answer
  }

  async function describe(call: AwsCall, next: Next) {
    for (const id of strings(call.parameters, 'GroupId')) if (hidden(id)) notFound(id)
    const answer = await next(call)
    if (settings().visibilityMs === 0) return answer
    return rewritten(answer, (root) => {
      const list = childOf(root, 'securityGroupInfo')
      if (list !== undefined) list.children = list.children.filter((item) => !hidden(textOf(item, 'groupId') ?? ''))
    })
  }

  function create(call: AwsCall, next: Next) {
    for (const name of ['GroupName', 'GroupDescription']) {
      const value = call.parameters.get(name) ?? ''
      if (!describable.test(value) || value === '')
        refuse(
          'InvalidParameterValue',
          `Value (${value}) for parameter ${name} is invalid. Character sets beyond ASCII are not supported.`,
        )
    }
    if (call.parameters.get('GroupName')?.startsWith('sg-') === true)
      refuse('InvalidParameterValue', 'Group names may not be in the format sg-*')
    return next(call)
  }

  return async (call, next) => {
    switch (call.action) {
      case 'CreateSecurityGroup':
        return await create(call, next)
      case 'DeleteSecurityGroup':
        return await remove(call, next)
      case 'DescribeSecurityGroups':
        return await describe(call, next)
      case 'AuthorizeSecurityGroupIngress':
        return await context.exclusive(`rules ${call.parameters.get('GroupId')}`, () => authorize(call, next))
      default:
        return await next(call)
    }
  }
}

const dependent = (id: string): never => refuse('DependencyViolation', `resource ${id} has a dependent object`)

/** In a request a permission's sources are lists of structures, each of them one rule. */
const requestLists = ['IpRanges', 'Ipv6Ranges', 'Groups', 'UserIdGroupPairs', 'PrefixListIds'] as const

function sourcesOf(permission: Parameters): number {
  return requestLists.reduce((count, list) => count + structures(permission, list).length, 0)
}

function sourcesIn(rule: XmlElement): number {
  return ['ipRanges', 'ipv6Ranges', 'groups', 'prefixListIds'].reduce(
    (count, list) => count + itemsOf(rule, list).length,
    0,
  )
}

function checkPermission(permission: Parameters): void {
  for (const list of requestLists)
    for (const source of structures(permission, list)) {
      const cidr = source.get('CidrIp') ?? source.get('CidrIpv6')
      if (cidr !== undefined && !isCidr(cidr)) refuse('InvalidParameterValue', `CIDR block ${cidr} is malformed`)
      const description = source.get('Description') ?? ''
      if (!describable.test(description))
        refuse(
          'InvalidParameterValue',
          `Invalid rule description: ${description}. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*`,
        )
    }
}

function isCidr(text: string): boolean {
  const [address = '', bits = ''] = text.split('/')
  const family = isIP(address)
  return family !== 0 && /^\d+$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
}
