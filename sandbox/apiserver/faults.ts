/**
 * Faults a test can switch on: refused requests, lost replies, lag, watches that are cut, stall or never speak again, expired history.
 * They work the same over HTTP and in process; only what is switched on differs from a healthy server.
 */
import type { ApiRequest } from './request.ts'

/** Which requests a fault is for. Left out members match everything. */
export interface RequestMatch {
  method?: string
  /** Part of the path, for example `/services`. */
  path?: string
  /** Only watches, or everything but watches. */
  watch?: boolean
}

export type RequestFault =
  /** Refused before anything happens. */
  | { kind: 'refuse'; code: 429 | 500 | 503 | 504; retryAfterSeconds?: number }
  /** Carried out, then the connection is cut instead of an answer. */
  | { kind: 'drop-reply' }
  /** Never carried out and never answered, the connection stays open. */
  | { kind: 'hang' }
  /** Carried out after so many milliseconds. */
  | { kind: 'lag'; ms: number }

export interface Faults {
  /** The next `times` matching requests (for ever when left out) meet the fault. Returns the way to switch it off. */
  add(fault: RequestFault, match?: RequestMatch, times?: number): () => void
  /** Takes the first fault for a request, counting it. */
  take(request: ApiRequest): RequestFault | undefined
  /** Ends every open watch: gracefully, or as a broken connection. */
  cutWatches(how: 'graceful' | 'reset', match?: RequestMatch): void
  /** Open and new watches stay open but deliver nothing until released: stale views, half-open connections. */
  holdWatches(match?: RequestMatch): () => void
  holds(request: ApiRequest): boolean
  /** Every older resourceVersion answers 410 from now on. */
  expireHistory(): void
  /** Switches everything off and lets held watches go. */
  clear(): void
  /** For the server's side: an open watch to cut or wake. Returns the way out. */
  track(watch: OpenWatch): () => void
}

interface OpenWatch {
  request: ApiRequest
  end(): void
  reset(): void
  wake(): void
}

interface Armed {
  fault: RequestFault
  match: RequestMatch
  left: number
}

export function createFaults(expireHistory: () => void): Faults {
  const armed: Armed[] = []
  const holds = new Set<RequestMatch>()
  const open = new Set<OpenWatch>()
  const wakeAll = () => {
    for (const watch of open) watch.wake()
  }
  return {
    add(fault, match = {}, times = Number.POSITIVE_INFINITY) {
      const entry = { fault, match, left: times }
      armed.push(entry)
      return () => {
        const at = armed.indexOf(entry)
        if (at >= 0) armed.splice(at, 1)
      }
    },
    take(request) {
      const at = armed.findIndex(({ match }) => matches(match, request))
      const found = armed[at]
      if (!found) return undefined
      found.left -= 1
      if (found.left <= 0) armed.splice(at, 1)
      return found.fault
    },
    cutWatches(how, match = {}) {
      for (const watch of open) {
        if (!matches(match, watch.request)) continue
        if (how === 'graceful') watch.end()
        else watch.reset()
      }
    },
    holdWatches(match = {}) {
      const hold = { ...match }
      holds.add(hold)
      return () => {
        holds.delete(hold)
        wakeAll()
      }
    },
    holds: (request) => [...holds].some((match) => matches(match, request)),
    expireHistory,
    clear() {
      armed.length = 0
      holds.clear()
      wakeAll()
    },
    track(watch) {
      open.add(watch)
      return () => open.delete(watch)
    },
  }
}

function matches(match: RequestMatch, request: ApiRequest): boolean {
  if (match.method !== undefined && match.method !== request.method) return false
  if (match.path !== undefined && !request.path.includes(match.path)) return false
  const flag = request.query.get('watch')
  const isWatch = request.method === 'GET' && (flag === 'true' || flag === '1')
  return match.watch === undefined || match.watch === isWatch
}
