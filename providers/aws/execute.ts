/**
 * One step, one AWS call. A create looks first whether an object of that name stands: with our mark the step is done, with another one it is
 * OwnedByOther and nothing is touched. An update is the difference between `from` and `resource`. Deleting what is gone is done.
 */
import type { Executed, Step } from '../contract.ts'
import { CloudError, ownerKey } from '../contract.ts'
import { nodeAccessGroupName } from './names.ts'
import { healthCheckFields } from './health-checks.ts'
import { pairsOf } from './inventory/records.ts'
import { protectedBy } from './protection.ts'
import { aws } from './resources.ts'
import type {
  AwsResource,
  ListenerResource,
  LoadBalancerResource,
  NodeAccessGroupResource,
  SecurityGroupResource,
  TargetGroupResource,
} from './resources.ts'
import { addressesOf } from './seen.ts'
import { groupIds, idOf, listenerOn, mine, missing, nameOf, ownedByOther } from './standing.ts'
import type { Tools } from './standing.ts'
import {
  updateListener,
  updateLoadBalancer,
  updateNodeRules,
  updateSecurityGroup,
  updateTags,
  updateTargetGroup,
} from './updates.ts'

/** A name that was not in a list so old is free, but for races that AWS itself refuses. */
const nameAgeMs = 60_000
const groupDescription = 'Roadstead load balancer'

/** Throws CloudError. */
export async function execute(tools: Tools, { verb, resource, ...step }: Step, signal: AbortSignal): Promise<Executed> {
  let taken: Executed = undefined
  const target = aws(resource)
  if (verb === 'create') return create(tools, target, signal)
  if (verb === 'delete') return remove(tools, target, signal)
  const from = 'from' in step ? aws(step.from) : target
  if (from.kind === 'node-rules' && target.kind === 'node-rules') return updateNodeRules(tools, from, target, signal)
  const id = idOf(tools, target)
  if (id === undefined) throw missing(target.kind, nameOf(target))
  if (from.kind === 'security-group' && target.kind === 'security-group') {
    await updateSecurityGroup(tools, id, from, target, signal)
  } else if (from.kind === 'load-balancer' && target.kind === 'load-balancer') {
    await updateLoadBalancer(tools, id, from, target, signal)
  } else if (from.kind === 'target-group' && target.kind === 'target-group') {
    taken = await updateTargetGroup(tools, id, from, target, signal)
  } else if (from.kind === 'listener' && target.kind === 'listener') {
    taken = await updateListener(tools, id, from, target, signal)
  }
  if (from.kind !== 'node-rules' && target.kind !== 'node-rules') await updateTags(tools, id, from, target, signal)
  return taken
}

async function create(tools: Tools, target: AwsResource, signal: AbortSignal): Promise<void> {
  switch (target.kind) {
    case 'security-group':
    case 'node-access-group':
      return createGroup(tools, target, signal)
    case 'load-balancer':
      return createLoadBalancer(tools, target, signal)
    case 'target-group':
      return createTargetGroup(tools, target, signal)
    case 'listener':
      return createListener(tools, target, signal)
    case 'node-rules':
      return updateNodeRules(tools, { ...target, mutable: { rules: [] } }, target, signal)
  }
}

async function createGroup(
  { inventory, discovery }: Tools,
  target: SecurityGroupResource | NodeAccessGroupResource,
  signal: AbortSignal,
): Promise<void> {
  const { name } = target.immutable
  await inventory.listed(signal)
  const standing = inventory.securityGroupNamed(name)
  if (standing !== undefined) return mine('security group', name, standing, target)
  const vpcId = await discovery.vpcId(signal)
  try {
    await inventory.cloud.createSecurityGroup(
      {
        groupName: name,
        description: groupDescription,
        vpcId,
        tagSpecifications: [{ resourceType: 'security-group', tags: pairsOf(target.mutable.tags) }],
      },
      signal,
    )
  } catch (error) {
    if (!(error instanceof CloudError && error.code === 'InvalidGroup.Duplicate')) throw error
    // The list holds only marked groups, and may lag: either ours from a call whose answer was lost, or somebody else's.
    inventory.stale('securityGroups')
    await inventory.listed(signal)
    const other = inventory.securityGroupNamed(name)
    if (other === undefined) throw ownedByOther('security group', name)
    mine('security group', name, other, target)
  }
}

