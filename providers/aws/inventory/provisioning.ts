/** Load balancers that are being made: their state is asked for until they are active, all owners' in one call. */
import { describeNamesLimit } from '../elbv2.ts'
import { provisioningDue } from './ages.ts'
import type { Lists } from './lists.ts'
import type { Reading } from './reading.ts'
import { notFound } from './reading.ts'
import type { LoadBalancerRecord } from './records.ts'

/** Asks when one of the given load balancers is due. */
export function provisioningPoll({ cloud, records, now, once }: Reading, lists: Lists) {
  const polledAt = new WeakMap<LoadBalancerRecord, number>()

  async function poll(signal: AbortSignal): Promise<void> {
    const all = [...records.loadBalancers.values()].filter((record) => record.owner !== undefined && isPending(record))
    const at = now()
    for (const record of all) polledAt.set(record, at)
    if (all.length > describeNamesLimit) return lists.readAgain(['loadBalancers'], signal)
    try {
      const arns = all.map(({ loadBalancer }) => loadBalancer.loadBalancerArn)
      const { loadBalancers } = await cloud.describeLoadBalancers({ loadBalancerArns: arns }, signal)
      for (const { loadBalancerArn, state } of loadBalancers) {
        const record = records.loadBalancers.get(loadBalancerArn)
        if (record !== undefined) record.loadBalancer = { ...record.loadBalancer, state }
      }
    } catch (error) {
      // Not visible yet, or deleted by hand: the list tells which.
      if (!notFound(error)) throw error
      await lists.readAgain(['loadBalancers'], signal)
    }
  }

  const isDue = (record: LoadBalancerRecord): boolean => {
    const askedAt = polledAt.get(record) ?? records.listedAt.loadBalancers
    return isPending(record) && provisioningDue(askedAt, record.madeAt ?? record.firstSeenAt, now())
  }

  return async (loadBalancers: readonly LoadBalancerRecord[], signal: AbortSignal): Promise<void> => {
    if (loadBalancers.some(isDue)) await once('provisioning', () => poll(signal))
  }
}

function isPending({ loadBalancer, deletedAt }: LoadBalancerRecord): boolean {
  return loadBalancer.state.code === 'provisioning' && deletedAt === undefined
}
