/**
 * Turns what went wrong on the wire into errors with a type: ApiError when the server answered, ConnectionError when it did not.
 * A body that is no Status (a proxy's HTML page, an empty 502) still becomes an ApiError with the code's usual reason.
 */
import { ApiError } from './client.ts'
import type { Status } from './objects.ts'

/** The request got no usable answer: refused, reset, timed out, cut in the middle, not JSON. `cause` has the reason. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** Reasons as in k8s.io/apimachinery/pkg/apis/meta/v1 StatusReason, for answers that carry none. */
const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

export interface FailedAnswer {
  code: number
  retryAfter: string | undefined
  body: string
  /** `GET /api/v1/services`, for the message when the body has none. */
  request: string
  /** Milliseconds since the epoch, to read a Retry-After that is a date. */
  now: number
}

/** The error for an HTTP answer outside 2xx. */
export function apiFailure(answer: FailedAnswer): ApiError {
  const status = parseStatus(answer.body)
  const wait = retryAfterSeconds(answer.retryAfter, answer.now)
  const message = status?.message ?? `${answer.request}: HTTP ${answer.code}${excerpt(answer.body)}`
  const reason = status?.reason || reasons[answer.code] || 'Unknown'
  return new ApiError(message, {
    code: answer.code,
    reason,
    ...(status && { status }),
    ...(wait !== undefined && { retryAfterSeconds: wait }),
  })
}

/** The error that an ERROR event of a watch carries. */
export function watchFailure(status: Status): ApiError {
  const code = status.code ?? 500
  const reason = status.reason || reasons[code] || 'Unknown'
  return new ApiError(status.message ?? `watch failed: ${reason}`, { code, reason, status })
}

/** Seconds from a Retry-After header (RFC 9110 section 10.2.3: seconds or an HTTP date); undefined when absent or senseless. */
function retryAfterSeconds(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header.trim())) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

function parseStatus(body: string): Status | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed !== 'object' || parsed === null) return undefined
    return 'kind' in parsed && parsed.kind === 'Status' ? (parsed as Status) : undefined
  } catch {
    return undefined
  }
}

function excerpt(body: string): string {
  const text = body.trim().replace(/\s+/g, ' ')
  return text === '' ? '' : `: ${text.length > 200 ? `${text.slice(0, 200)}...` : text}`
}
