/** What to publish of the load balancers that are seen. Pure. */
import type { Addresses, Resource } from '../contract.ts'
import { aws } from './resources.ts'
import type { LoadBalancerResource } from './resources.ts'
import { earlyTag } from './tags.ts'

/**
 * The host name of a load balancer that serves: active, with listeners, each with a target group that has targets or none to have. While
 * one replaces another, the one that serves more ports; the older one when both do, until the plan takes it away.
 */
export function addresses(observed: readonly Resource[]): Addresses {
  const all = observed.map(aws)
  const balancers = all.filter((one) => one.kind === 'load-balancer').filter(({ state }) => state !== 'deleting')
  const listeners = all.filter((one) => one.kind === 'listener')
  const groups = all.filter((one) => one.kind === 'target-group')
  const ports = ({ immutable }: LoadBalancerResource) =>
    listeners.filter(
      (listener) =>
        listener.immutable.loadBalancer === immutable.name &&
        groups.some((group) => group.immutable.name === listener.mutable.targetGroup),
    ).length
  const serving = balancers
    .filter((one) => (one.state === 'ready' && ports(one) > 0) || one.mutable.tags[earlyTag] === 'true')
    .filter(({ observed: seen }) => (seen?.dnsName ?? '') !== '')
    .toSorted((a, b) => ports(b) - ports(a) || (a.immutable.name < b.immutable.name ? -1 : 1))[0]
  if (serving !== undefined) {
    return { kind: 'ready', addresses: [{ hostname: serving.observed?.dnsName ?? '' }] }
  }
  const [first] = balancers
  if (first === undefined) return pending('Provisioning', 'the load balancer is being made')
  const { state = 'provisioning', reason = '' } = first.observed ?? {}
  if (state === 'failed') {
    return pending('ProvisioningFailed', `AWS could not make the load balancer: ${reason || 'it gives no reason'}`)
  }
  if (first.state === 'pending') {
    return pending('Provisioning', 'AWS is making the load balancer, which takes two to three minutes')
  }
  return pending('WaitingForListeners', 'the load balancer is active and waits for its listeners and targets')
}

function pending(reason: string, message: string): Addresses {
  return { kind: 'pending', reason, message }
}
