/**
 * The one table that says what a cloud's refusal means: how long to wait, the reason in conditions, and whether people get an event.
 * Pure. Nothing else looks at CloudError.kind.
 */
import type { CloudError, CloudErrorKind } from '../providers/contract.ts'

/** Waits double from `initialMs` to `maxMs`, each placement for itself. */
interface Pace {
  initialMs: number
  maxMs: number
  jitter: number
}

interface Requeue {
  pace: Pace
  /** Reason in conditions unless the error brings a more specific one. CamelCase. */
  reason: string
  /** 'specific': an event with the reason itself; 'sync-failed': SyncLoadBalancerFailed, which runbooks know; 'never': it passes by itself. */
  event: 'specific' | 'sync-failed' | 'never'
  /** What a person can do; ends the message. */
  advice: string
}

const seconds = 1000

/** Many fail together when a permission or a quota is missing: they come back spread over half of the wait. */
const from = (first: number, longest: number): Pace => ({
  initialMs: first * seconds,
  maxMs: longest * seconds,
  jitter: 0.5,
})

/** Where a person or the cloud has to act first, the longest wait is how late that is noticed; one placement makes one attempt in it. */
const table: Record<CloudErrorKind, Requeue> = {
  throttled: {
    pace: from(1, 60),
    reason: 'CloudThrottled',
    event: 'never',
    advice: 'the operator slows down and tries again',
  },
  quota: {
    pace: from(10, 120),
    reason: 'QuotaExceeded',
    event: 'specific',
    advice: 'raise the quota or delete what is not needed',
  },
  denied: {
    pace: from(10, 60),
    reason: 'PermissionDenied',
    event: 'specific',
    advice: "give the operator's identity this permission",
  },
  invalid: {
    pace: from(10, 120),
    reason: 'CloudRefused',
    event: 'specific',
    advice: 'change the Service or its class',
  },
  conflict: {
    pace: from(1, 60),
    reason: 'CloudConflict',
    event: 'sync-failed',
    advice: 'the operator looks again and retries',
  },
  'in-use': {
    pace: from(2, 15),
    reason: 'CloudObjectInUse',
    event: 'never',
    advice: 'the operator waits until the cloud lets go of it',
  },
  'not-found': {
    pace: from(1, 60),
    reason: 'CloudObjectNotFound',
    event: 'sync-failed',
    advice: 'the operator looks again and retries',
  },
  'not-visible': {
    pace: from(0.5, 5),
    reason: 'NotVisibleYet',
    event: 'never',
    advice: 'the operator tries again until it does',
  },
  unavailable: {
    pace: from(1, 30),
    reason: 'CloudUnavailable',
    event: 'sync-failed',
    advice: 'the operator keeps trying',
  },
  unknown: {
    pace: from(1, 120),
    reason: 'CloudError',
    event: 'sync-failed',
    advice: 'the operator keeps trying',
  },
}

const tellsRequest: ReadonlySet<CloudErrorKind> = new Set(['quota', 'denied', 'invalid'])

export interface Interpretation {
  /** Milliseconds that the cloud asks to wait at least. */
  waitMs: number
  /** For the queue's retry. */
  pace: Pace
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
  const code = error.code === undefined ? '' : ` (${error.code})`
  return {
    waitMs: (error.retryAfterSeconds ?? 0) * seconds,
    pace: row.pace,
    reason: error.reason ?? row.reason,
    message: `${error.message}${code}; ${row.advice}`,
    requestId: tellsRequest.has(error.kind) ? error.requestId : undefined,
    event: row.event === 'sync-failed' && error.reason !== undefined ? 'specific' : row.event,
  }
}
