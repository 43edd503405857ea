/**
 * What the account holds and we did not make: VPC, subnets, instances of the nodes and their security groups. Read when it is needed,
 * remembered for sensible times, read again after AWS has refused something of it.
 */
import { CloudError } from '../contract.ts'
import type { TargetNode } from '../contract.ts'
import type { AwsCloud } from './cloud.ts'
import type { AvailabilityZone, Instance, RouteTable, SecurityGroup, Subnet } from './ec2.ts'
import { instanceIdOf, namesOf } from './nodes.ts'
import { pages } from './pages.ts'
import type { SubnetWish } from './subnets.ts'
import { chooseSubnets, required } from './subnets.ts'

export interface DiscoveryOptions {
  cloud: AwsCloud
  /** Milliseconds. */
  now: () => number
  /** `vpc-...`; undefined: that of the nodes. */
  vpcId?: string
  /** Name in `kubernetes.io/cluster/<name>` tags. */
  clusterName?: string
  /** The nodes' security groups, when they shall not be discovered: ids, all of them get the rules. */
  nodeSecurityGroups?: readonly string[]
}

export interface Discovery {
  /** Tells the nodes; no I/O. */
  nodes(nodes: readonly TargetNode[]): void
  /** The setting's, else the one that most nodes are in. Throws CloudError with what to do when neither tells it. */
  vpcId(signal: AbortSignal): Promise<string>
  /** For a new load balancer, in the order of `named`, else by zone. Throws CloudError that names each rejected subnet. */
  subnets(wish: Omit<SubnetWish, 'clusterName'>, signal: AbortSignal): Promise<readonly Subnet[]>
  /**
   * The security group of each node that its rules belong into, in the VPC where the cluster's own group stands already. One bad node never
   * blocks the rest; `unresolved` names such nodes and says why.
   */
  nodeGroupIds(
    signal: AbortSignal,
    standing?: string,
  ): Promise<{ groupIds: readonly string[]; unresolved: readonly string[] }>
  /** Name tag -> id, of security groups of the VPC. Throws CloudError that names those that are missing or several. */
  groupsNamed(names: readonly string[], signal: AbortSignal): Promise<Map<string, string>>
  /** Id -> Name tag, of groups that have one. */
  groupNames(groupIds: readonly string[], signal: AbortSignal): Promise<Map<string, string>>
  /** AWS refused a subnet: what is remembered may be wrong. */
  forgetSubnets(): void
  /** A group of the nodes is gone: they have others by now. */
  forgetNodes(): void
}

const minutes = 60_000
const subnetAgeMs = 10 * minutes
/** Where nothing fits a person changes it next: what is remembered counts for so long only. */
const misfitAgeMs = 20_000
/** Their security groups may be changed by hand. */
const instanceAgeMs = 10 * minutes
/** An id that AWS does not know: it may be a machine that has just been made. */
const unknownAgeMs = 1 * minutes
const idsPerCall = 200

interface Aged<T> {
  at: number
  value: T
}

