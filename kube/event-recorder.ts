/**
 * Writes core/v1 Events, what `kubectl describe` shows. Callers get neither a promise nor an error: an Event that can't be
 * written is lost, the reconciler goes on. Occurrences are written one after another, in order.
 */
import { type Backoff, backoffMs } from './backoff.ts'
import { isApiError, type KubeClient } from './client.ts'
import { type Clock, sleep } from './clock.ts'
import { type CorrelationLimits, createCorrelation, type Occurrence, type Series } from './event-correlation.ts'
import type { Log } from './log.ts'
import type { Event, KubeObject, ObjectReference } from './objects.ts'
import { apiVersionOf, events, type ResourceType } from './resources.ts'

export interface EventRecorderOptions {
  client: KubeClient
  /** `source.component`: the From column of `kubectl describe`. */
  component: string
  host?: string
  clock: Clock
  random: () => number
  log: Log
  limits?: Partial<CorrelationLimits>
}

export interface EventRecorder {
  /** Returns at once, never throws. Identical occurrences raise the count of one Event. */
  event(regarding: ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void
  /** Resolves when everything given so far was written or given up. */
  flush(): Promise<void>
  /** Drops what is not written yet; later occurrences are ignored. */
  stop(): Promise<void>
}

/** The reference by which an Event finds its object. */
export function referenceTo(type: ResourceType, object: KubeObject): ObjectReference {
  const { namespace, name, uid, resourceVersion } = object.metadata
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  }
}

/** What waits beyond this is dropped: a server that is away for long must not fill our memory. */
const longestBacklog = 1000
/** metav1 validation of `message` in events.k8s.io. */
const longestMessage = 1024
const tries = 5
const backoff: Backoff = { initialMs: 1000, maxMs: 10_000, factor: 2, jitter: 0.5 }

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, log, random } = options
  const correlation = createCorrelation(options.limits)
  const stopping = new AbortController()
  const backlog: Occurrence[] = []
  let writing: Promise<void> | undefined
  /** Below a millisecond: random among processes, different within one. */
  let fraction = Math.floor(random() * 1_000_000)

  async function writeAll(): Promise<void> {
    for (let next = backlog.shift(); next && !stopping.signal.aborted; next = backlog.shift()) {
      try {
        const series = correlation.count(next)
        if (series) await write(next, series)
      } catch (error) {
        if (!stopping.signal.aborted)
          log.warn({ err: error, reason: next.reason, regarding: next.regarding }, 'event not written')
      }
    }
    writing = undefined
  }

  async function write(occurrence: Occurrence, series: Series): Promise<void> {
    if (series.name !== undefined) {
      const at = { namespace: namespaceOf(occurrence.regarding), name: series.name }
      const body = { count: series.count, lastTimestamp: seconds(series.lastAt), message: series.message }
      try {
        await persistently(() => client.patch(events, at, { type: 'merge', body }, {}, stopping.signal))
        return
      } catch (error) {
        // Events live for an hour by default; then the series starts anew, with its count, as in client-go.
        if (!isApiError(error, 404)) throw error
      }
    }
    fraction = (fraction + 1) % 1_000_000
    const event = newEvent(occurrence, series, eventName(occurrence.regarding, clock.now(), fraction), options)
    try {
      await persistently(() => client.create(events, event, {}, stopping.signal))
      correlation.created(series, event.metadata.name)
    } catch (error) {
      correlation.forget(series)
      throw error
    }
  }

  /** Tries again when the server could not be reached or was too busy; a refusal is final. */
  async function persistently(request: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await request()
        return
      } catch (error) {
        if (attempt === tries || !isPassing(error) || stopping.signal.aborted) throw error
        const asked = isApiError(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0
        await sleep(clock, Math.max(asked, backoffMs(backoff, attempt, random)), stopping.signal)
        if (stopping.signal.aborted) throw error
      }
    }
  }

  return {
    event(regarding, type, reason, message) {
      if (stopping.signal.aborted) return
      if (backlog.length >= longestBacklog) {
        log.warn({ reason, regarding }, 'too many events wait to be written; this one is dropped')
        return
      }
      const text = message.length > longestMessage ? `${message.slice(0, longestMessage - 3)}...` : message
      backlog.push({ regarding, type, reason, message: text, at: clock.now() })
      writing ??= Promise.resolve().then(writeAll)
    },
    async flush() {
      await writing
    },
    async stop() {
      stopping.abort()
      backlog.length = 0
      await writing
    },
  }
}

function isPassing(error: unknown): boolean {
  return !isApiError(error) || error.code === 429 || error.code >= 500
}

function newEvent(
  { regarding, type, reason }: Occurrence,
  { message, count, firstAt, lastAt }: Series,
  name: string,
  { component, host }: EventRecorderOptions,
): Event & { metadata: { name: string } } {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: namespaceOf(regarding) },
    involvedObject: regarding,
    type,
    reason,
    message,
    count,
    firstTimestamp: seconds(firstAt),
    lastTimestamp: seconds(lastAt),
    source: { component, ...(host !== undefined && { host }) },
    reportingComponent: component,
    reportingInstance: host ?? '',
  }
}

/** Events of cluster-scoped objects live in `default`; others must be in their object's namespace. */
function namespaceOf(regarding: ObjectReference): string {
  return regarding.namespace || 'default'
}

/** `<object>.<nanoseconds in hex>` as client-go's. A DNS subdomain, 253 at most. */
function eventName(regarding: ObjectReference, now: number, fraction: number): string {
  const suffix = (BigInt(now) * 1_000_000n + BigInt(fraction)).toString(16)
  const name = (regarding.name ?? 'unknown').slice(0, 252 - suffix.length).replace(/[.-]+$/, '')
  return `${name}.${suffix}`
}

function seconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
