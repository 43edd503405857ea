/**
 * Updates as AWS calls: what differs between the seen and the wanted object, a call for each thing that differs (refine gives steps in which
 * one does). Rules and targets are sent as differences, so that what others changed meanwhile stays.
 */
import { CloudError } from '../contract.ts'
import type { Executed } from '../contract.ts'
import { groupIds, missing } from './standing.ts'
import { healthCheckFields } from './health-checks.ts'
import type { Tools } from './standing.ts'
import type { IpPermission, Subnet } from './ec2.ts'
import type { SubnetMapping } from './elbv2.ts'
import { rulesHeld, withoutRules, withRules } from './permissions.ts'
import { targetOf } from './inventory/health.ts'
import { pairsOf } from './inventory/records.ts'
import { defined } from './inventory/write.ts'
import { clusterOf } from './resources.ts'
import type {
  AwsResource,
  Attributes,
  ListenerResource,
  LoadBalancerResource,
  NodeRulesResource,
  SecurityGroupResource,
  TargetGroupResource,
} from './resources.ts'
import { permissionsOf, ruleLine } from './rules.ts'
import { accessGroups } from './seen.ts'

export async function updateSecurityGroup(
  tools: Tools,
  groupId: string,
  from: SecurityGroupResource,
  to: SecurityGroupResource,
  signal: AbortSignal,
): Promise<void> {
  await changeRules(tools, groupId, differences(from.mutable.rules, to.mutable.rules), signal)
}

export async function updateNodeRules(
  tools: Tools,
  from: NodeRulesResource,
  to: NodeRulesResource,
  signal: AbortSignal,
): Promise<void> {
  const { added, gone } = differences(from.mutable.rules, to.mutable.rules)
  if (added.length === 0 && gone.length === 0) return
  const { owner } = to
  if (!('document' in owner)) throw new CloudError('invalid', 'node rules belong to a shared document')
  const [source] = accessGroups(tools.inventory.records, clusterOf(owner)).filter((one) => one.deletedAt === undefined)
  if (source === undefined)
    throw new CloudError('not-found', "the group of the cluster's load balancers does not exist")
  const line = (rule: string) => {
    const [protocol = '', port = ''] = rule.split('/')
    return ruleLine(protocol, port, source.group.groupId)
  }
  await changeRules(tools, to.immutable.groupId, { added: added.map(line), gone: gone.map(line) }, signal)
}

