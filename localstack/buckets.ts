/**
 * AWS's token buckets in real time. A bucket starts full, a call takes one token, a call without a token is refused.
 * Sources: Elastic Load Balancing API throttling page (40 burst, 10 per second for non-mutating actions); the other figures match
 * the client-side limits of aws-load-balancer-controller and are not documented by AWS.
 */
import { type AwsService, isMutating } from './aws-call.ts'

export interface Bucket {
  name: string
  burst: number
  perSecond: number
  takes(service: AwsService, action: string): boolean
}

const registers = (action: string) => action === 'RegisterTargets' || action === 'DeregisterTargets'
const heavy = (action: string) => ['CreateLoadBalancer', 'DeleteLoadBalancer', 'SetSubnets'].includes(action)

/** The three of elbv2 that the peers were measured under; ec2 is not throttled. */
export const elbv2Buckets: readonly Bucket[] = [
  {
    name: 'describe',
    burst: 40,
    perSecond: 10,
    takes: (service, action) => service === 'elbv2' && !isMutating(action),
  },
  { name: 'register', burst: 20, perSecond: 4, takes: (service, action) => service === 'elbv2' && registers(action) },
  {
    name: 'mutate',
    burst: 20,
    perSecond: 3,
    takes: (service, action) => service === 'elbv2' && isMutating(action) && !registers(action),
  },
]

/** These, a small bucket for what is expensive, and ec2's: harsher than what has been measured on AWS. */
export const strictBuckets: readonly Bucket[] = [
  { name: 'heavy', burst: 10, perSecond: 0.2, takes: (service, action) => service === 'elbv2' && heavy(action) },
  ...elbv2Buckets,
  { name: 'ec2-read', burst: 100, perSecond: 20, takes: (service, action) => service === 'ec2' && !isMutating(action) },
  { name: 'ec2-mutate', burst: 50, perSecond: 5, takes: (service, action) => service === 'ec2' && isMutating(action) },
]

export interface TokenBuckets {
  /** Takes a token from the first bucket that is for this call; false when it is empty. */
  admit(service: AwsService, action: string): boolean
}

export function tokenBuckets(buckets: readonly Bucket[], now: () => number): TokenBuckets {
  const levels = buckets.map((bucket) => ({ bucket, tokens: bucket.burst, at: now() }))
  return {
    admit(service, action) {
      const level = levels.find(({ bucket }) => bucket.takes(service, action))
      if (level === undefined) return true
      const at = now()
      level.tokens = Math.min(level.bucket.burst, level.tokens + ((at - level.at) / 1000) * level.bucket.perSecond)
      level.at = at
      if (level.tokens < 1) return false
      level.tokens -= 1
      return true
    },
  }
}