async function createLoadBalancer(tools: Tools, target: LoadBalancerResource, signal: AbortSignal): Promise<void> {
  const { inventory, discovery } = tools
  const { name } = target.immutable
  const { mutable } = target
  await inventory.listed(signal, nameAgeMs)
  const standing = inventory.loadBalancerNamed(name)
  if (standing !== undefined) return mine('load balancer', name, standing, target)
  const { owner } = target
  const lets = 'cluster' in owner && mutable.securityGroups.includes(nodeAccessGroupName(owner.cluster))
  if (lets) await reachable(tools, signal)
  const dualStack = mutable.ipAddressType === 'dualstack'
  const securityGroups = await groupIds(tools, mutable.securityGroups, signal)
  const subnets = await discovery.subnets({ scheme: mutable.scheme, dualStack, named: mutable.subnets }, signal)
  const { allocationIds, privateIpv4Addresses, ipv6Addresses, sourceNatPrefixes } = mutable
  checkHeld(tools, target)
  const subnetMappings = subnets.map(({ subnetId }, index) => ({
    subnetId,
    ...field('allocationId', allocationIds[index]),
    ...field('privateIpv4Address', privateIpv4Addresses[index]),
    ...field('ipv6Address', ipv6Addresses[index]),
    ...field('sourceNatIpv6Prefix', sourceNatPrefixes[index]),
  }))
  const lists = [allocationIds, privateIpv4Addresses, ipv6Addresses, sourceNatPrefixes]
  const given = Math.max(...lists.map(({ length }) => length))
  if (given > 0 && given !== subnets.length) {
    const message = `${given} addresses or prefixes are given for ${subnets.length} subnets (${subnets.map(({ subnetId }) => subnetId).join(', ')}); give one for each, or name the subnets`
    throw new CloudError('invalid', message, { reason: 'AddressCount' })
  }
  try {
    await inventory.cloud.createLoadBalancer(
      {
        name,
        scheme: mutable.scheme,
        ipAddressType: mutable.ipAddressType,
        subnetMappings,
        ...(securityGroups.length > 0 ? { securityGroups } : {}),
        ...(mutable.sourceNat ? { enablePrefixForIpv6SourceNat: 'on' as const } : {}),
        tags: pairsOf(mutable.tags),
      },
      signal,
    )
  } catch (error) {
    if (error instanceof CloudError && /Subnet|VPC/i.test(error.code ?? '')) discovery.forgetSubnets()
    if (error instanceof CloudError && error.kind === 'in-use') throw addressInUse(error)
    if (!(error instanceof CloudError && error.code === 'DuplicateLoadBalancerName')) throw error
    inventory.stale('loadBalancers')
    await inventory.listed(signal, nameAgeMs)
    const other = inventory.loadBalancerNamed(name)
    if (other === undefined) throw error
    mine('load balancer', name, other, target)
  }
}

/** AWS gives an address to one load balancer at a time, so one that is to be replaced cannot hand its addresses on. */
function checkHeld({ inventory }: Tools, { owner, mutable }: LoadBalancerResource): void {
  const wanted = new Set([...mutable.allocationIds, ...mutable.privateIpv4Addresses, ...mutable.ipv6Addresses])
  if (wanted.size === 0) return
  for (const record of inventory.records.loadBalancers.values()) {
    if (record.deletedAt !== undefined) continue
    const own = 'cluster' in owner && record.owner !== undefined && ownerKey(record.owner) === ownerKey(owner)
    const { allocationIds, privateIpv4Addresses, ipv6Addresses } = addressesOf(record)
    // Addresses of subnets may be those of another VPC.
    const ofSubnets = own ? [...privateIpv4Addresses, ...ipv6Addresses] : []
    const held = [...allocationIds, ...ofSubnets].filter((one) => wanted.has(one))
    if (held.length === 0) continue
    const advice = own
      ? ' of this Service, which serves on: name addresses that are all new, so that the new load balancer stands before the old one goes; or, with an interruption, delete the Service and make it again'
      : ': name others'
    const message = `${held.join(', ')} ${held.length > 1 ? 'are' : 'is'} held by the load balancer ${record.loadBalancer.loadBalancerName}${advice}`
    throw new CloudError('invalid', message, { reason: 'AddressInUse' })
  }
}

/** By something that is not in the inventory: nobody says when it lets go. */
function addressInUse({ code = '', message, requestId }: CloudError): CloudError {
  const details = { code, reason: 'AddressInUse', ...(requestId === undefined ? {} : { requestId }) }
  return new CloudError(
    'invalid',
    `${message.replace(/\.$/, '')}: something else holds the address; free it or name another one`,
    details,
  )
}

