/**
 * When what is not wanted any more may go. A replaced object serves until its replacement has an address of its own and is as healthy, and
 * then for a grace time, since clients keep names in caches. Nothing here does I/O; what has to be remembered is in the placement.
 */
import type { Provider, Reason, Resource, TargetNode } from '../../providers/contract.ts'
import type { Draining } from '../../providers/drain.ts'
import type { Placement } from './placements.ts'

export interface SuccessionGoal {
  own: readonly Resource[]
  /** An established connection may live on so long beside a new address. */
  drainSeconds: number
  /** Absent: `replacementWaitSeconds`. */
  waitSeconds?: number | undefined
  nodes: readonly TargetNode[]
}

export interface Succession {
  /** Nothing that is not wanted goes yet. */
  keep: boolean
  /** What counts for the status meanwhile. */
  standing: readonly Resource[]
  /** Something changes by the passing of time alone. */
  againMs?: number
  /** The replacement does not serve yet, and why. */
  held?: Reason
  notes: readonly Reason[]
}

/** Ten minutes: targets of a slow cloud are healthy after three. */
const replacementWaitSeconds = 600
/** How often a replacement's targets are looked at while the old object still serves. */
const healthLookMs = 10_000

/** `leaving`: what is not wanted any more of `observed`. */
export function succession(
  { provider, now }: { provider: Pick<Provider, 'addresses' | 'targets'>; now: number },
  placement: Placement,
  goal: SuccessionGoal,
  leaving: readonly Resource[],
  observed: readonly Resource[],
): Succession {
  const { own, drainSeconds } = goal
  const graces = leaving.flatMap(
    ({ kind, key }) => own.find((one) => one.kind === kind && one.key === key)?.graceSeconds ?? [],
  )
  if (own.length === 0 || graces.length === 0) {
    if (leaving.length > 0 || own.length === 0) placement.succession = undefined
    placement.comparison = undefined
    return { keep: false, standing: observed, notes: [] }
  }
  const kept = observed.filter((resource) => !leaving.includes(resource))
  const next = provider.addresses(kept)
  if (next.kind === 'pending') return { keep: true, standing: observed, notes: [] }
  // Its listeners are gone: nobody comes to it any more, whatever a process before this one remembered.
  if (leaving.some(({ drain }) => drain?.since !== undefined)) return { keep: false, standing: kept, notes: [] }
  const addresses = JSON.stringify(next.addresses)
  const comparison = compared(provider, placement, { ...goal, addresses, now }, kept, leaving)
  if (comparison.held !== undefined) {
    const replaced = new Set(leaving.map(({ kind, key }) => `${kind} ${key}`))
    const standing = observed.filter((one) => leaving.includes(one) || !replaced.has(`${one.kind} ${one.key}`))
    return { keep: true, standing, ...comparison }
  }
  const { since } = placement.succession?.addresses === addresses ? placement.succession : { since: now }
  placement.succession = { addresses, since }
  const graceMs = since + Math.max(drainSeconds, ...graces) * 1000 - now
  if (graceMs > 0) return { keep: true, standing: kept, againMs: graceMs, notes: comparison.notes }
  return { keep: false, standing: kept, notes: comparison.notes }
}

/**
 * Nobody is sent to a replacement while fewer of its targets are healthy than of the old one's, for so long at most; and never, unless a
 * person says so with 0, to one without any healthy target: the old one serves better.
 */
function compared(
  provider: Pick<Provider, 'targets'>,
  placement: Placement,
  { addresses, now, nodes, waitSeconds = replacementWaitSeconds }: SuccessionGoal & { addresses: string; now: number },
  kept: readonly Resource[],
  leaving: readonly Resource[],
): { held?: Reason; againMs?: number; notes: readonly Reason[] } {
  const healthy = (resources: readonly Resource[]) =>
    provider.targets(resources, nodes).filter((target) => target.healthy).length
  const [has, before] = [healthy(kept), healthy(leaving)]
  if (has >= before) return { notes: [] }
  const counts = `${has} of the ${before} healthy targets that the old one has`
  if (placement.succession?.addresses === addresses || waitSeconds === 0) return { notes: [lessHealthy(counts)] }
  const { since } = placement.comparison?.addresses === addresses ? placement.comparison : { since: now }
  placement.comparison = { addresses, since }
  const until = since + waitSeconds * 1000
  if (now < until) {
    const message = `the new load balancer has ${counts}, which serves on; from ${timeOf(until)} one is enough`
    const held = { reason: 'WaitingForHealthyTargets', message }
    return { held, againMs: Math.min(healthLookMs, until - now), notes: [] }
  }
  if (has > 0) return { notes: [lessHealthy(counts)] }
  const message = `the new load balancer has had ${counts} since ${timeOf(since)}; the old one serves until one is healthy: check the firewall of the nodes and the health check, undo the change, or set roadstead.dev/replacement-wait-seconds to 0 to go on without`
  return { held: { reason: 'ReplacementUnhealthy', message }, againMs: healthLookMs, notes: [] }
}

function lessHealthy(counts: string): Reason {
  return { reason: 'ReplacementLessHealthy', message: `the new load balancer has taken over with ${counts}` }
}

/** What is waited for before the rest of what is not wanted goes; undefined when nothing drains. */
export function drainingReason(draining: readonly Draining[]): Reason | undefined {
  const [first] = draining
  if (first === undefined) return undefined
  const names = draining.map(({ resource: { kind, key } }) => (kind === key ? kind : `${kind} ${key}`)).join(', ')
  const until = drainedAt(draining)
  const message =
    until === undefined
      ? `waiting for the listeners of ${names} to go; then it drains for ${first.seconds} s`
      : `Draining until ${timeOf(until)}: ${names} takes no new connections, established ones run out`
  return { reason: 'Draining', message }
}

/** When the last of them may go; undefined while one of them has not begun. */
export function drainedAt(draining: readonly Draining[]): number | undefined {
  const ends = draining.flatMap(({ until }) => until ?? [])
  return ends.length === 0 || ends.length < draining.length ? undefined : Math.max(...ends)
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function timeOf(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}
