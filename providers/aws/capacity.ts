/**
 * Reserved capacity of load balancers (LCU reservation). Pure. A tag says that some is or was asked for: only such load balancers are asked
 * what they have, so that the others cost no call. AWS takes a reservation of an active load balancer only.
 */
import type { LoadBalancerResource, Tags } from './resources.ts'
import { capacityTag } from './tags.ts'

/** What stands: none where none was ever asked for; undefined while it was not read. */
export function standingUnits(tags: Tags, read: number | undefined): number | undefined {
  return tags[capacityTag] === undefined ? 0 : read
}

/** The units to reserve, 0 to give them back; undefined when nothing is to do, or nothing yet. */
export function unitsToReserve(from: LoadBalancerResource, to: LoadBalancerResource): number | undefined {
  const wanted = to.mutable.capacityUnits ?? 0
  const { capacityUnits: standing } = from.mutable
  if (from.id === undefined || from.state !== 'ready' || standing === undefined || standing === wanted) return undefined
  return wanted
}
