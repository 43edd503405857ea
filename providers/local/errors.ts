/** The local cloud's refusals as CloudErrors: one table, used by http.ts and by the fake. */
import type { CloudErrorKind } from '../contract.ts'
import { CloudError } from '../contract.ts'
import type { RefusalCode } from './wire.ts'

const meanings: Record<RefusalCode, { kind: CloudErrorKind; reason?: string }> = {
  InvalidRequest: { kind: 'invalid' },
  AddressNotInPool: { kind: 'invalid', reason: 'AddressNotInPool' },
  AddressInUse: { kind: 'conflict', reason: 'AddressInUse' },
  AddressPoolExhausted: { kind: 'quota', reason: 'AddressPoolExhausted' },
  TooManyLoadBalancers: { kind: 'quota', reason: 'QuotaExceeded' },
  NotFound: { kind: 'not-found' },
  AlreadyExists: { kind: 'conflict' },
  OwnedByOther: { kind: 'conflict', reason: 'OwnedByOther' },
  DuplicateListener: { kind: 'conflict' },
  InUse: { kind: 'in-use' },
  Throttled: { kind: 'throttled' },
  InternalError: { kind: 'unavailable' },
}

function isRefusalCode(code: string): code is RefusalCode {
  return Object.hasOwn(meanings, code)
}

export interface RefusalDetails {
  requestId?: string
  retryAfterSeconds?: number
  cause?: unknown
}

/** A code that is not ours is of kind unknown. */
export function cloudErrorOf(code: string, message: string, details: RefusalDetails = {}): CloudError {
  const { kind, reason } = isRefusalCode(code) ? meanings[code] : { kind: 'unknown' as const }
  return new CloudError(kind, message, { code, ...(reason === undefined ? {} : { reason }), ...details })
}
