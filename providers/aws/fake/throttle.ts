/**
 * AWS's request limits: a token bucket per group of actions, for the whole account and region. Which action draws from which bucket is the
 * port's own table; the sizes are the test's, by default those the other controllers were measured under (EC2 unlimited).
 */
import type { Action, ActionFacts } from '../cloud.ts'
import { actions } from '../cloud.ts'

export type BucketName = ActionFacts['bucket']
export type Buckets = Partial<Record<BucketName, { burst: number; perSecond: number }>>

/** describe 40/10 is documented; the others are what aws-load-balancer-controller is tuned to. */
export const measuredBuckets: Buckets = {
  'elb-read': { burst: 40, perSecond: 10 },
  'elb-write': { burst: 20, perSecond: 3 },
  'elb-register': { burst: 20, perSecond: 4 },
}

export interface Throttle {
  /** Takes a token for the action. False when there is none. */
  admits(action: Action): boolean
}

export function createThrottle(now: () => number, buckets: Buckets): Throttle {
  const fill = new Map<BucketName, { tokens: number; at: number }>()
  return {
    admits(action) {
      const name = actions[action].bucket
      const size = buckets[name]
      if (size === undefined) return true
      const { tokens, at } = fill.get(name) ?? { tokens: size.burst, at: now() }
      const filled = Math.min(size.burst, tokens + (Math.max(0, now() - at) / 1000) * size.perSecond)
      // Refills are sums of fractions: a thousandth short of a whole token is one.
      const admitted = filled >= 0.999
      fill.set(name, { tokens: admitted ? filled - 1 : filled, at: now() })
      return admitted
    },
  }
}
