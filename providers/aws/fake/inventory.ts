/** What stands in an account beyond its seed, one line an object: names instead of ids, so that two accounts can be compared. */
import type { Account, RuleState } from './account.ts'
import { isGone, registered } from './targets.ts'
import { lingers } from './placement.ts'

/** Sorted. Of groups in `seeded` only the rules; load balancers' lingering interfaces are lines as well. */
export function inventoryOf(account: Account, seeded: ReadonlySet<string>): string[] {
  const groupName = (id: string) => account.securityGroups.get(id)?.groupName ?? id
  const loadBalancerName = (arn: string) => account.loadBalancers.get(arn)?.name ?? arn
  const targetGroupName = (arn: string) => account.targetGroups.get(arn)?.name ?? arn
  const rule = ({ ipProtocol, fromPort, toPort, source, description }: RuleState) =>
    `${ipProtocol} ${fromPort}-${toPort} from ${groupName(source.value)} "${description ?? ''}"`
  const line = (kind: string, name: string, content: unknown) => `${kind} ${name} ${JSON.stringify(content)}`
  const now = account.now()
  return [
    ...account.securityGroups
      .values()
      .flatMap(({ groupId, groupName: name, rules, tags }) => [
        ...(seeded.has(groupId) ? [] : [line('security-group', name, sorted(tags))]),
        ...rules.map((each) => `rule of ${name}: ${rule(each)}`),
      ]),
    ...account.loadBalancers.values().map((rest) =>
      line('load-balancer', rest.name, {
        ...rest,
        arn: '',
        dnsName: '',
        createdAt: 0,
        capacity: rest.capacity.units,
        attributes: sorted(rest.attributes),
        tags: sorted(rest.tags),
        securityGroups: rest.securityGroups.map(groupName),
      }),
    ),
    ...account.targetGroups.values().map((group) => {
      const { arn, usedSince, unusedSince, attributes, tags, healthCheck, ...rest } = group
      return line('target-group', rest.name, {
        ...rest,
        // Each target carries its own.
        port: 0,
        used: usedSince !== undefined && unusedSince === undefined,
        healthCheck: sorted(healthCheck),
        attributes: sorted(attributes),
        tags: sorted(tags),
        targets: registered(account, arn)
          .map(({ id, port }) => `${id}:${port}`)
          .sort(),
      })
    }),
    ...account.targets.values().flatMap((target) => {
      const group = account.targetGroups.get(target.targetGroupArn)
      const drains = group !== undefined && target.deregisteredAt !== undefined && !isGone(account, group, target)
      return drains ? [`draining ${group.name} ${target.id}:${target.port}`] : []
    }),
    ...account.listeners.values().map(({ loadBalancerArn, targetGroupArn, standby, ...rest }) =>
      line('listener', `${loadBalancerName(loadBalancerArn)}:${rest.port}`, {
        ...rest,
        arn: '',
        attributes: sorted(rest.attributes),
        tags: sorted(rest.tags),
        targetGroup: targetGroupName(targetGroupArn),
        ...(standby.length > 0 ? { standby: standby.map(targetGroupName) } : {}),
      }),
    ),
    ...account.interfaces
      .values()
      .filter(({ leftAt }) => leftAt !== undefined && now >= leftAt && lingers(account, leftAt))
      .map(({ subnetId }) => `lingering interface in ${subnetId}`),
  ].sort()
}

/** Keys in order, whatever order they were set in. */
function sorted(record: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
