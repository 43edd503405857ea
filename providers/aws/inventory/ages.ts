/**
 * When something has to be read again, pure. Everything is measured in the interval in which every Service is looked at again (operator flag
 * --drift-interval): lists are read once in half of it; of what costs a call per object, listeners and targets at one look and attributes at the
 * next, so that a look stays at two calls per Service and each part is never older than two looks.
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

/** Which half is read at this look: of what is due the older one, both when one is very late. `since`: attributes that were never read, first seen then. */
export function halvesDue(
  { detail, settings }: { detail: number; settings: number | { since: number } },
  now: number,
  lookMs: number,
): { detail: boolean; settings: boolean } {
  const settingsAt = typeof settings === 'number' ? settings : settings.since
  const due = (at: number) => now - at >= lookMs * 0.7
  const overdue = (at: number) => now - at >= lookMs * 1.9
  const settingsFirst = settingsAt < detail || typeof settings !== 'number'
  return {
    detail: due(detail) && (!settingsFirst || !due(settingsAt) || overdue(detail)),
    settings: due(settingsAt) && (settingsFirst || !due(detail) || overdue(settingsAt)),
  }
}

/** Attributes of listeners are nearly never changed: every tenth look, unless something was set there. */
export function rareDue(read: Aged<unknown> | undefined, since: number, now: number, lookMs: number): boolean {
  return now - (read?.at ?? since) >= lookMs * 10
}

/** Beyond the regular halves: somebody waits for targets to become healthy. */
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