export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { cloud, now, clusterName } = options
  let instanceIds: readonly string[] = []
  const names = new Map<string, string>()
  const instances = new Map<string, Aged<Instance | undefined>>()
  const groupTags = new Map<string, Aged<SecurityGroup>>()
  let subnets: Aged<readonly Subnet[]> | undefined
  let routes: Aged<readonly RouteTable[]> | undefined
  let zones: readonly AvailabilityZone[] | undefined
  /** Many placements ask at once: one read serves them all. */
  const running = new Map<string, Promise<unknown>>()

  const once = <T>(key: string, read: () => Promise<T>): Promise<T> => {
    const under = running.get(key) as Promise<T> | undefined
    if (under !== undefined) return under
    const reading = read().finally(() => running.delete(key))
    running.set(key, reading)
    return reading
  }
  const young = <T>(aged: Aged<T> | undefined, ageMs: number): aged is Aged<T> =>
    aged !== undefined && now() - aged.at < ageMs

  async function describeUnknown(signal: AbortSignal): Promise<void> {
    const missing = instanceIds.filter((id) => {
      const known = instances.get(id)
      return !young(known, known?.value === undefined ? unknownAgeMs : instanceAgeMs)
    })
    for (let from = 0; from < missing.length; from += idsPerCall) {
      await describe(missing.slice(from, from + idsPerCall), signal)
    }
    for (const id of instances.keys()) if (!instanceIds.includes(id)) instances.delete(id)
  }

  /** One id that AWS does not know refuses all: halves, until it stands alone. */
  async function describe(ids: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      const { instances: found } = await cloud.describeInstances({ instanceIds: ids }, signal)
      for (const id of ids) instances.set(id, { at: now(), value: found.find(({ instanceId }) => instanceId === id) })
    } catch (error) {
      if (!(error instanceof CloudError && error.code?.startsWith('InvalidInstanceID') === true)) throw error
      const named = ids.filter((id) => error.message.includes(id))
      const rest = ids.filter((id) => !named.includes(id))
      if (named.length > 0) {
        for (const id of named) instances.set(id, { at: now(), value: undefined })
        if (rest.length > 0) await describe(rest, signal)
      } else if (ids.length === 1) {
        for (const id of ids) instances.set(id, { at: now(), value: undefined })
      } else {
        const half = Math.ceil(ids.length / 2)
        await describe(ids.slice(0, half), signal)
        await describe(ids.slice(half), signal)
      }
    }
  }

  const known = async (signal: AbortSignal): Promise<readonly Instance[]> => {
    await once('instances', () => describeUnknown(signal))
    return instanceIds.flatMap((id) => instances.get(id)?.value ?? [])
  }

  const vpcId = async (signal: AbortSignal): Promise<string> => {
    if (options.vpcId !== undefined) return options.vpcId
    const { vpcs, most } = vpcsOf(await known(signal))
    if (most !== undefined) return most
    const none = vpcs.length === 0
    const message = none
      ? 'the VPC cannot be told: no node is an instance that AWS knows; give the setting vpc'
      : `the nodes are in several VPCs, as many in one as in another (${vpcs.join(', ')}); say with the setting vpc which one gets the load balancers`
    // A fresh instance is seen by EC2 within seconds; two VPCs wait for a person.
    throw new CloudError(none ? 'not-found' : 'invalid', message, { reason: 'VpcUnknown' })
  }
  /** A group can be let in to groups of its own VPC only: an instance of another one is no target either. */
  const inVpcOf = (standing: string | undefined, found: readonly Instance[]): readonly Instance[] => {
    const vpc = standing ?? options.vpcId ?? vpcsOf(found).most
    return vpc === undefined ? found : found.filter((instance) => instance.vpcId === vpc)
  }

  async function allSubnets(vpc: string, ageMs: number, signal: AbortSignal): Promise<readonly Subnet[]> {
    if (young(subnets, ageMs)) return subnets.value
    const value = await pages(
      (nextToken) => cloud.describeSubnets({ filters: inVpc(vpc), ...nextToken }, signal),
      (page) => page.subnets,
    )
    subnets = { at: now(), value }
    return value
  }
  async function allRoutes(vpc: string, ageMs: number, signal: AbortSignal): Promise<readonly RouteTable[]> {
    if (young(routes, ageMs)) return routes.value
    const value = await pages(
      (nextToken) => cloud.describeRouteTables({ filters: inVpc(vpc), ...nextToken }, signal),
      (page) => page.routeTables,
    )
    routes = { at: now(), value }
    return value
  }
  async function zonesOf(found: readonly Subnet[], signal: AbortSignal): Promise<readonly AvailabilityZone[]> {
    // A zone's name tells local and wavelength zones: eu-west-1a is an ordinary one, us-east-1-bos-1a is not.
    if (found.every(({ availabilityZone }) => /^[a-z]+(-[a-z]+)+-\d[a-z]$/.test(availabilityZone))) return []
    zones ??= (await cloud.describeAvailabilityZones({}, signal)).availabilityZones
    return zones
  }

  /** Groups of instances with several: their tags decide. */
  async function tagged(groupIds: readonly string[], signal: AbortSignal): Promise<readonly SecurityGroup[]> {
    const missing = groupIds.filter((id) => !young(groupTags.get(id), subnetAgeMs))
    if (missing.length > 0) {
      const { securityGroups } = await cloud.describeSecurityGroups(
        { filters: [{ name: 'group-id', values: missing }] },
        signal,
      )
      for (const group of securityGroups) groupTags.set(group.groupId, { at: now(), value: group })
    }
    return groupIds.flatMap((id) => groupTags.get(id)?.value ?? [])
  }

  async function fitting(
    vpc: string,
    wish: SubnetWish,
    ageMs: number,
    signal: AbortSignal,
  ): Promise<readonly Subnet[]> {
    const found = await once('subnets', () => allSubnets(vpc, ageMs, signal))
    const facts = { subnets: found, routeTables: [], zones: await zonesOf(found, signal) }
    const choice = chooseSubnets(facts, wish)
    if (!choice.needsRoutes) return required(choice, vpc, wish)
    const routeTables = await once('routes', () => allRoutes(vpc, ageMs, signal))
    return required(chooseSubnets({ ...facts, routeTables }, wish), vpc, wish)
  }

  async function groupsOf(found: readonly Instance[], signal: AbortSignal) {
    const several = found.filter(({ securityGroups }) => securityGroups.length > 1)
    const candidates = new Set(several.flatMap(({ securityGroups }) => securityGroups.map(({ groupId }) => groupId)))
    const details = candidates.size === 0 ? [] : await tagged([...candidates].sort(), signal)
    const groups = found.map((instance) => ({ instance, group: groupOf(instance, details, clusterName) }))
    return {
      groupIds: [...new Set(groups.flatMap(({ group }) => group ?? []))].sort(),
      undecided: groups.flatMap(({ instance, group }) => (group === undefined ? [instance] : [])),
    }
  }

  return {
    nodes(nodes) {
      names.clear()
      for (const { name, providerId } of nodes) {
        const id = instanceIdOf(providerId)
        if (id !== undefined) names.set(id, name)
      }
      instanceIds = [...names.keys()].sort()
    },
    vpcId,
    async subnets(wish, signal) {
      const vpc = await vpcId(signal)
      const full: SubnetWish = { ...wish, ...(clusterName === undefined ? {} : { clusterName }) }
      try {
        return await fitting(vpc, full, subnetAgeMs, signal)
      } catch (error) {
        if (!(error instanceof CloudError) || young(subnets, misfitAgeMs)) throw error
        return fitting(vpc, full, misfitAgeMs, signal)
      }
    },
    async nodeGroupIds(signal, standing) {
      if (options.nodeSecurityGroups !== undefined) return { groupIds: options.nodeSecurityGroups, unresolved: [] }
      const first = await groupsOf(inVpcOf(standing, await known(signal)), signal)
      if (first.undecided.length === 0) return { groupIds: first.groupIds, unresolved: [] }
      // A person may have tagged a group or taken one away since it was read.
      for (const { instanceId, securityGroups } of first.undecided) {
        if (!young(instances.get(instanceId), unknownAgeMs)) instances.delete(instanceId)
        for (const { groupId } of securityGroups)
          if (!young(groupTags.get(groupId), unknownAgeMs)) groupTags.delete(groupId)
      }
      const { groupIds, undecided } = await groupsOf(inVpcOf(standing, await known(signal)), signal)
      return { groupIds, unresolved: unresolvedNodes(undecided, names, clusterName) }
    },
    async groupsNamed(names, signal) {
      const filters = [...inVpc(await vpcId(signal)), { name: 'tag:Name', values: names }]
      const { securityGroups } = await cloud.describeSecurityGroups({ filters }, signal)
      return new Map(names.map((name) => [name, onlyGroup(name, securityGroups)]))
    },
    async groupNames(groupIds, signal) {
      const found = await tagged([...new Set(groupIds)].sort(), signal)
      return new Map(
        found.flatMap(({ groupId, tags }) =>
          tags.filter(({ key }) => key === 'Name').map(({ value }): [string, string] => [groupId, value]),
        ),
      )
    },
    forgetSubnets() {
      subnets = undefined
      routes = undefined
    },
    forgetNodes() {
      groupTags.clear()
      instances.clear()
    },
  }
}

