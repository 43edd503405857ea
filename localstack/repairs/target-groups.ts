/**
 * Target groups as AWS has them: created again with the same settings they are the same group, the load balancers they belong to follow
 * the listeners, in use for a while after these are gone, checked numbers, pages.
 */
import { describeNamesLimit } from '../../providers/aws/elbv2.ts'
import { refuse } from '../answer.ts'
import { type AwsCall, changed, strings } from '../aws-call.ts'
import type { Layer, Next } from '../layer.ts'
import { element, leaf, printXml, put, textOf, type XmlElement } from '../xml.ts'
import { elbv2Answer, resultOf, rewritten } from './ask.ts'
import { putPage, wholeList } from './pages.ts'
import { loadBalancersOf, type RepairContext, settingsText } from './state.ts'

const ranges: Readonly<Record<string, readonly [number, number]>> = {
  Port: [1, 65535],
  HealthCheckIntervalSeconds: [5, 300],
  HealthCheckTimeoutSeconds: [2, 120],
  HealthyThresholdCount: [2, 10],
  UnhealthyThresholdCount: [2, 10],
}

export function targetGroups(context: RepairContext): Layer {
  const { state, now, settings } = context
  const named = (name: string) => [...state.targetGroups.values()].find((group) => group.name === name)

  async function create(call: AwsCall, next: Next) {
    checkNumbers(call)
    const name = call.parameters.get('Name') ?? ''
    const existing = named(name)
    if (existing !== undefined) {
      const without = ['Action', 'Version', 'Name']
      if (settingsText(existing.parameters, without) !== settingsText(call.parameters, without))
        refuse(
          'DuplicateTargetGroupName',
          `A target group with the same name '${name}' exists, but with different settings`,
        )
      const described = await next({ ...call, action: 'DescribeTargetGroups', parameters: byArn(existing.arn) })
      return { ...described, body: described.body.replaceAll('DescribeTargetGroups', call.action) }
    }
    if (state.targetGroups.size >= settings().quotas.targetGroups)
      refuse('TooManyTargetGroups', 'The maximum number of target groups has been reached.')
    return await next(call)
  }

  async function describe(call: AwsCall, next: Next) {
    const { parameters } = call
    const balancer = parameters.get('LoadBalancerArn')
    const arns = strings(parameters, 'TargetGroupArns.member')
    const names = strings(parameters, 'Names.member')
    if (balancer !== undefined && !state.loadBalancers.has(balancer))
      refuse('LoadBalancerNotFound', `Load balancer '${balancer}' not found`)
    if (arns.length > describeNamesLimit || names.length > describeNamesLimit)
      refuse('ValidationError', `Up to ${describeNamesLimit} target groups can be named at once`)
    const all = { ...call, parameters: changed(parameters, ['LoadBalancerArn']) }
    const { root, items } = await wholeList(all, next, 'TargetGroups')
    const visible = items.filter((item) => {
      const arn = textOf(item, 'TargetGroupArn') ?? ''
      const known = state.targetGroups.get(arn)
      if (known !== undefined && now() < known.createdAt + settings().visibilityMs) return false
      return balancer === undefined || loadBalancersOf(state, arn).includes(balancer)
    })
    const missing =
      arns.some((arn) => !visible.some((item) => textOf(item, 'TargetGroupArn') === arn)) ||
      names.some((name) => !visible.some((item) => textOf(item, 'TargetGroupName') === name))
    if (missing) refuse('TargetGroupNotFound', 'One or more target groups not found')
    for (const item of visible) asAws(item)
    putPage(call, root, 'TargetGroups', visible, 'TargetGroupArn')
    return { status: 200, body: printXml(root) }
  }

  function asAws(item: XmlElement): void {
    const arns = loadBalancersOf(state, textOf(item, 'TargetGroupArn') ?? '')
    put(
      item,
      element(
        'LoadBalancerArns',
        arns.map((arn) => leaf('member', arn)),
      ),
    )
  }

  async function remove(call: AwsCall, next: Next) {
    const arn = call.parameters.get('TargetGroupArn') ?? ''
    const known = state.targetGroups.get(arn)
    const used = loadBalancersOf(state, arn).length > 0 || (known !== undefined && now() < known.lingersUntil)
    if (used) refuse('ResourceInUse', `Target group '${arn}' is currently in use by a listener or a rule`)
    // Of an unknown ARN: done (API reference lists no other error than ResourceInUse).
    return known === undefined ? elbv2Answer(call) : await next(call)
  }

  return async (call, next) => {
    switch (call.action) {
      case 'CreateTargetGroup':
        return await context.exclusive(`target group ${call.parameters.get('Name')}`, () => create(call, next))
      case 'DescribeTargetGroups':
        return await describe(call, next)
      case 'ModifyTargetGroup': {
        checkNumbers(call)
        return rewritten(await next(call), (root) => {
          for (const item of resultOf(root).children.flatMap(({ children }) => children)) asAws(item)
        })
      }
      case 'DeleteTargetGroup':
        return await remove(call, next)
      default:
        return await next(call)
    }
  }
}

const byArn = (arn: string) =>
  new Map([
    ['Action', 'DescribeTargetGroups'],
    ['Version', '2015-12-01'],
    ['TargetGroupArns.member.1', arn],
  ])

function checkNumbers({ parameters }: AwsCall): void {
  for (const [name, [least, most]] of Object.entries(ranges)) {
    const given = parameters.get(name)
    if (given !== undefined && !(Number(given) >= least && Number(given) <= most))
      refuse('ValidationError', `${name} '${given}' must be between ${least} and ${most}`)
  }
  const protocol = parameters.get('HealthCheckProtocol')
  if (protocol !== undefined && !['TCP', 'HTTP', 'HTTPS'].includes(protocol))
    refuse('ValidationError', `Health check protocol '${protocol}' must be one of TCP, HTTP, HTTPS`)
}
