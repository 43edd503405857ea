/** The inventory's records as the resources of resources.ts: what a look has seen. Pure but for the records it is given. */
import type { DocumentKey, Owner } from '../contract.ts'
import { ownerKey } from '../contract.ts'
import type { Listener, TargetGroup } from './elbv2.ts'
import { standingUnits } from './capacity.ts'
import { healthCheckOf } from './health-checks.ts'
import type { Owned } from './inventory/inventory.ts'
import { drainOf, isProtected } from './drain.ts'
import { nodeAccessGroupName } from './names.ts'
import { portsInUse } from './node-rules.ts'
import type {
  LoadBalancerRecord,
  ListenerRecord,
  Records,
  SecurityGroupRecord,
  TargetGroupRecord,
} from './inventory/records.ts'
import { targetKey } from './inventory/health.ts'
import { clusterOf, keys } from './resources.ts'
import type {
  AwsResource,
  ListenerResource,
  LoadBalancerResource,
  NodeAccessGroupResource,
  NodeRulesResource,
  SecurityGroupResource,
  Tags,
  TargetGroupResource,
} from './resources.ts'
import { linesOf } from './rules.ts'
import { clusterTag, documentOfTags, keyOfTags } from './tags.ts'
import { recordedIds } from './target-record.ts'

/** A target that AWS did not take is offered again after so long, twice as long each time, at last once in so many looks. */
const refusedMs = 20_000
const refusedLooks = 2

export interface Sight {
  records: Records
  now: number
  lookMs: number
  /** Id -> value of the Name tag, of security groups of others. */
  groupNames?: ReadonlyMap<string, string>
}

export function seenResources(owner: Owner, owned: Owned, sight: Sight): AwsResource[] {
  return [
    ...owned.securityGroups.map((record) => securityGroup(owner, record)),
    ...owned.loadBalancers.map((record) => loadBalancer(owner, record, sight)),
    ...owned.targetGroups.map((record) => targetGroup(owner, record, sight)),
    ...owned.loadBalancers.flatMap((record) => listeners(owner, record, sight)),
  ]
}

function securityGroup(owner: Owner, record: SecurityGroupRecord): SecurityGroupResource {
  const { group } = record
  const { ours, others } = linesOf(group.ipPermissions)
  return {
    kind: 'security-group',
    key: keyOf(record, keys.securityGroup),
    owner,
    needs: [],
    immutable: { name: group.groupName },
    mutable: { rules: ours, tags: tagsOf(record) },
    id: group.groupId,
    state: record.deletedAt === undefined ? 'ready' : 'deleting',
    observed: { vpcId: group.vpcId, others },
  }
}

function loadBalancer(owner: Owner, record: LoadBalancerRecord, { records, groupNames }: Sight): LoadBalancerResource {
  const { loadBalancer: seen, attributes } = record
  const groups = seen.securityGroups.map((id) => groupOfOurs(records, id, owner.cluster)?.group.groupName ?? id)
  const own = seen.securityGroups.some((id) => {
    const holder = records.securityGroups.get(id)?.owner
    return holder !== undefined && ownerKey(holder) === ownerKey(owner)
  })
  const capacityUnits = standingUnits(tagsOf(record), record.capacity?.value)
  const privateLink = seen.enforceSecurityGroupInboundRulesOnPrivateLinkTraffic
  return {
    kind: 'load-balancer',
    key: keyOf(record, keys.loadBalancer),
    owner,
    needs: own ? [keys.securityGroup] : [],
    immutable: { name: seen.loadBalancerName },
    mutable: {
      scheme: seen.scheme,
      ipAddressType: seen.ipAddressType,
      subnets: seen.availabilityZones.map(({ subnetId }) => subnetId),
      ...addressesOf(record),
      sourceNat: seen.enablePrefixForIpv6SourceNat === 'on',
      sourceNatPrefixes: seen.availabilityZones.flatMap(({ sourceNatIpv6Prefixes }) => sourceNatIpv6Prefixes ?? []),
      ...(capacityUnits === undefined ? {} : { capacityUnits }),
      securityGroups: groups.sort(),
      ...(privateLink === undefined ? {} : { privateLinkRules: privateLink }),
      ...(attributes === undefined ? {} : { attributes: attributes.value }),
      tags: tagsOf(record),
    },
    id: seen.loadBalancerArn,
    state: loadBalancerState(record),
    ...(isProtected({ ...(attributes && { attributes: attributes.value }), tags: tagsOf(record) })
      ? {}
      : { drain: drainOf(tagsOf(record)) }),
    observed: {
      dnsName: seen.dnsName,
      zoneId: seen.canonicalHostedZoneId ?? '',
      vpcId: seen.vpcId,
      state: seen.state.code,
      reason: seen.state.reason ?? '',
      subnetIds: seen.availabilityZones.map(({ subnetId }) => subnetId),
      mappings: mappingsOf(record),
      ...(groupNames === undefined ? {} : { groupNames: Object.fromEntries(groupNames) }),
    },
  }
}

