/**
 * How long the first health checks of new targets count as under way, and not as a fault. A cloud takes some minutes for them; when they have
 * no end, people are told what to look at. Pure but for the time that is remembered in the placement.
 */
import type { Resource, TargetHealth } from '../../providers/contract.ts'
import type { Placement } from './placements.ts'

/** From when the load balancer is there. AWS takes 90 to 180 s. */
const patienceMs = 300_000

/** The targets, without the word of first checks when these have taken too long. */
export function withinPatience(
  placement: Pick<Placement, 'checkingSince'>,
  observed: readonly Resource[],
  targets: readonly TargetHealth[],
  now: number,
): readonly TargetHealth[] {
  const underWay = targets.some(({ checking }) => checking !== undefined) && !targets.some(({ healthy }) => healthy)
  if (!underWay || observed.some(({ state }) => state === 'pending')) {
    placement.checkingSince = undefined
    return targets
  }
  placement.checkingSince ??= now
  if (now - placement.checkingSince < patienceMs) return targets
  return targets.map(({ checking: _checking, serves: _serves, ...judged }) => judged)
}