/** `most`: the VPC that more of the instances are in than in any other, so that a stray one stops nobody; undefined where there is none. */
function vpcsOf(found: readonly Instance[]): { vpcs: readonly string[]; most: string | undefined } {
  const counts = new Map<string, number>()
  for (const { vpcId } of found) if (vpcId !== undefined) counts.set(vpcId, (counts.get(vpcId) ?? 0) + 1)
  const [first, second] = [...counts].sort(([, a], [, b]) => b - a)
  return { vpcs: [...counts.keys()].sort(), most: first && first[1] > (second?.[1] ?? 0) ? first[0] : undefined }
}

/** The instance's only group, else the only one with a tag of the cluster. */
function groupOf(
  { securityGroups }: Instance,
  details: readonly SecurityGroup[],
  clusterName: string | undefined,
): string | undefined {
  const [first] = securityGroups
  if (first !== undefined && securityGroups.length === 1) return first.groupId
  const marked = securityGroups.filter(({ groupId }) =>
    details
      .find((group) => group.groupId === groupId)
      ?.tags.some(({ key }) =>
        clusterName === undefined
          ? key.startsWith('kubernetes.io/cluster/')
          : key === `kubernetes.io/cluster/${clusterName}`,
      ),
  )
  return marked.length === 1 ? marked[0]?.groupId : undefined
}

/** One line for all nodes with the same candidates. */
function unresolvedNodes(
  undecided: readonly Instance[],
  names: ReadonlyMap<string, string>,
  clusterName: string | undefined,
): string[] {
  const byCause = Map.groupBy(undecided, (instance) => candidateList(instance, clusterName))
  return [...byCause]
    .map(([cause, of]) => `node ${namesOf(of.map(({ instanceId }) => names.get(instanceId) ?? instanceId))}: ${cause}`)
    .sort()
}

function candidateList({ securityGroups }: Instance, clusterName: string | undefined): string {
  if (securityGroups.length === 0) return 'the primary interface has no security group'
  const list = securityGroups
    .map(({ groupId, groupName }) => `${groupId} (${groupName})`)
    .sort()
    .join(', ')
  return `the primary interface has several security groups: ${list}; tag exactly one with kubernetes.io/cluster/${clusterName ?? '<name>'} or give the setting node-security-groups`
}

function onlyGroup(name: string, groups: readonly SecurityGroup[]): string {
  const found = groups.filter(({ tags }) => tags.some(({ key, value }) => key === 'Name' && value === name))
  const [first] = found
  if (first !== undefined && found.length === 1) return first.groupId
  const message =
    first === undefined
      ? `the parameter security-groups names ${name}: no security group of the VPC has this Name tag`
      : `the parameter security-groups names ${name}: several security groups have this Name tag (${found.map(({ groupId }) => groupId).join(', ')}); give the id`
  throw new CloudError(first === undefined ? 'not-found' : 'invalid', message, { reason: 'SecurityGroupNotFound' })
}

function inVpc(vpcId: string) {
  return [{ name: 'vpc-id', values: [vpcId] }]
}