function mappingsOf({ loadBalancer: { availabilityZones } }: LoadBalancerRecord) {
  return availabilityZones
    .toSorted((a, b) => (a.zoneName < b.zoneName ? -1 : 1))
    .map(({ subnetId, loadBalancerAddresses }) => {
      const held = (field: 'allocationId' | 'privateIpv4Address' | 'ipv6Address') => {
        const value = loadBalancerAddresses.find((each) => each[field] !== undefined)?.[field]
        return value === undefined ? {} : { [field]: value }
      }
      return { subnetId, ...held('allocationId'), ...held('privateIpv4Address'), ...held('ipv6Address') }
    })
}

/** Those that were asked for, in the order of the zones. */
export function addressesOf({ loadBalancer: { availabilityZones } }: LoadBalancerRecord) {
  const all = availabilityZones.flatMap(({ loadBalancerAddresses }) => loadBalancerAddresses)
  return {
    allocationIds: all.flatMap(({ allocationId }) => allocationId ?? []),
    privateIpv4Addresses: all.flatMap(({ privateIpv4Address }) => privateIpv4Address ?? []),
    ipv6Addresses: all.flatMap(({ ipv6Address }) => ipv6Address ?? []),
  }
}

/** One that has failed serves nobody and never will: it stays pending, with AWS's reason. */
function loadBalancerState({
  deletedAt,
  loadBalancer: { state },
}: LoadBalancerRecord): 'ready' | 'pending' | 'deleting' {
  if (deletedAt !== undefined) return 'deleting'
  return state.code === 'provisioning' || state.code === 'failed' ? 'pending' : 'ready'
}

function listeners(owner: Owner, record: LoadBalancerRecord, { records }: Sight): ListenerResource[] {
  const state = loadBalancerState(record)
  if (state === 'deleting') return []
  return [...(record.listeners?.value.values() ?? [])]
    .filter(({ deletedAt }) => deletedAt === undefined)
    .map((each) => {
      const { listener, attributes } = each
      const [arn, second] = groupsOf(listener)
      const group = arn === undefined ? undefined : records.targetGroups.get(arn)
      const nameOf = (one: string) => records.targetGroups.get(one)?.group.targetGroupName ?? nameInArn(one)
      const [certificate] = listener.certificates
      const others = (each.certificates?.value ?? []).filter((one) => one !== certificate?.certificateArn)
      const tls = listener.protocol === 'TLS'
      return {
        kind: 'listener',
        key: keys.listener(listener.port),
        owner,
        needs: [
          keyOf(record, keys.loadBalancer),
          ...(group === undefined ? [] : [keyOf(group, keys.targetGroup(listener.port))]),
        ],
        immutable: { loadBalancer: record.loadBalancer.loadBalancerName, port: listener.port },
        mutable: {
          protocol: listener.protocol,
          targetGroup: nameOf(arn ?? ''),
          ...(second === undefined ? {} : { standby: nameOf(second) }),
          certificates: tls ? [...(certificate === undefined ? [] : [certificate.certificateArn]), ...others] : [],
          sslPolicy: tls ? (listener.sslPolicy ?? '') : '',
          alpn: listener.alpnPolicy[0] === 'None' ? '' : (listener.alpnPolicy[0] ?? ''),
          ...(attributes === undefined ? {} : { attributes: attributes.value }),
          tags: tagsOf(each),
        },
        id: listener.listenerArn,
        state: second === undefined ? state : 'pending',
        observed: { loadBalancerArn: listener.loadBalancerArn, ...(each.alone ? { alone: true as const } : {}) },
      }
    })
}

