/**
 * What becomes of an occurrence: a new Event, a higher count on one that exists, or nothing. The rules and figures are those of
 * client-go's tools/record/events_cache.go, so `kubectl describe` shows what its users expect. No I/O; time is an argument.
 */
import type { ObjectReference } from './objects.ts'
import { createRecentlyUsed } from './recently-used.ts'

export interface Occurrence {
  regarding: ObjectReference
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  /** Milliseconds since the epoch. */
  at: number
}

/** Occurrences that are one Event in the cluster. */
export interface Series {
  key: string
  /** metadata.name of the Event; unset until it was created. */
  name: string | undefined
  count: number
  message: string
  firstAt: number
  lastAt: number
}

export interface Correlation {
  /** The series with the occurrence counted, or undefined when the object has had too many. */
  count(occurrence: Occurrence): Series | undefined
  created(series: Series, name: string): void
  /** The Event is gone: the next occurrence starts a new one. */
  forget(series: Series): void
}

export interface CorrelationLimits {
  /** Events one object may cause at once, and the time after which it may cause one more. */
  burst: number
  refillMs: number
  /** So many different messages for one reason within the window become one Event. */
  similar: number
  similarWithinMs: number
  /** Series that are remembered. */
  remembered: number
}

const clientGo: CorrelationLimits = {
  burst: 25,
  refillMs: 300_000,
  similar: 10,
  similarWithinMs: 600_000,
  remembered: 4096,
}

export function createCorrelation(limits: Partial<CorrelationLimits> = {}): Correlation {
  const { burst, refillMs, similar, similarWithinMs, remembered } = { ...clientGo, ...limits }
  const buckets = createRecentlyUsed<{ tokens: number; at: number }>(remembered)
  const groups = createRecentlyUsed<{ messages: Set<string>; at: number }>(remembered)
  const known = createRecentlyUsed<Series>(remembered)

  /** A token bucket per object: one that flaps must not fill etcd. */
  function allowed(object: string, at: number): boolean {
    const last = buckets.get(object) ?? { tokens: burst, at }
    const tokens = Math.min(burst, last.tokens + Math.max(0, at - last.at) / refillMs)
    buckets.set(object, { tokens: tokens >= 1 ? tokens - 1 : tokens, at })
    return tokens >= 1
  }

  /** True when the message is one of too many that differ only in detail. */
  function crowded(group: string, message: string, at: number): boolean {
    const last = groups.get(group)
    const current = last && at - last.at <= similarWithinMs ? last : { messages: new Set<string>(), at }
    current.messages.add(message)
    current.at = at
    groups.set(group, current)
    if (current.messages.size < similar) return false
    // As in client-go the set stays full, so that what follows keeps being combined.
    const [oldest] = current.messages
    if (current.messages.size > similar && oldest !== undefined) current.messages.delete(oldest)
    return true
  }

  return {
    count({ regarding, type, reason, message, at }) {
      const object = join(regarding.apiVersion, regarding.kind, regarding.namespace, regarding.name, regarding.uid)
      const group = join(object, type, reason)
      const combined = crowded(group, message, at)
      if (!allowed(object, at)) return undefined
      const key = combined ? group : join(group, message)
      const text = combined ? `(combined from similar events): ${message}` : message
      const last = known.get(key)
      const series: Series = {
        key,
        name: last?.name,
        count: (last?.count ?? 0) + 1,
        message: text,
        firstAt: last?.firstAt ?? at,
        lastAt: at,
      }
      known.set(key, series)
      return series
    },
    created(series, name) {
      series.name = name
    },
    forget: (series) => known.delete(series.key),
  }
}

/** Parts joined so that different parts never give the same text. */
function join(...parts: (string | undefined)[]): string {
  return JSON.stringify(parts)
}
