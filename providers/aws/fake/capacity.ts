/** Reserved capacity: of active load balancers without TLS listeners, one request after the other, two decreases a day. */
import type { Account, Sync } from './account.ts'
import { isActive } from './load-balancers.ts'
import { demand, found } from './refusal.ts'

const dayMs = 86_400_000
const decreasesPerDay = 2

export function capacityActions(account: Account): Sync<'describeCapacityReservation' | 'modifyCapacityReservation'> {
  const at = (arn: string) =>
    found(account.loadBalancers.get(arn), 'LoadBalancerNotFound', `Load balancer '${arn}' not found`)
  return {
    describeCapacityReservation({ loadBalancerArn }) {
      const { units } = at(loadBalancerArn).capacity
      return units === 0 ? {} : { minimumLoadBalancerCapacity: { capacityUnits: units } }
    },
    modifyCapacityReservation({ loadBalancerArn, minimumLoadBalancerCapacity, resetCapacityReservation }) {
      const before = at(loadBalancerArn)
      const { capacity } = before
      const now = account.now()
      const reset = resetCapacityReservation === true
      const given = minimumLoadBalancerCapacity !== undefined
      demand(given !== reset, 'ValidationError', 'Either a minimum capacity or a reset must be specified')
      demand(isActive(account, before), 'InvalidConfigurationRequest', `Load balancer '${before.name}' is not active`)
      demand(
        now >= capacity.changedAt + account.timing.capacityMs,
        'CapacityReservationPending',
        `There is a pending capacity reservation of '${before.name}'`,
      )
      const ends = account.listeners
        .values()
        .some((listener) => listener.loadBalancerArn === before.arn && listener.protocol === 'TLS')
      demand(reset || !ends, 'InvalidConfigurationRequest', 'Capacity cannot be reserved with TLS listeners')
      const units = minimumLoadBalancerCapacity?.capacityUnits ?? 0
      demand(reset || units >= 1, 'ValidationError', `'${units}' capacity units are not valid`)
      const today = capacity.decreasedAt.filter((time) => now < time + dayMs)
      const decreases = given && units < capacity.units
      demand(
        !decreases || today.length < decreasesPerDay,
        'CapacityDecreaseRequestLimitExceeded',
        'The daily limit of capacity decreases has been exceeded',
      )
      account.loadBalancers.put(before.arn, {
        ...before,
        capacity: { units, changedAt: now, decreasedAt: decreases ? [...today, now] : today },
      })
    },
  }
}
