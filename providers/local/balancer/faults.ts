/**
 * How the local cloud can be broken, as a value set through the control API: late, throttled, failing, forgetful. Counters run
 * down to 0 with each request they hit. The control API's own /v1/faults and /healthz are never hit.
 */
import { z } from 'zod'

const count = z.int().min(0)
const milliseconds = z.number().min(0)

const faultValues = z.strictObject({
  /** Every answer comes this much later. */
  lagMs: milliseconds,
  /** The next N requests are answered 429 with this Retry-After. */
  throttle: count,
  retryAfterSeconds: z.number().min(0),
  /** The next N requests are answered 500, nothing is done. */
  errors: count,
  /** The next N changes are done and their connection is cut without an answer. */
  lostReplies: count,
  /** Reads show the state of this long ago. */
  visibilityMs: milliseconds,
  /** A new load balancer has no address for this long. */
  provisioningMs: milliseconds,
  /** null: no quota. */
  loadBalancerQuota: count.nullable(),
})
export type Faults = z.infer<typeof faultValues>

export const noFaults: Faults = {
  lagMs: 0,
  throttle: 0,
  retryAfterSeconds: 1,
  errors: 0,
  lostReplies: 0,
  visibilityMs: 0,
  provisioningMs: 0,
  loadBalancerQuota: null,
}

/** What a client sends: the named switches are set, the others stay. */
export const faultsPatch = faultValues.partial()
