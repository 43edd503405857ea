/**
 * Slow deletes, pure: an object that drains loses what leads new connections to it first, gets the mark that its time has begun, and goes
 * when that time is over. The mark is in the cloud, so a process that starts in between waits for the rest and not from the beginning.
 */
import type { Resource, Step } from './contract.ts'

/** When it is, and how long to drain. */
export interface DrainTime {
  /** Milliseconds since the epoch. */
  now: number
  /** What the Service or its class says now; absent: as it stands in the cloud. */
  seconds?: number
  /** Nothing that is not wanted goes yet. */
  keep?: boolean
}

export interface Draining {
  resource: Resource
  seconds: number
  /** Milliseconds since the epoch; absent: new connections still come, its time has not begun. */
  until?: number
}

/**
 * The deletes of `leaving` (dependents first) that may be made now, and the marks. `surplus`: everything that is not wanted, also what is
 * being deleted. Without `time`, and for objects that were never in service, nothing waits.
 */
export function slowRemoval(
  leaving: readonly Resource[],
  surplus: readonly Resource[],
  time: DrainTime | undefined,
): { steps: Step[]; draining: Draining[] } {
  if (time?.keep === true) return { steps: [], draining: [] }
  const slow = time === undefined ? [] : leaving.flatMap((resource) => drainingOf(resource, time))
  if (time === undefined || slow.length === 0) {
    return { steps: leaving.map((resource) => ({ verb: 'delete', resource })), draining: [] }
  }
  const users = usersOf(new Set(slow.map(({ resource }) => resource.key)), surplus)
  const used = new Set(users.flatMap(({ needs }) => needs))
  // What its connections run over stays as long as it does.
  const deletes = leaving.filter((resource) => users.includes(resource))
  const begun = slow.filter(({ resource, until }) => until === undefined && !used.has(resource.key))
  return {
    steps: [
      ...deletes.map((resource): Step => ({ verb: 'delete', resource })),
      ...begun.map(({ resource, seconds }): Step => {
        const marked = { ...resource, drain: { seconds, since: time.now } }
        return { verb: 'update', resource: marked, from: resource }
      }),
    ],
    draining: slow.map((one) => (begun.includes(one) ? { ...one, until: time.now + one.seconds * 1000 } : one)),
  }
}

/** How long this one still stays; nothing when it may go. */
function drainingOf(resource: Resource, { now, seconds: asked }: DrainTime): Draining[] {
  const { drain, state } = resource
  if (drain === undefined || state !== 'ready') return []
  const seconds = asked ?? drain.seconds
  if (seconds <= 0) return []
  // A mark of the future was written under a clock that was wrong.
  if (drain.since === undefined || drain.since > now) return [{ resource, seconds }]
  const until = drain.since + seconds * 1000
  return until <= now ? [] : [{ resource, seconds, until }]
}

/** What needs one of these, directly or over others. */
function usersOf(keys: ReadonlySet<string>, surplus: readonly Resource[]): Resource[] {
  const reached = new Set(keys)
  let found: Resource[] = []
  for (;;) {
    const next = surplus.filter((resource) => resource.needs.some((need) => reached.has(need)))
    if (next.length === found.length) return next
    found = next
    for (const { key } of found) reached.add(key)
  }
}
