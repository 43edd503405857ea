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
    const added = sum(permissions.map(weightOf))
    const known = state.securityGroups.get(id)
    const quota = settings().quotas.rulesPerSecurityGroup
    if (known === undefined || known.inboundAtMost + most(added) > quota) {
      const root = await ask(call, next, 'ec2', 'DescribeSecurityGroups', { 'GroupId.1': id })
      const held = sum(itemsOf(itemsOf(root, 'securityGroupInfo')[0], 'ipPermissions').map(weightIn))
      if (known !== undefined) known.inboundAtMost = most(held)
      if (most(sum([held, added])) > quota)
        refuse('RulesPerSecurityGroupLimitExceeded', 'The maximum number of rules per security group has been reached.')
    }
    const answer = await next(call)
    if (answer.code === undefined && known !== undefined) known.inboundAtMost += most(added)
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

/** Rules by family: groups and prefix lists count in both (user guide, Security group quotas). */
interface Weight {
  ipv4: number
  ipv6: number
}

const sum = (weights: readonly Weight[]): Weight =>
  weights.reduce((a, b) => ({ ipv4: a.ipv4 + b.ipv4, ipv6: a.ipv6 + b.ipv6 }), { ipv4: 0, ipv6: 0 })

const most = ({ ipv4, ipv6 }: Weight) => Math.max(ipv4, ipv6)

function weightOf(permission: Parameters): Weight {
  const count = (list: (typeof requestLists)[number]) => structures(permission, list).length
  const both = count('Groups') + count('UserIdGroupPairs') + count('PrefixListIds')
  return { ipv4: count('IpRanges') + both, ipv6: count('Ipv6Ranges') + both }
}

function weightIn(rule: XmlElement): Weight {
  const both = itemsOf(rule, 'groups').length + itemsOf(rule, 'prefixListIds').length
  return { ipv4: itemsOf(rule, 'ipRanges').length + both, ipv6: itemsOf(rule, 'ipv6Ranges').length + both }
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