/** ARNs of the target groups it forwards to, those without weight last. */
function groupsOf({ defaultActions }: Listener): string[] {
  return defaultActions.flatMap(({ targetGroupArn, forwardConfig }) => {
    if (targetGroupArn !== undefined) return [targetGroupArn]
    const groups = forwardConfig?.targetGroups ?? []
    return groups.toSorted((a, b) => Math.sign(b.weight) - Math.sign(a.weight)).map((group) => group.targetGroupArn)
  })
}

/** `arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<name>/<id>`. */
function nameInArn(arn: string): string {
  return arn.split('/')[1] ?? ''
}

function targetGroup(owner: Owner, record: TargetGroupRecord, { records, now, lookMs }: Sight): TargetGroupResource {
  const { group, health, attributes, deletedAt } = record
  const refused = [...record.refused]
    .filter(([, { at, times }]) => now - at < Math.min(lookMs * refusedLooks, refusedMs * 2 ** (times - 1)))
    .map(([target, { reason }]) => ({ target, reason }))
  return {
    kind: 'target-group',
    key: keyOf(record, keys.targetGroup(group.port)),
    owner,
    needs: [],
    immutable: { name: group.targetGroupName },
    mutable: {
      protocol: group.protocol,
      ipAddressType: group.ipAddressType,
      port: group.port,
      healthCheck: healthCheckOf(group),
      targets: standingTargets(record).map(targetKey).sort(),
      ...(attributes === undefined ? {} : { attributes: attributes.value }),
      tags: tagsOf(record),
    },
    id: group.targetGroupArn,
    state: deletedAt === undefined ? 'ready' : 'deleting',
    observed: {
      ...(health === undefined
        ? {}
        : {
            health: ownHealth(record).map(({ target, targetHealth }) => ({
              target: targetKey(target),
              state: targetHealth.state,
              reason: targetHealth.description ?? targetHealth.reason ?? '',
            })),
          }),
      ...(refused.length > 0 ? { refused } : {}),
      vpcId: group.vpcId,
      loadBalancers: forwarding(records, group),
    },
  }
}

/** Where others may have targets in it, theirs are nothing of ours. */
function ownHealth({ health, tags }: TargetGroupRecord) {
  const recorded = recordedIds(tags?.value ?? {})
  return (health?.value ?? []).filter(({ target }) => recorded?.has(target.id) ?? true)
}

function standingTargets(record: TargetGroupRecord) {
  return ownHealth(record)
    .filter(({ targetHealth }) => !isDraining(targetHealth.state))
    .map(({ target }) => target)
}

function isDraining(state: string): boolean {
  return state === 'draining' || state === 'unhealthy.draining'
}

/** ARNs; of load balancers whose listeners are known by these, of the others by what AWS said of the group. */
function forwarding({ loadBalancers }: Records, group: TargetGroup): string[] {
  const arns: string[] = []
  // Over all load balancers for each look at each group: plain loops.
  for (const { deletedAt, listeners: known, loadBalancer } of loadBalancers.values()) {
    if (deletedAt !== undefined) continue
    const forwards =
      known === undefined
        ? group.loadBalancerArns.includes(loadBalancer.loadBalancerArn)
        : forwardsTo(known.value.values(), group.targetGroupArn)
    if (forwards) arns.push(loadBalancer.loadBalancerArn)
  }
  return arns.sort()
}

function forwardsTo(listeners: Iterable<ListenerRecord>, arn: string): boolean {
  for (const { deletedAt, listener } of listeners) {
    if (deletedAt === undefined && groupsOf(listener).includes(arn)) return true
  }
  return false
}

