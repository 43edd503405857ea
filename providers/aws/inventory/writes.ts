/**
 * The port once more, with every write laid over the records as soon as AWS has taken it. A write without a clear answer, and one that AWS
 * refuses because the world is not as recorded, makes the next look read again; NotFound of what this process has just made is a matter of time.
 */
import type { AwsCloud } from '../cloud.ts'
import { groupWrites } from './group-writes.ts'
import { loadBalancerWrites } from './load-balancer-writes.ts'
import type { Records } from './records.ts'
import { targetWrites } from './target-writes.ts'

export function recordingWrites(cloud: AwsCloud, records: Records, now: () => number): AwsCloud {
  return {
    ...cloud,
    ...loadBalancerWrites(cloud, records, now),
    ...targetWrites(cloud, records, now),
    ...groupWrites(cloud, records, now),
  }
}
