/**
 * The one table that says what a cloud's refusal means: how long to wait, the reason in conditions, and whether people get an event.
 * Pure. Nothing else looks at CloudError.kind.
 */
import type { CloudError, CloudErrorKind } from '../providers/contract.ts'

interface Requeue {
  /** Waits at least this long; 'backoff' leaves it to the queue's exponential backoff alone. */
  wait: number | 'backoff'
  /** Reason in conditions unless the error brings a more specific one. CamelCase. */
  reason: string
  /** 'specific': an event with the reason itself; 'sync-failed': SyncLoadBalancerFailed, which runbooks know; 'never': it passes by itself. */
  event: 'specific' | 'sync-failed' | 'never'
  /** What a person can do; ends the message. */
  advice: string
}

const seconds = 1000
const minutes = 60 * seconds

const table: Record<CloudErrorKind, Requeue> = {
  throttled: {
    wait: 'backoff',
    reason: 'CloudThrottled',
    event: 'never',
    advice: 'the operator slows down and tries again',
  },
  quota: {
    wait: 1 * minutes,
    reason: 'QuotaExceeded',
    event: 'specific',
    advice: 'raise the quota or delete what is not needed',
  },
  denied: {
    wait: 5 * minutes,
    reason: 'PermissionDenied',
    event: 'specific',
    advice: "give the operator's identity this permission",
  },
  invalid: {
    wait: 1 * minutes,
    reason: 'CloudRefused',
    event: 'specific',
    advice: 'change the Service or its class',
  },
  conflict: {
    wait: 1 * seconds,
    reason: 'CloudConflict',
    event: 'sync-failed',
    advice: 'the operator looks again and retries',
  },
  'in-use': {
    wait: 2 * seconds,
    reason: 'CloudObjectInUse',
    event: 'never',
    advice: 'the operator waits until the cloud lets go of it',
  },
  'not-found': {
    wait: 1 * seconds,
    reason: 'CloudObjectNotFound',
    event: 'sync-failed',
    advice: 'the operator looks again and retries',
  },
  unavailable: {
    wait: 'backoff',
    reason: 'CloudUnavailable',
    event: 'sync-failed',
    advice: 'the operator keeps trying',
  },
  unknown: {
    wait: 'backoff',
    reason: 'CloudError',
    event: 'sync-failed',
    advice: 'the operator keeps trying',
  },
}

const tellsRequest: ReadonlySet<CloudErrorKind> = new Set(['quota', 'denied', 'invalid'])

export interface Interpretation {
  /** For the queue's retry: at least this many milliseconds. */
  waitMs: number
  reason: string
  /** Stable over retries: no request ids, so that nothing is written again for the same failure. */
  message: string
  /** The cloud's id of this very call, where people may need it to ask the cloud's support or its audit log. */
  requestId: string | undefined
  event: Requeue['event']
}

/** What to do about a failed call. */
export function interpret(error: CloudError): Interpretation {
  const row = table[error.kind]
  const own = row.wait === 'backoff' ? 0 : row.wait
  const code = error.code === undefined ? '' : ` (${error.code})`
  return {
    waitMs: Math.max(own, (error.retryAfterSeconds ?? 0) * seconds),
    reason: error.reason ?? row.reason,
    message: `${error.message}${code}; ${row.advice}`,
    requestId: tellsRequest.has(error.kind) ? error.requestId : undefined,
    event: row.event === 'sync-failed' && error.reason !== undefined ? 'specific' : row.event,
  }
}
