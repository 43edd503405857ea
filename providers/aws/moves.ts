/**
 * A listener that moves to a target group of another protocol (TCP becomes TCP and UDP, TLS towards the targets). Pure. AWS checks only targets
 * of groups that a listener forwards to, so the new group first stands beside the old one with weight 0: it is checked and gets no traffic. The
 * listener moves when as many of its targets are healthy, or when AWS has judged them all and one is.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html
 */
import type { Reason, Resource, Step } from '../contract.ts'
import { aws } from './resources.ts'
import type { ListenerProtocol, ListenerResource, TargetGroupResource } from './resources.ts'

/** Protocols of target groups that a listener may forward to. */
const fitting: Readonly<Record<ListenerProtocol, readonly ListenerProtocol[]>> = {
  TCP: ['TCP', 'TCP_UDP'],
  TLS: ['TCP', 'TLS'],
  UDP: ['UDP', 'TCP_UDP'],
  TCP_UDP: ['TCP_UDP'],
}

export interface TargetGroups {
  /** By name, as they stand; of those that go as well. */
  seen: ReadonlyMap<string, TargetGroupResource>
  /** By name, as they will be. */
  wanted: ReadonlyMap<string, TargetGroupResource>
}

export function targetGroupsOf(steps: readonly Step[]): TargetGroups {
  const seen = new Map<string, TargetGroupResource>()
  const wanted = new Map<string, TargetGroupResource>()
  for (const step of steps) {
    const resource = aws(step.resource)
    const from = step.verb === 'update' ? aws(step.from) : step.verb === 'delete' ? resource : undefined
    if (from?.kind === 'target-group') seen.set(from.immutable.name, from)
    if (step.verb !== 'delete' && resource.kind === 'target-group') wanted.set(resource.immutable.name, resource)
  }
  return { seen, wanted }
}

/** What the listener becomes now on its way to `to`. */
export function nextOf(
  from: ListenerResource,
  to: ListenerResource,
  groups: TargetGroups,
): ListenerResource['mutable'] {
  const [seen, want] = [from.mutable, to.mutable]
  if (seen.targetGroup === want.targetGroup) return want
  const before = groups.seen.get(seen.targetGroup)
  const after = groups.wanted.get(want.targetGroup)
  // Others' target groups, to which somebody has pointed it by hand, are left at once.
  if (before === undefined || after === undefined || from.observed?.alone === true) return want
  const standing = seen.standby === want.targetGroup ? groups.seen.get(want.targetGroup) : undefined
  if (isReady(before, standing)) return want
  const protocols = [before.mutable.protocol, after.mutable.protocol]
  const carries = ({ protocol }: ListenerResource['mutable']) =>
    protocols.every((one) => fitting[protocol].includes(one))
  const base = [want, seen].find(carries)
  if (base === undefined) return want
  return { ...base, targetGroup: seen.targetGroup, standby: want.targetGroup, tags: want.tags }
}

/** `after`: undefined where AWS does not check it yet. */
function isReady(before: TargetGroupResource, after: TargetGroupResource | undefined): boolean {
  const had = before.observed?.health === undefined ? undefined : healthyIn(before)
  if (had === 0) return true
  if (after === undefined) return false
  const has = healthyIn(after)
  if (had !== undefined && has >= had) return true
  const states = (after.observed?.health ?? []).map(({ state }) => state)
  const isJudged = states.length > 0 && states.every((state) => state !== 'initial' && state !== 'unused')
  return isJudged && has > 0
}

/** Of listeners that cannot move: AWS has judged the new targets, and none of them is healthy. */
export function moveNotes(observed: readonly Resource[]): Reason[] {
  const all = observed.map(aws)
  return all.flatMap((one): Reason[] => {
    if (one.kind !== 'listener' || one.mutable.standby === undefined) return []
    const { standby } = one.mutable
    const group = all.find((each) => each.kind === 'target-group' && each.immutable.name === standby)
    if (group?.kind !== 'target-group') return []
    const states = (group.observed?.health ?? []).map(({ state }) => state)
    if (states.length === 0 || states.some((state) => state !== 'unhealthy')) return []
    const message = `port ${one.immutable.port} stays as it was: it is to become ${group.mutable.protocol}, for which AWS needs another target group, and no target is healthy there; check the health check and the firewall of the nodes, or undo the change`
    return [{ reason: 'ListenerUnhealthy', message }]
  })
}

function healthyIn({ observed }: TargetGroupResource): number {
  return (observed?.health ?? []).filter(({ state }) => state === 'healthy').length
}
