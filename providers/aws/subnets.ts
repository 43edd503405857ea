/**
 * Which subnets a new load balancer stands in, pure: those the user names, else those tagged for load balancers, else those whose route table
 * fits the scheme; one per zone. Every subnet that was looked at and not taken has a reason, and the message of a failure tells them all.
 */
import { CloudError } from '../contract.ts'
import type { AvailabilityZone, RouteTable, Subnet } from './ec2.ts'
import type { KeyValue, LoadBalancerScheme } from './elbv2.ts'

export interface SubnetWish {
  scheme: LoadBalancerScheme
  dualStack: boolean
  /** Subnet ids or Name tags; empty: discover. */
  named: readonly string[]
  /** Name in `kubernetes.io/cluster/<name>` tags; undefined: those tags are not looked at. */
  clusterName?: string
}

export interface SubnetFacts {
  /** All of the VPC. */
  subnets: readonly Subnet[]
  /** All of the VPC; asked for when no subnet is tagged. */
  routeTables: readonly RouteTable[]
  zones: readonly AvailabilityZone[]
}

export interface SubnetChoice {
  /** In the order the user named them, else by zone. */
  chosen: readonly Subnet[]
  rejected: readonly { subnet: string; why: string }[]
  /** Route tables decide and were not given. */
  needsRoutes: boolean
}

/** AWS keeps eight addresses free in each subnet of a load balancer. */
const freeAddresses = 8

export function chooseSubnets(facts: SubnetFacts, wish: SubnetWish): SubnetChoice {
  return wish.named.length > 0 ? chooseNamed(facts, wish) : discover(facts, wish)
}

/** Throws CloudError with every rejected subnet when there is nothing to stand in. */
export function required(choice: SubnetChoice, vpcId: string, { named, scheme }: SubnetWish): readonly Subnet[] {
  const told = choice.rejected.slice(0, 20).map(({ subnet, why }) => `${subnet}: ${why}`)
  const more = choice.rejected.length > told.length ? [`and ${choice.rejected.length - told.length} more`] : []
  if (named.length > 0 && choice.rejected.length > 0) {
    throw new CloudError('invalid', `the parameter subnets cannot be met: ${[...told, ...more].join('; ')}`, {
      reason: 'SubnetUnsuitable',
    })
  }
  if (choice.chosen.length > 0) return choice.chosen
  const tag = roleTag(scheme)
  const seen = told.length === 0 ? `VPC ${vpcId} has no subnets` : [...told, ...more].join('; ')
  throw new CloudError(
    'invalid',
    `no subnet of VPC ${vpcId} is fit for a load balancer of scheme ${scheme}: ${seen}. Tag one per zone with ${tag}=1 or name them with the parameter subnets`,
    { reason: 'NoSubnet' },
  )
}

function roleTag(scheme: LoadBalancerScheme): string {
  return scheme === 'internal' ? 'kubernetes.io/role/internal-elb' : 'kubernetes.io/role/elb'
}

function chooseNamed({ subnets }: SubnetFacts, wish: SubnetWish): SubnetChoice {
  const chosen: Subnet[] = []
  const rejected: { subnet: string; why: string }[] = []
  for (const name of wish.named) {
    const found = subnets.filter((subnet) => subnet.subnetId === name || tagValue(subnet.tags, 'Name') === name)
    const [subnet] = found
    const taken = chosen.find(({ availabilityZone }) => availabilityZone === subnet?.availabilityZone)
    if (subnet === undefined)
      rejected.push({ subnet: name, why: 'there is no such subnet in the VPC, by id or by tag Name' })
    else if (found.length > 1) {
      rejected.push({
        subnet: name,
        why: `several subnets have this name: ${found.map(({ subnetId }) => subnetId).join(', ')}`,
      })
    } else if (taken !== undefined) {
      rejected.push({
        subnet: name,
        why: `zone ${subnet.availabilityZone} has ${taken.subnetId} already; one subnet a zone`,
      })
    } else if (wish.dualStack && subnet.ipv6CidrBlocks.length === 0) rejected.push({ subnet: name, why: noIpv6 })
    else chosen.push(subnet)
  }
  return { chosen, rejected, needsRoutes: false }
}

const noIpv6 = 'it has no IPv6 range, which dual stack needs'