/** Authorise before revoke. */
async function changeRules(
  tools: Tools,
  groupId: string,
  { added, gone }: { added: readonly string[]; gone: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const { cloud } = tools.inventory
  if (added.length > 0) {
    const ipPermissions = permissionsOf(added)
    try {
      await cloud.authorizeSecurityGroupIngress({ groupId, ipPermissions }, signal)
    } catch (error) {
      if (error instanceof CloudError && error.kind === 'quota') throw full(groupId, added, error)
      // All or nothing: one that stands refuses the others.
      if (!(error instanceof CloudError && error.code === 'InvalidPermission.Duplicate')) throw error
      const missing = withoutRules(ipPermissions, await rulesOf(tools, groupId, signal))
      if (missing.length > 0) await cloud.authorizeSecurityGroupIngress({ groupId, ipPermissions: missing }, signal)
      remember(tools, groupId, (held) => withRules(held, ipPermissions))
    }
  }
  if (gone.length > 0) {
    const ipPermissions = permissionsOf(gone)
    try {
      await cloud.revokeSecurityGroupIngress({ groupId, ipPermissions }, signal)
    } catch (error) {
      // By code as well: of a group that was just made it comes as NotVisibleYet, also when our own revoke has done it and its answer was lost.
      const absent =
        error instanceof CloudError && (error.kind === 'not-found' || error.code === 'InvalidPermission.NotFound')
      if (!absent) throw error
      const left = rulesHeld(await rulesOf(tools, groupId, signal), ipPermissions)
      if (left.length > 0) await cloud.revokeSecurityGroupIngress({ groupId, ipPermissions: left }, signal)
      remember(tools, groupId, (held) => withoutRules(held, ipPermissions))
    }
  }
}

/** Ports are merged already: what is left to make fewer are the sources. */
function full(groupId: string, added: readonly string[], error: CloudError): CloudError {
  const { kind, code, reason, requestId } = error
  const sources = new Set(added.map((line) => line.split(' ')[2])).size
  const advice =
    sources > 1 ? ` for ${sources} sources; name wider or fewer source ranges, or put them into a prefix list` : ''
  const message = `security group ${groupId} has no room for ${added.length} more rules${advice}: ${error.message}`
  return new CloudError(kind, message, { ...defined({ code, reason, requestId }), cause: error })
}

/** AWS's refusal has proved what the group holds; the records that a lost answer left behind would ask for it again and again. */
function remember(
  { inventory: { records } }: Tools,
  groupId: string,
  change: (held: readonly IpPermission[]) => IpPermission[],
): void {
  for (const record of [records.securityGroups.get(groupId), records.nodeGroups.get(groupId)]) {
    if (record !== undefined) record.group = { ...record.group, ipPermissions: change(record.group.ipPermissions) }
  }
}

/** As they stand now; none when the group is gone. */
async function rulesOf({ inventory }: Tools, groupId: string, signal: AbortSignal): Promise<readonly IpPermission[]> {
  const filters = [{ name: 'group-id', values: [groupId] }]
  const { securityGroups } = await inventory.cloud.describeSecurityGroups({ filters }, signal)
  return securityGroups[0]?.ipPermissions ?? []
}

export async function updateLoadBalancer(
  tools: Tools,
  loadBalancerArn: string,
  { mutable: from, observed }: LoadBalancerResource,
  target: LoadBalancerResource,
  signal: AbortSignal,
): Promise<void> {
  const { cloud } = tools.inventory
  const { mutable: to } = target
  const { ipAddressType } = to
  if (from.ipAddressType !== ipAddressType) await cloud.setIpAddressType({ loadBalancerArn, ipAddressType }, signal)
  const moved = !sameItems(from.subnets, to.subnets)
  const renatted = from.sourceNat !== to.sourceNat || !sameItems(from.sourceNatPrefixes, to.sourceNatPrefixes)
  if (moved || renatted) {
    const enablePrefixForIpv6SourceNat = to.sourceNat ? ('on' as const) : ('off' as const)
    const standing = observed?.mappings ?? []
    const subnets = moved ? await subnetsOf(tools, target, signal) : undefined
    const subnetMappings = mappings(target, subnets?.map(({ subnetId }) => subnetId) ?? to.subnets, standing)
    for (const way of subnets ? await wayTo(tools, target, standing, subnets, signal) : []) {
      const there = [...standing, ...subnetMappings]
      const onTheWay = way.flatMap((id) => there.find(({ subnetId }) => subnetId === id) ?? [])
      await cloud.setSubnets({ loadBalancerArn, subnetMappings: onTheWay }, signal)
    }
    await cloud.setSubnets(
      {
        loadBalancerArn,
        subnetMappings,
        ...(renatted ? { enablePrefixForIpv6SourceNat } : {}),
      },
      signal,
    )
  }
  if (!sameItems(from.securityGroups, to.securityGroups) || from.privateLinkRules !== to.privateLinkRules) {
    await cloud.setSecurityGroups(
      {
        loadBalancerArn,
        securityGroups: await groupIds(tools, to.securityGroups, signal),
        ...(to.privateLinkRules === undefined
          ? {}
          : { enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: to.privateLinkRules }),
      },
      signal,
    )
  }
  const { capacityUnits = 0 } = to
  if ((from.capacityUnits ?? 0) !== capacityUnits) {
    const change =
      capacityUnits === 0 ? { resetCapacityReservation: true } : { minimumLoadBalancerCapacity: { capacityUnits } }
    await cloud.modifyCapacityReservation({ loadBalancerArn, ...change }, signal)
  }
  const attributes = changed(from.attributes, to.attributes)
  if (attributes.length > 0) await cloud.modifyLoadBalancerAttributes({ loadBalancerArn, attributes }, signal)
}

/** The subnets that are asked for by id or name, or, where none are, those that a new load balancer would get. Throws CloudError. */
function subnetsOf(
  { discovery }: Tools,
  { mutable: { scheme, ipAddressType, subnets } }: LoadBalancerResource,
  signal: AbortSignal,
): Promise<readonly Subnet[]> {
  return discovery.subnets({ scheme, dualStack: ipAddressType === 'dualstack', named: subnets }, signal)
}

/** Every subnet of the load balancer: one that it is in keeps its addresses, a new one gets those given for its place. */
function mappings(
  { mutable: to }: LoadBalancerResource,
  ids: readonly string[],
  standing: NonNullable<NonNullable<LoadBalancerResource['observed']>['mappings']>,
): SubnetMapping[] {
  const { sourceNat, sourceNatPrefixes } = to
  return (ids.length > 0 ? ids : standing.map(({ subnetId }) => subnetId)).map((subnetId, index) => {
    const held = standing.find((mapping) => mapping.subnetId === subnetId)
    const given = {
      allocationId: to.allocationIds[index],
      privateIpv4Address: to.privateIpv4Addresses[index],
      ipv6Address: to.ipv6Addresses[index],
    }
    return {
      subnetId,
      ...(held ?? defined(given)),
      ...(sourceNat ? { sourceNatIpv6Prefix: sourceNatPrefixes[index] ?? 'auto_assigned' } : {}),
    }
  })
}

/**
 * AWS exchanges no subnet for another one of its zone: the zone is given up first, and there has to be another one meanwhile. The sets of
 * subnets to go through before the wanted one. Throws CloudError.
 */
async function wayTo(
  { discovery }: Tools,
  { mutable: { scheme } }: LoadBalancerResource,
  standing: readonly { readonly subnetId: string }[],
  wanted: readonly Subnet[],
  signal: AbortSignal,
): Promise<string[][]> {
  const now = standing.map(({ subnetId }) => subnetId)
  const zones = await discovery.subnets({ scheme, dualStack: false, named: now }, signal)
  const isExchanged = ({ availabilityZone, subnetId }: Subnet) =>
    wanted.some((subnet) => subnet.availabilityZone === availabilityZone && subnet.subnetId !== subnetId)
  const [first, ...more] = zones.filter(isExchanged)
  if (first === undefined) return []
  const staying = zones.filter((zone) => !isExchanged(zone)).map(({ subnetId }) => subnetId)
  if (staying.length > 0) return [staying]
  const others = wanted.filter(({ availabilityZone }) => availabilityZone !== first.availabilityZone)
  const next = others.map(({ subnetId }) => subnetId)
  if (next.length > 0) return [...(more.length > 0 ? [[first.subnetId]] : []), [first.subnetId, ...next], next]
  const message = `AWS cannot exchange the only subnet of a load balancer, ${first.subnetId}, for another one of zone ${first.availabilityZone}; name a subnet of another zone beside it, or take one until the exchange is done`
  throw new CloudError('invalid', message, { reason: 'SubnetUnsuitable' })
}

export async function updateTargetGroup(
  tools: Tools,
  targetGroupArn: string,
  { mutable: from }: TargetGroupResource,
  { mutable: to }: TargetGroupResource,
  signal: AbortSignal,
): Promise<Executed> {
  const { cloud } = tools.inventory
  const { healthCheck } = to
  if (sortedFields(from.healthCheck) !== sortedFields(healthCheck)) {
    await cloud.modifyTargetGroup({ targetGroupArn, ...healthCheckFields(healthCheck) }, signal)
  }
  const attributes = changed(from.attributes, to.attributes)
  if (attributes.length > 0) await cloud.modifyTargetGroupAttributes({ targetGroupArn, attributes }, signal)
  const { added, gone } = differences(from.targets, to.targets)
  const taken = added.length === 0 || (await register(tools, targetGroupArn, added, signal))
  if (gone.length > 0) await cloud.deregisterTargets({ targetGroupArn, targets: gone.map(targetOf) }, signal)
  // One step is one call: a registration is all there is of it.
  return taken ? undefined : 'nothing'
}

/** One target that AWS does not take refuses all of a call: it is remembered, and the others are registered without it. False: none is left. */
async function register(
  tools: Tools,
  targetGroupArn: string,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const { inventory } = tools
  try {
    await inventory.cloud.registerTargets({ targetGroupArn, targets: keys.map(targetOf) }, signal)
    return true
  } catch (error) {
    if (!(error instanceof CloudError && error.code === 'InvalidTarget')) throw error
    const named = keys.filter((key) => error.message.includes(targetOf(key).id))
    const bad = named.length > 0 ? named : keys.length === 1 ? keys : []
    const record = inventory.records.targetGroups.get(targetGroupArn)
    for (const key of bad) {
      const times = (record?.refused.get(key)?.times ?? 0) + 1
      record?.refused.set(key, { at: inventory.now(), times, reason: error.message })
    }
    const rest = keys.filter((key) => !bad.includes(key))
    if (bad.length > 0) return rest.length > 0 && register(tools, targetGroupArn, rest, signal)
    const half = Math.ceil(keys.length / 2)
    const first = await register(tools, targetGroupArn, keys.slice(0, half), signal)
    return (await register(tools, targetGroupArn, keys.slice(half), signal)) || first
  }
}

export async function updateListener(
  tools: Tools,
  listenerArn: string,
  { mutable: from }: ListenerResource,
  { mutable: to }: ListenerResource,
  signal: AbortSignal,
): Promise<Executed> {
  const { cloud } = tools.inventory
  const [first, ...others] = to.certificates
  const [before, ...othersBefore] = from.certificates
  const change = {
    ...(from.protocol === to.protocol ? {} : { protocol: to.protocol }),
    ...(first === before || first === undefined ? {} : { certificates: [{ certificateArn: first }] }),
    ...(from.sslPolicy === to.sslPolicy || to.sslPolicy === '' ? {} : { sslPolicy: to.sslPolicy }),
    ...(from.alpn === to.alpn || to.protocol !== 'TLS' ? {} : { alpnPolicy: [to.alpn === '' ? 'None' : to.alpn] }),
    ...(from.targetGroup === to.targetGroup && from.standby === to.standby
      ? {}
      : { defaultActions: [forward(tools, to)] }),
  }
  try {
    if (Object.keys(change).length > 0) await cloud.modifyListener({ listenerArn, ...change }, signal)
  } catch (error) {
    const isRefused = error instanceof CloudError && (error.kind === 'invalid' || error.kind === 'quota')
    if (!isRefused || to.standby === undefined) throw error
    // It moves at once then: without the second target group there is nothing to wait for.
    for (const { listeners } of tools.inventory.records.loadBalancers.values()) {
      const record = listeners?.value.get(listenerArn)
      if (record !== undefined) record.alone = true
    }
    return 'nothing'
  }
  // ModifyListener leaves the other certificates alone; they go with TLS itself.
  const { added, gone } = to.protocol === 'TLS' ? differences(othersBefore, others) : { added: [], gone: [] }
  const certificates = (arns: readonly string[]) => arns.map((certificateArn) => ({ certificateArn }))
  if (added.length > 0) {
    await cloud.addListenerCertificates({ listenerArn, certificates: certificates(added) }, signal)
  }
  const removable = gone.filter((arn) => arn !== first)
  if (removable.length > 0) {
    await cloud.removeListenerCertificates({ listenerArn, certificates: certificates(removable) }, signal)
  }
  const attributes = changed(from.attributes, to.attributes)
  if (attributes.length > 0) await cloud.modifyListenerAttributes({ listenerArn, attributes }, signal)
  return undefined
}

function forward({ inventory }: Tools, { targetGroup, standby }: ListenerResource['mutable']) {
  const arnOf = (name: string) => {
    const found = inventory.targetGroupNamed(name)
    if (found === undefined) throw missing('target group', name)
    return found.group.targetGroupArn
  }
  const targetGroupArn = arnOf(targetGroup)
  if (standby === undefined) return { type: 'forward' as const, targetGroupArn }
  const targetGroups = [
    { targetGroupArn, weight: 1 },
    { targetGroupArn: arnOf(standby), weight: 0 },
  ]
  return { type: 'forward' as const, forwardConfig: { targetGroups } }
}

export async function updateTags(
  { inventory: { cloud } }: Tools,
  id: string,
  from: Exclude<AwsResource, NodeRulesResource>,
  to: Exclude<AwsResource, NodeRulesResource>,
  signal: AbortSignal,
): Promise<void> {
  const put = changed(from.mutable.tags, to.mutable.tags)
  const gone = Object.keys(from.mutable.tags).filter((key) => to.mutable.tags[key] === undefined)
  const ec2 = to.kind === 'security-group' || to.kind === 'node-access-group'
  if (put.length > 0) {
    await (ec2
      ? cloud.createTags({ resources: [id], tags: put }, signal)
      : cloud.addTags({ resourceArns: [id], tags: put }, signal))
  }
  if (gone.length === 0) return
  await (ec2
    ? cloud.deleteTags({ resources: [id], tags: gone.map((key) => ({ key })) }, signal)
    : cloud.removeTags({ resourceArns: [id], tagKeys: gone }, signal))
}

function differences(from: readonly string[], to: readonly string[]): { added: string[]; gone: string[] } {
  const before = new Set(from)
  const after = new Set(to)
  return { added: to.filter((item) => !before.has(item)), gone: from.filter((item) => !after.has(item)) }
}

function changed(from: Attributes = {}, to: Attributes = {}): { key: string; value: string }[] {
  return pairsOf(Object.fromEntries(Object.entries(to).filter(([key, value]) => from[key] !== value)))
}

function sameItems(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted())
}

function sortedFields(fields: object): string {
  return JSON.stringify(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)))
}
