/**
 * Target groups, pure: registration, health verdicts, the change from one health check to the next, draining.
 * Always holds: a target gets new connections only by a verdict of the check in effect, a new check takes effect at once for all
 * targets and only when it has judged each of them, a removed target gets nothing new and keeps its connections for the drain time.
 */
import type { HealthCheckSpec, TargetGroupRequest, TargetStatus } from '../wire.ts'
import type { Target, TargetGroup, Verdict } from './model.ts'

export function createGroup(request: TargetGroupRequest): TargetGroup {
  const { healthCheck, targets } = request.spec
  return settle({
    request,
    nextCheck: healthCheck,
    targets: targets.map(({ node, addresses }) => ({ node, addresses })),
    draining: [],
  })
}

export function updateGroup(group: TargetGroup, request: TargetGroupRequest, now: number): TargetGroup {
  const { healthCheck, targets, drainSeconds } = request.spec
  const until = now + drainSeconds * 1000
  const wanted = new Set(targets.map((target) => targetKey(target)))
  const known = new Map(group.targets.map((target) => [targetKey(target), target]))
  const removed = group.targets.filter((target) => !wanted.has(targetKey(target)))
  const draining = [
    ...group.draining.filter((target) => !wanted.has(targetKey(target))),
    ...removed.map(({ node, addresses, verdict }) => ({
      node,
      addresses,
      until,
      unhealthy: verdict?.healthy === false,
    })),
  ]
  const registered = targets.map((target) => known.get(targetKey(target)) ?? { ...target })
  return settle(withCheck({ ...group, request, targets: registered, draining }, healthCheck))
}

/** A check equal to the one in effect cancels a change that is under way. */
function withCheck(group: TargetGroup, wanted: HealthCheckSpec): TargetGroup {
  const { nextCheck, ...rest } = group
  if (nextCheck && sameCheck(nextCheck, wanted)) return group
  const targets = group.targets.map(withoutNext)
  if (group.check && sameProbe(group.check, wanted)) return { ...rest, targets, check: wanted }
  return { ...rest, targets, nextCheck: wanted }
}

function withoutNext({ node, addresses, verdict }: Target): Target {
  return { node, addresses, ...(verdict ? { verdict } : {}) }
}

/** Records a verdict of the check in effect or of the one to come; a verdict on another target or check changes nothing. */
export function judge(group: TargetGroup, target: string, check: HealthCheckSpec, verdict: Verdict): TargetGroup {
  const field = group.check && sameProbe(group.check, check) ? 'verdict' : 'nextVerdict'
  if (field === 'nextVerdict' && !(group.nextCheck && sameProbe(group.nextCheck, check))) return group
  const targets = group.targets.map((present): Target => {
    if (targetKey(present) !== target) return present
    const before = present[field]
    if (before && before.healthy === verdict.healthy && before.reason === verdict.reason) return present
    const since = before && before.healthy === verdict.healthy ? before.since : verdict.since
    return { ...present, [field]: { ...verdict, since } }
  })
  return settle({
    ...group,
    targets,
    draining: field === 'verdict' ? judgeDraining(group, target, verdict) : group.draining,
  })
}

function judgeDraining({ draining }: TargetGroup, target: string, { healthy }: Verdict): TargetGroup['draining'] {
  return draining.map((each) => (targetKey(each) === target ? { ...each, unhealthy: !healthy } : each))
}

function settle(group: TargetGroup): TargetGroup {
  const { nextCheck, ...rest } = group
  if (!nextCheck || group.targets.some(({ nextVerdict }) => !nextVerdict)) return group
  const targets = group.targets.map(({ node, addresses, nextVerdict }) => ({
    node,
    addresses,
    ...(nextVerdict ? { verdict: nextVerdict } : {}),
  }))
  return { ...rest, targets, check: nextCheck }
}

export function isPending(group: TargetGroup): boolean {
  return group.nextCheck !== undefined || group.targets.some(({ verdict }) => !verdict)
}

/**
 * Who gets new connections. When every judged target is unhealthy all of them do: Network Load Balancers fail open in the same way,
 * because a wrong check is likelier than the end of all nodes. Targets without a verdict never do.
 */
export function eligible(group: TargetGroup): Target[] {
  const judged = group.targets.filter(({ verdict }) => verdict)
  const healthy = judged.filter(({ verdict }) => verdict?.healthy)
  return healthy.length > 0 ? healthy : judged
}

/**
 * Whose established connections live on, besides the eligible ones'. UDP leaves a target that is unhealthy, registered or not, at once:
 * it has no connection to lose, and nobody would tell the client that its packets go nowhere.
 */
export function lingering(
  group: TargetGroup,
  protocol: 'TCP' | 'UDP',
  now: number,
): { addresses: readonly string[]; until: number }[] {
  const drainMs = group.request.spec.drainSeconds * 1000
  const unhealthy = group.targets.flatMap(({ addresses, verdict }) =>
    verdict && !verdict.healthy ? [{ addresses, until: verdict.since + drainMs }] : [],
  )
  const all = protocol === 'TCP' ? [...group.draining, ...unhealthy] : group.draining.filter((each) => !each.unhealthy)
  return all.filter(({ until }) => until > now)
}

export function targetStatuses(group: TargetGroup): TargetStatus[] {
  const registered = group.targets.map(({ node, verdict }): TargetStatus => {
    if (!verdict) return { node, state: 'initial', reason: 'not checked yet' }
    if (verdict.healthy) return { node, state: 'healthy' }
    return { node, state: 'unhealthy', ...(verdict.reason === undefined ? {} : { reason: verdict.reason }) }
  })
  const names = new Set(registered.map(({ node }) => node))
  const draining = group.draining.filter(({ node }) => !names.has(node))
  return [...registered, ...draining.map(({ node }): TargetStatus => ({ node, state: 'draining' }))]
}

/** A node with another address is another target. */
export function targetKey(target: { node: string; addresses: readonly string[] }): string {
  return `${target.node}@${target.addresses.join(',')}`
}

/** Whether two checks ask the same question; how often they ask does not matter to the verdict. */
function sameProbe(a: HealthCheckSpec, b: HealthCheckSpec): boolean {
  return a.protocol === b.protocol && a.port === b.port && a.path === b.path
}

function sameCheck(a: HealthCheckSpec, b: HealthCheckSpec): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
