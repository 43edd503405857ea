/**
 * When something has to be read again, pure. Everything is measured in the interval in which every Service is looked at again (operator flag
 * --drift-interval): lists are read once in half of it; what costs a call per object is read in three parts that take turns, so that a look
 * stays at two calls per Service and nothing is older than three looks.
 */
import type { Aged, TargetGroupRecord } from './records.ts'

/** Health of a group in which nothing serves yet is asked for after so long at the earliest. */
const healthPollMs = 2000
const healthPollMaxMs = 30_000
/** A new target beside healthy ones: nobody waits for it. NLBs take 90 to 180 s. */
const newTargetMs = 120_000
/** A target that fails beside healthy ones. */
const failingTargetMs = 60_000

/** A list that may lag is asked for a deleted object again. */
const proofMs = 5000

export function listDue(listedAt: number, now: number, lookMs: number): boolean {
  return now - listedAt >= lookMs / 2
}

/** A delete is proven by a list that was read after it. Lists lag: one that still shows the object is read again soon. */
export function proofDue(listedAt: number, deletedAt: number, now: number): boolean {
  return listedAt <= deletedAt || now - listedAt >= proofMs
}

/**
 * `detail`: listeners and targets. `settings`: attributes of load balancers and target groups, certificates of listeners. `listenerSettings`:
 * attributes of listeners.
 */
export type Part = 'detail' | 'settings' | 'listenerSettings'

/** Which parts are read at this look: of what is due the oldest one, and what is very late. `since`: never read, first seen then. */
export function partsDue(
  readAt: Readonly<Record<Part, number | { since: number }>>,
  now: number,
  lookMs: number,
): ReadonlySet<Part> {
  const parts = (['settings', 'listenerSettings', 'detail'] as const).map((part) => {
    const at = readAt[part]
    return typeof at === 'number' ? { part, at, rank: at } : { part, at: at.since, rank: -Infinity }
  })
  const [oldest] = parts.filter(({ at }) => now - at >= lookMs * 0.7).toSorted((a, b) => a.rank - b.rank || a.at - b.at)
  const late = parts.filter(({ at, rank }) => rank > -Infinity && now - at >= lookMs * 2.9)
  return new Set([...(oldest === undefined ? [] : [oldest]), ...late].map(({ part }) => part))
}

/** Tags of listeners, by which nothing is decided: every tenth look. */
export function rareDue(read: Aged<unknown> | undefined, since: number, now: number, lookMs: number): boolean {
  return now - (read?.at ?? since) >= lookMs * 10
}

/** Beyond the regular parts: somebody waits for targets to become healthy. */
export function healthDue({ health, registered }: TargetGroupRecord, now: number): boolean {
  if (health === undefined || health.value.length === 0) return false
  const states = new Set(health.value.map(({ targetHealth }) => targetHealth.state))
  const waitedFrom = Math.max(...registered.values(), -Infinity)
  const waited = now - (waitedFrom === -Infinity ? health.at : waitedFrom)
  const since = now - health.at
  if (!states.has('healthy')) return since >= Math.min(healthPollMaxMs, Math.max(healthPollMs, waited / 3))
  if (states.has('initial')) return Math.min(since, waited) >= newTargetMs
  if (states.has('unhealthy') || states.has('unavailable')) return since >= failingTargetMs
  return false
}

/** A load balancer that is being made: soon at first, then less often. */
export function provisioningDue(readAt: number, madeAt: number, now: number): boolean {
  return now - readAt >= Math.min(5000, Math.max(250, (readAt - madeAt) / 4))
}
