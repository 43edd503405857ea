/**
 * The port within AWS's token buckets: each call waits for a token of its bucket, so that AWS's own never run empty. Calls of one bucket go
 * out in the order they came. A throttle answer (somebody else uses the account too) slows the bucket down.
 */
import { CloudError } from '../contract.ts'
import type { Bucket, Pace } from '../pacing.ts'
import { actions, around, bucketLimits } from './cloud.ts'
import type { ActionFacts, AwsCloud } from './cloud.ts'

/** Answers' ways differ in length: a little less than the whole is asked for, so that two calls never meet one token. */
const share = 0.99
const spare = 2

/** `rate`: how many times AWS's usual limits, for accounts that were given more. */
export function paced(cloud: AwsCloud, bucket: (pace: Pace) => Bucket, rate = 1): AwsCloud {
  const buckets = Object.fromEntries(
    Object.entries(bucketLimits).map(([name, { burst, perSecond }]) => [
      name,
      bucket({ burst: (burst - spare) * rate, perSecond: perSecond * share * rate }),
    ]),
  ) as Record<ActionFacts['bucket'], Bucket>
  return around(cloud, async ({ action }, go, signal) => {
    const own = buckets[actions[action].bucket]
    await own.take(signal)
    signal.throwIfAborted()
    try {
      return await go()
    } catch (error) {
      if (error instanceof CloudError && error.kind === 'throttled') own.throttled(error.retryAfterSeconds)
      throw error
    }
  })
}