function discover({ subnets, routeTables, zones }: SubnetFacts, wish: SubnetWish): SubnetChoice {
  const tag = roleTag(wish.scheme)
  const tagged = subnets.filter(({ tags }) => ['', '1'].includes(tagValue(tags, tag) ?? '-'))
  const byTag = tagged.length > 0
  if (!byTag && routeTables.length === 0) return { chosen: [], rejected: [], needsRoutes: true }
  const rejected: { subnet: string; why: string }[] = []
  const fit: Subnet[] = []
  for (const subnet of subnets) {
    const why = byTag && !tagged.includes(subnet) ? `it has no tag ${tag}=1` : unfit(subnet, wish)
    const reach = byTag || why !== undefined ? undefined : misrouted(subnet, routeTables, wish.scheme)
    const reason = why ?? reach
    if (reason === undefined) fit.push(subnet)
    else rejected.push({ subnet: subnet.subnetId, why: reason })
  }
  const { chosen, rest } = onePerZone(fit, zones, wish.clusterName)
  return { chosen, rejected: [...rejected, ...rest], needsRoutes: false }
}

function unfit(subnet: Subnet, { dualStack, clusterName }: SubnetWish): string | undefined {
  if (subnet.state !== 'available') return `its state is ${subnet.state}`
  const clusters = clustersOf(subnet.tags)
  if (clusterName !== undefined && clusters.length > 0 && !clusters.includes(clusterName)) {
    return `it is tagged for other clusters only (${clusters.join(', ')})`
  }
  if (subnet.availableIpAddressCount < freeAddresses) {
    return `it has ${subnet.availableIpAddressCount} free addresses, ${freeAddresses} are needed`
  }
  return dualStack && subnet.ipv6CidrBlocks.length === 0 ? noIpv6 : undefined
}

/** A public load balancer needs a route to an internet gateway, an internal one should not have one. */
function misrouted(subnet: Subnet, tables: readonly RouteTable[], scheme: LoadBalancerScheme): string | undefined {
  const own = tables.find(({ associations }) => associations.some(({ subnetId }) => subnetId === subnet.subnetId))
  const main = tables.find(({ associations }) => associations.some((association) => association.main))
  const routes = (own ?? main)?.routes ?? []
  const toInternet = routes.some(
    ({ gatewayId, state }) => gatewayId?.startsWith('igw-') === true && state !== 'blackhole',
  )
  if (scheme === 'internet-facing') return toInternet ? undefined : 'its route table has no internet gateway'
  return toInternet ? 'its route table leads to an internet gateway, which makes it public' : undefined
}

/** Ordinary zones before local and wavelength zones and outposts, which cannot be mixed; in a zone the cluster's own subnet, then the lowest id. */
function onePerZone(fit: readonly Subnet[], zones: readonly AvailabilityZone[], clusterName: string | undefined) {
  const localeOf = ({ availabilityZone, outpostArn }: Subnet): string =>
    outpostArn ?? zones.find(({ zoneName }) => zoneName === availabilityZone)?.zoneType ?? 'availability-zone'
  const locales = [...new Set(fit.map(localeOf))].sort(
    (a, b) => Number(b === 'availability-zone') - Number(a === 'availability-zone') || (a < b ? -1 : 1),
  )
  const own = ({ tags }: Subnet) => Number(clusterName !== undefined && clustersOf(tags).includes(clusterName))
  const ranked = fit.toSorted((a, b) => own(b) - own(a) || (a.subnetId < b.subnetId ? -1 : 1))
  const chosen = new Map<string, Subnet>()
  const rest: { subnet: string; why: string }[] = []
  for (const subnet of ranked) {
    const before = chosen.get(subnet.availabilityZone)
    if (localeOf(subnet) !== locales[0]) {
      rest.push({ subnet: subnet.subnetId, why: `it is in a ${localeOf(subnet)}, others are in a ${locales[0] ?? ''}` })
    } else if (before !== undefined) {
      rest.push({ subnet: subnet.subnetId, why: `zone ${subnet.availabilityZone} has ${before.subnetId} already` })
    } else chosen.set(subnet.availabilityZone, subnet)
  }
  const byZone = [...chosen.values()].sort((a, b) => (a.availabilityZone < b.availabilityZone ? -1 : 1))
  return { chosen: byZone, rest }
}

function clustersOf(tags: readonly KeyValue[]): string[] {
  const prefix = 'kubernetes.io/cluster/'
  return tags.filter(({ key }) => key.startsWith(prefix)).map(({ key }) => key.slice(prefix.length))
}

export function tagValue(tags: readonly KeyValue[], key: string): string | undefined {
  return tags.find((tag) => tag.key === key)?.value
}
