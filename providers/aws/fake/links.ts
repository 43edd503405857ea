/** Who uses which target group: kept up to date after every change of listeners, with the times that health and release follow from. */
import type { Account, ListenerState, TargetGroupState } from './account.ts'

/** Notes for every target group since when listeners use it, or since when none does any more. */
export function letGo(account: Account): void {
  const used = new Set(account.listeners.values().flatMap(groupsOf))
  for (const group of account.targetGroups.values()) {
    const inUse = used.has(group.arn)
    if (inUse === (group.usedSince !== undefined)) continue
    const change = inUse
      ? { usedSince: account.now(), unusedSince: undefined }
      : { usedSince: undefined, unusedSince: account.now() }
    account.targetGroups.put(group.arn, { ...group, ...change })
  }
}

/** ARNs of the target groups that it forwards to, with or without weight. */
export function groupsOf({ targetGroupArn, standby }: Pick<ListenerState, 'targetGroupArn' | 'standby'>): string[] {
  return [targetGroupArn, ...standby]
}

/** ARNs of the load balancers whose listeners forward to the group. */
export function loadBalancersOf(account: Account, targetGroupArn: string): string[] {
  const listeners = account.listeners.values().filter((each) => groupsOf(each).includes(targetGroupArn))
  return [...new Set(listeners.map(({ loadBalancerArn }) => loadBalancerArn))]
}

/** A group cannot be deleted while this holds: its last listener has to be forgotten everywhere first. */
export function isHeld({ now, timing }: Account, { usedSince, unusedSince }: TargetGroupState): boolean {
  return usedSince !== undefined || (unusedSince !== undefined && now() < unusedSince + timing.releaseMs)
}