/** A load balancer that cannot be let in to any node is not made. Nothing that is to go depends on this. */
async function reachable({ discovery }: Tools, signal: AbortSignal): Promise<void> {
  const { groupIds: found, unresolved } = await discovery.nodeGroupIds(signal)
  if (found.length > 0 || unresolved.length === 0) return
  const message = `the security group of the nodes cannot be told: ${unresolved.slice(0, 5).join('; ')}`
  throw new CloudError('invalid', message, { reason: 'NodeSecurityGroupUnknown' })
}

async function createTargetGroup(
  { inventory, discovery }: Tools,
  target: TargetGroupResource,
  signal: AbortSignal,
): Promise<void> {
  const { name } = target.immutable
  const { healthCheck, port, protocol, ipAddressType, tags } = target.mutable
  await inventory.listed(signal, nameAgeMs)
  const standing = inventory.targetGroupNamed(name)
  if (standing !== undefined) return mine('target group', name, standing, target)
  const vpcId = await discovery.vpcId(signal)
  try {
    await inventory.cloud.createTargetGroup(
      {
        name,
        protocol,
        port,
        vpcId,
        targetType: 'instance',
        ...(ipAddressType === 'ipv4' ? {} : { ipAddressType }),
        ...healthCheckFields(healthCheck),
        tags: pairsOf(tags),
      },
      signal,
    )
  } catch (error) {
    if (!(error instanceof CloudError && error.code === 'DuplicateTargetGroupName')) throw error
    inventory.stale('targetGroups')
    await inventory.listed(signal, nameAgeMs)
    const other = inventory.targetGroupNamed(name)
    if (other === undefined) throw error
    mine('target group', name, other, target)
  }
}

async function createListener(tools: Tools, target: ListenerResource, signal: AbortSignal): Promise<void> {
  const { inventory } = tools
  const { loadBalancer, port } = target.immutable
  const { protocol, targetGroup, certificates, sslPolicy, alpn, tags } = target.mutable
  const balancer = inventory.loadBalancerNamed(loadBalancer)
  const group = inventory.targetGroupNamed(targetGroup)
  if (balancer === undefined) throw missing('load balancer', loadBalancer)
  if (group === undefined) throw missing('target group', targetGroup)
  mine('load balancer', loadBalancer, balancer, target)
  mine('target group', targetGroup, group, target)
  if (listenerOn(balancer, port) !== undefined) return
  const [certificateArn] = certificates
  try {
    await inventory.cloud.createListener(
      {
        loadBalancerArn: balancer.loadBalancer.loadBalancerArn,
        protocol,
        port,
        ...(certificateArn === undefined ? {} : { certificates: [{ certificateArn }] }),
        ...(sslPolicy === '' ? {} : { sslPolicy }),
        ...(alpn === '' ? {} : { alpnPolicy: [alpn] }),
        defaultActions: [{ type: 'forward', targetGroupArn: group.group.targetGroupArn }],
        tags: pairsOf(tags),
      },
      signal,
    )
  } catch (error) {
    // Whatever listens on our load balancer is ours: the next look sees it and says what it should become.
    if (!(error instanceof CloudError && error.code === 'DuplicateListener')) throw error
  }
}

async function remove(tools: Tools, target: AwsResource, signal: AbortSignal): Promise<void> {
  const { cloud } = tools.inventory
  if (target.kind === 'node-rules') {
    return updateNodeRules(tools, target, { ...target, mutable: { rules: [] } }, signal)
  }
  const id = target.id ?? idOf(tools, target)
  if (id === undefined) return
  switch (target.kind) {
    case 'security-group':
    case 'node-access-group':
      return cloud.deleteSecurityGroup({ groupId: id }, signal)
    case 'load-balancer':
      return deleteLoadBalancer(tools, target, id, signal)
    case 'target-group':
      return cloud.deleteTargetGroup({ targetGroupArn: id }, signal)
    case 'listener':
      return cloud.deleteListener({ listenerArn: id }, signal)
  }
}

async function deleteLoadBalancer(
  { inventory: { cloud } }: Tools,
  { mutable: { tags } }: LoadBalancerResource,
  loadBalancerArn: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await cloud.deleteLoadBalancer({ loadBalancerArn }, signal)
  } catch (error) {
    const isProtected = error instanceof CloudError && error.code === 'OperationNotPermitted'
    throw isProtected ? protectedBy(tags, loadBalancerArn, error) : error
  }
}

function field<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [key in K]?: V }
}
