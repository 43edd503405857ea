/**
 * The fault switches over HTTP, for servers started by command with --enable-faults. POST /_faults with one of
 *   {"add": {"kind": "refuse", "code": 429, "retryAfterSeconds": 1}, "match": {"path": "/services"}, "times": 3}
 *   {"cutWatches": "graceful" | "reset", "match": {...}}   {"holdWatches": {...match}}   {"expireHistory": true}   {"clear": true}
 */
import { badRequest, methodNotAllowed } from './failure.ts'
import type { Faults, RequestFault, RequestMatch } from './faults.ts'
import { isObject } from './json.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import { refusal, value } from './response.ts'
import { StatusFailure } from './strategies/status-failure.ts'

export const faultsPath = '/_faults'

export function controlFaults(faults: Faults, request: ApiRequest): ApiResponse {
  try {
    if (request.method !== 'POST') throw methodNotAllowed()
    switchFault(faults, parse(request.body))
    return value({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' })
  } catch (error) {
    if (error instanceof StatusFailure) return refusal(error)
    throw error
  }
}

function parse(body: string | undefined): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(body ?? '')
    if (isObject(read)) return read
  } catch {
    // Falls through: not JSON and not an object are the same mistake.
  }
  throw badRequest('the body must be a JSON object')
}

function switchFault(faults: Faults, wanted: Record<string, unknown>): void {
  const match = matchOf(wanted['match'])
  const { add, cutWatches, holdWatches, times } = wanted
  if (isObject(add)) faults.add(faultOf(add), match, typeof times === 'number' ? times : undefined)
  else if (cutWatches === 'graceful' || cutWatches === 'reset') faults.cutWatches(cutWatches, match)
  else if (isObject(holdWatches)) faults.holdWatches(matchOf(holdWatches))
  else if (wanted['expireHistory'] === true) faults.expireHistory()
  else if (wanted['clear'] === true) faults.clear()
  else throw badRequest('one of add, cutWatches, holdWatches, expireHistory, clear is needed')
}

function faultOf(given: Record<string, unknown>): RequestFault {
  const { kind, code, ms, retryAfterSeconds } = given
  if (kind === 'drop-reply' || kind === 'hang') return { kind }
  if (kind === 'lag' && typeof ms === 'number' && ms >= 0) return { kind, ms }
  if (kind === 'refuse' && (code === 429 || code === 500 || code === 503 || code === 504)) {
    return typeof retryAfterSeconds === 'number' ? { kind, code, retryAfterSeconds } : { kind, code }
  }
  throw badRequest('add.kind must be refuse (code 429, 500, 503 or 504), drop-reply, hang or lag (ms)')
}

function matchOf(given: unknown): RequestMatch {
  if (given === undefined) return {}
  if (!isObject(given)) throw badRequest('match must be an object')
  const { method, path, watch } = given
  return {
    ...(typeof method === 'string' ? { method } : {}),
    ...(typeof path === 'string' ? { path } : {}),
    ...(typeof watch === 'boolean' ? { watch } : {}),
  }
}