/** The shared document: the group that all load balancers carry, and our rules in each group of the nodes. */
export function seenDocument(
  document: DocumentKey,
  nodes: {
    /** Those of the nodes, and others that still have rules of ours. */
    groups: readonly SecurityGroupRecord[]
    /** Ids of those of the nodes. */
    current: readonly string[]
    unresolved: readonly string[]
  },
  sight: Sight,
): (NodeAccessGroupResource | NodeRulesResource)[] {
  const { records } = sight
  const cluster = clusterOf(document)
  const groups = accessGroups(records, cluster)
  const ids = new Set(groups.map(({ group }) => group.groupId))
  const used = new Map<string, { owner: Owner; ports: Set<string> }>()
  for (const record of records.targetGroups.values()) {
    const { owner } = record
    if (owner === undefined || owner.cluster !== cluster || record.deletedAt !== undefined) continue
    if (isReachedOtherwise(record.group, records, ids)) continue
    const entry = used.get(ownerKey(owner)) ?? { owner, ports: new Set() }
    for (const port of portsOf(record)) entry.ports.add(port)
    used.set(ownerKey(owner), entry)
  }
  const fragments = [...used.values()]
    .toSorted((a, b) => (ownerKey(a.owner) < ownerKey(b.owner) ? -1 : 1))
    .map(({ owner, ports }) => [{ ...owner }, [...ports].sort()] as const)
  const inUse = [...new Set(fragments.flatMap(([, ports]) => ports))].sort()
  return [
    ...groups.map(
      (record): NodeAccessGroupResource => ({
        kind: 'node-access-group',
        key: keys.nodeAccessGroup,
        owner: document,
        needs: [],
        immutable: { name: record.group.groupName },
        mutable: { tags: tagsOf(record) },
        id: record.group.groupId,
        state: record.deletedAt === undefined ? 'ready' : 'deleting',
        observed: { vpcId: record.group.vpcId, fragments, unresolved: nodes.unresolved },
      }),
    ),
    ...nodes.groups.map(({ group }): NodeRulesResource => {
      const { rules, others } = nodeRules(group.ipPermissions, ids)
      return {
        kind: 'node-rules',
        key: keys.nodeRules(group.groupId),
        owner: document,
        needs: [keys.nodeAccessGroup],
        immutable: { groupId: group.groupId },
        mutable: { rules },
        id: group.groupId,
        state: 'ready',
        observed: { inUse, others, ...(nodes.current.includes(group.groupId) ? {} : { left: true }) },
      }
    }),
  ]
}

/** Its load balancers do not carry the group of the cluster: rules of ours let nobody in to it. */
function isReachedOtherwise(group: TargetGroup, records: Records, access: ReadonlySet<string>): boolean {
  const arns = forwarding(records, group)
  const carries = (arn: string) =>
    records.loadBalancers.get(arn)?.loadBalancer.securityGroups.some((id) => access.has(id)) ?? true
  return arns.length > 0 && !arns.some(carries)
}

/** Targets that were not read yet are taken to be on the port the group was made with. */
function portsOf(record: TargetGroupRecord): string[] {
  const { group, health } = record
  const ports = health === undefined ? [group.port] : standingTargets(record).map(({ port }) => port)
  const targets = [...new Set(ports)].map((port) => `any:${port}`)
  return portsInUse({ mutable: { protocol: group.protocol, targets, healthCheck: healthCheckOf(group) } })
}

/** `tcp/30080` of rules whose source is one of these groups; how many others there are. */
function nodeRules(permissions: SecurityGroupRecord['group']['ipPermissions'], sources: ReadonlySet<string>) {
  const { ours, others } = linesOf(permissions)
  const mine = [...ours, ...others].filter((line) => sources.has(line.split(' ')[2] ?? ''))
  const rules = mine.map((line) => line.split(' ').slice(0, 2).join('/'))
  return { rules: [...new Set(rules)].sort(), others: ours.length + others.length - mine.length }
}

/** Groups of a cluster's document that stand, or are being deleted. */
export function accessGroups({ securityGroups }: Records, cluster: string): SecurityGroupRecord[] {
  return [...securityGroups.values()].filter(
    ({ tags, group }) =>
      group.groupName === nodeAccessGroupName(cluster) && documentOfTags(tags?.value ?? {})?.cluster === cluster,
  )
}

/** A group with the mark of this cluster. */
function groupOfOurs({ securityGroups }: Records, id: string, cluster: string): SecurityGroupRecord | undefined {
  const record = securityGroups.get(id)
  return record?.tags?.value[clusterTag] === cluster ? record : undefined
}

function keyOf({ tags }: { tags: { value: Tags } | undefined }, otherwise: string): string {
  return keyOfTags(tags?.value ?? {}) ?? otherwise
}

function tagsOf({ tags }: { tags: { value: Tags } | undefined }): Tags {
  return Object.fromEntries(Object.entries(tags?.value ?? {}).filter(([key]) => !key.startsWith('aws:')))
}
