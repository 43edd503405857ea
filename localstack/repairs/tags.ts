/** Tags of elbv2 as AWS has them: 20 resources a call, 50 tags a resource, nothing for what does not exist. */
import { refuse } from '../answer.ts'
import { type AwsCall, strings, structures } from '../aws-call.ts'
import type { Layer, Next } from '../layer.ts'
import { itemsOf, textOf } from '../xml.ts'
import { ask, resultOf } from './ask.ts'
import type { CloudState, RepairContext } from './state.ts'

export function tags({ state, settings }: RepairContext): Layer {
  async function add(call: AwsCall, next: Next) {
    const added = structures(call.parameters, 'Tags.member').map((tag) => tag.get('Key') ?? '')
    for (const arn of strings(call.parameters, 'ResourceArns.member')) {
      const root = await ask(call, next, 'elbv2', 'DescribeTags', { 'ResourceArns.member.1': arn })
      const present = itemsOf(resultOf(root), 'TagDescriptions').flatMap((item) => itemsOf(item, 'Tags'))
      const keys = new Set([...present.map((tag) => textOf(tag, 'Key') ?? ''), ...added])
      if (keys.size > settings().quotas.tagsPerResource) tooMany()
    }
    return await next(call)
  }

  const tooMany = () =>
    refuse('TooManyTags', `The maximum number of tags per resource is '${settings().quotas.tagsPerResource}'`)

  return async (call, next) => {
    if (call.service !== 'elbv2') return await next(call)
    switch (call.action) {
      case 'DescribeTags': {
        const arns = strings(call.parameters, 'ResourceArns.member')
        if (arns.length > 20) refuse('ValidationError', 'You cannot specify more than 20 resource ARNs')
        for (const arn of arns) checkLives(state, arn)
        return await next(call)
      }
      case 'AddTags':
        for (const arn of strings(call.parameters, 'ResourceArns.member')) checkLives(state, arn)
        return await add(call, next)
      case 'RemoveTags':
        for (const arn of strings(call.parameters, 'ResourceArns.member')) checkLives(state, arn)
        return await next(call)
      default:
        if (structures(call.parameters, 'Tags.member').length > settings().quotas.tagsPerResource) tooMany()
        return await next(call)
    }
  }
}

function checkLives(state: CloudState, arn: string): void {
  if (arn.includes(':targetgroup/') && !state.targetGroups.has(arn))
    refuse('TargetGroupNotFound', `Target groups '${arn}' not found`)
  if (arn.includes(':loadbalancer/') && !state.loadBalancers.has(arn))
    refuse('LoadBalancerNotFound', `Load balancer '${arn}' not found`)
  if (arn.includes(':listener/') && !state.listeners.has(arn)) refuse('ListenerNotFound', `Listener '${arn}' not found`)
}
