/**
 * Faults that a test switches on at the proxy: errors, lost replies, cut connections, hangs, lag. A fault is for the calls it matches,
 * passes over the first `skip` of them and is spent after `times`.
 */
import type { AwsError } from './answer.ts'
import { type AwsCall, type AwsService, isMutating } from './aws-call.ts'

/** Members that are left out match everything. */
export interface FaultMatch {
  service?: AwsService
  /** An action, or its beginning with a star: `Describe*`. */
  action?: string
  mutating?: boolean
  /** Parameters that must have this value or contain it: {TargetGroupArn: 'web-80'}. */
  parameters?: Readonly<Record<string, string>>
}

export type FaultEffect =
  /** Refused before anything happens. */
  | ({ kind: 'error' } & AwsError)
  /** Refused as IAM does. */
  | { kind: 'denied' }
  /** Refused as an empty token bucket does. */
  | { kind: 'throttled' }
  /** Carried out, then the connection is cut instead of an answer. */
  | { kind: 'lost-reply' }
  /** Carried out, but answered with this error. */
  | ({ kind: 'error-after' } & AwsError)
  /** The connection is cut before anything happens: an endpoint that cannot be reached. */
  | { kind: 'reset' }
  /** Never carried out, never answered. */
  | { kind: 'hang' }
  /** Carried out after so many milliseconds. */
  | { kind: 'lag'; ms: number }

export interface Fault {
  match?: FaultMatch
  effect: FaultEffect
  /** Calls to let pass first. Default 0. */
  skip?: number
  /** Calls to hit. Default: until it is switched off. */
  times?: number
  /** Ends by itself after so many milliseconds. */
  forMs?: number
}

export interface Faults {
  /** Returns the way to switch it off. */
  add(fault: Fault): () => void
  /** The first fault for this call, counted. */
  take(call: AwsCall): FaultEffect | undefined
  clear(): void
}

export function createFaults(now: () => number): Faults {
  const armed = new Set<{ fault: Fault; skip: number; left: number; until: number }>()
  return {
    add(fault) {
      const entry = {
        fault,
        skip: fault.skip ?? 0,
        left: fault.times ?? Number.POSITIVE_INFINITY,
        until: now() + (fault.forMs ?? Number.POSITIVE_INFINITY),
      }
      armed.add(entry)
      return () => armed.delete(entry)
    },
    take(call) {
      for (const entry of armed) {
        if (now() >= entry.until) armed.delete(entry)
        else if (matches(entry.fault.match ?? {}, call)) {
          if (entry.skip > 0) {
            entry.skip--
            continue
          }
          entry.left--
          if (entry.left <= 0) armed.delete(entry)
          return entry.fault.effect
        }
      }
      return undefined
    },
    clear: () => armed.clear(),
  }
}

function matches(match: FaultMatch, call: AwsCall): boolean {
  if (match.service !== undefined && match.service !== call.service) return false
  if (match.action !== undefined && !sameAction(match.action, call.action)) return false
  if (match.mutating !== undefined && match.mutating !== isMutating(call.action)) return false
  return Object.entries(match.parameters ?? {}).every(([name, value]) => call.parameters.get(name)?.includes(value))
}

function sameAction(pattern: string, action: string): boolean {
  return pattern.endsWith('*') ? action.startsWith(pattern.slice(0, -1)) : pattern === action
}
