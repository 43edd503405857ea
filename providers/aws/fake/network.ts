/** What the account is born with and only reads: VPCs, subnets, route tables, zones, instances; and EC2's tags. */
import type { KeyValue } from '../elbv2.ts'
import type { Account, Attributes, Sync } from './account.ts'
import { ec2Lag } from './account.ts'
import { matches } from './filters.ts'
import { freeIn } from './placement.ts'
import { page } from './paging.ts'
import { found, refusal, demand } from './refusal.ts'
import { tagged } from './tags.ts'

type Actions = Sync<
  | 'describeSubnets'
  | 'describeRouteTables'
  | 'describeAvailabilityZones'
  | 'describeInstances'
  | 'createTags'
  | 'deleteTags'
>

export function networkActions(account: Account): Actions {
  return {
    describeSubnets({ subnetIds, filters = [], nextToken }) {
      const all = account.subnets.seen(ec2Lag(account))
      for (const id of subnetIds ?? []) {
        const exists = all.some(({ subnetId }) => subnetId === id)
        demand(exists, 'InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`)
      }
      const chosen = all.filter(
        (subnet) =>
          (subnetIds?.includes(subnet.subnetId) ?? true) &&
          matches(filters, record(subnet.tags), {
            'subnet-id': [subnet.subnetId],
            'vpc-id': [subnet.vpcId],
            'availability-zone': [subnet.availabilityZone],
            state: [subnet.state],
          }),
      )
      const { items, next } = page(account, chosen, ({ subnetId }) => subnetId, { after: nextToken })
      const subnets = items.map((subnet) => ({ ...subnet, availableIpAddressCount: freeIn(account, subnet) }))
      return { subnets, nextToken: next }
    },
    describeRouteTables({ filters = [], nextToken }) {
      const chosen = account.routeTables.seen(ec2Lag(account)).filter((table) =>
        matches(
          filters,
          {},
          {
            'vpc-id': [table.vpcId],
            'route-table-id': [table.routeTableId],
            'association.subnet-id': table.associations.flatMap(({ subnetId }) =>
              subnetId === undefined ? [] : [subnetId],
            ),
            'association.main': table.associations.map(({ main }) => String(main)),
          },
        ),
      )
      const { items, next } = page(account, chosen, ({ routeTableId }) => routeTableId, { after: nextToken })
      return { routeTables: items, nextToken: next }
    },
    describeAvailabilityZones({ zoneNames }) {
      const zones = account.zones.values().filter(({ zoneName }) => zoneNames?.includes(zoneName) ?? true)
      const complete = zoneNames === undefined || zones.length === zoneNames.length
      demand(complete, 'InvalidParameterValue', `Invalid availability zones: ${zoneNames?.join(', ')}`)
      return { availabilityZones: zones }
    },
    describeInstances({ instanceIds, filters = [], nextToken }) {
      const all = account.instances.seen(ec2Lag(account))
      const unknown = (instanceIds ?? []).filter((id) => all.every(({ instanceId }) => instanceId !== id))
      demand(
        unknown.length === 0,
        'InvalidInstanceID.NotFound',
        `The instance IDs '${unknown.join(', ')}' do not exist`,
      )
      const chosen = all.filter(
        (instance) =>
          (instanceIds?.includes(instance.instanceId) ?? true) &&
          matches(
            filters,
            {},
            {
              'instance-id': [instance.instanceId],
              'vpc-id': [instance.vpcId ?? ''],
              'subnet-id': [instance.subnetId ?? ''],
              'instance-state-name': [instance.state],
            },
          ),
      )
      const { items, next } = page(account, chosen, ({ instanceId }) => instanceId, { after: nextToken })
      return { instances: items, nextToken: next }
    },
    createTags({ resources, tags }) {
      change(account, resources, (before) => tagged(account, tags, before, 'TagLimitExceeded'))
    },
    deleteTags({ resources, tags }) {
      change(account, resources, (before) =>
        Object.fromEntries(
          Object.entries(before).filter(
            ([key, value]) => !tags.some((tag) => tag.key === key && (tag.value === undefined || tag.value === value)),
          ),
        ),
      )
    },
  }
}

/** Of EC2's objects only security groups are tagged by this port. */
function change(account: Account, resources: readonly string[], edit: (before: Attributes) => Attributes): void {
  for (const id of resources) {
    if (!id.startsWith('sg-')) throw refusal('InvalidID', `The ID '${id}' is not valid`)
    found(account.securityGroups.get(id), 'InvalidGroup.NotFound', `The security group '${id}' does not exist`)
  }
  for (const id of resources) {
    const group = account.securityGroups.get(id)
    if (group !== undefined) account.securityGroups.put(id, { ...group, tags: edit(group.tags) })
  }
}

function record(tags: readonly KeyValue[]): Attributes {
  return Object.fromEntries(tags.map(({ key, value }) => [key, value]))
}
