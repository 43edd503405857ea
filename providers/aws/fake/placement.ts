/** Where a load balancer may stand: which subnets, zones and addresses AWS accepts at creation and for SetSubnets. */
import ipaddr from 'ipaddr.js'
import type { IpAddressType, LoadBalancerScheme, OnOff, SubnetMapping } from '../elbv2.ts'
import type { Subnet } from '../ec2.ts'
import type { Account, LoadBalancerState } from './account.ts'
import { checkPrefix } from './dual-stack.ts'
import { demand, found, refusal } from './refusal.ts'

/** What decides where a load balancer's addresses are. */
export interface Placement {
  scheme: LoadBalancerScheme
  ipAddressType: IpAddressType
  mappings: readonly SubnetMapping[]
  prefixForSourceNat: OnOff
}

/** Documented: a subnet needs so many free addresses. */
const freeAddresses = 8

/** The VPC. Refuses subnets and addresses that AWS refuses. `before`: the load balancer as it stands, if it does. */
export function checkPlacement(account: Account, wanted: Placement, before: LoadBalancerState | undefined): string {
  const { scheme, ipAddressType, mappings } = wanted
  demand(mappings.length > 0, 'ValidationError', 'At least one subnet must be specified')
  const subnets = mappings.map(({ subnetId }) =>
    found(account.subnets.get(subnetId), 'SubnetNotFound', `The subnet ID '${subnetId}' does not exist`),
  )
  const [first] = subnets
  demand(first !== undefined, 'ValidationError', 'At least one subnet must be specified')
  const { vpcId } = first
  demand(
    subnets.every((subnet) => subnet.vpcId === vpcId),
    'InvalidConfigurationRequest',
    'All subnets must belong to the same VPC',
  )
  const zones = new Set(subnets.map(({ availabilityZone }) => availabilityZone))
  demand(
    zones.size === subnets.length,
    'InvalidConfigurationRequest',
    'A load balancer cannot be attached to multiple subnets in the same Availability Zone',
  )
  if (scheme === 'internet-facing') {
    demand(
      account.vpcs.get(vpcId)?.hasInternetGateway === true,
      'InvalidSubnet',
      `VPC ${vpcId} has no internet gateway`,
    )
  }
  const dualstack = ipAddressType === 'dualstack'
  demand(
    wanted.prefixForSourceNat === 'off' || dualstack,
    'InvalidConfigurationRequest',
    'Source NAT prefixes need the IP address type dualstack',
  )
  for (const [index, subnet] of subnets.entries()) {
    const isNew = before === undefined || before.mappings.every(({ subnetId }) => subnetId !== subnet.subnetId)
    demand(
      !isNew || freeIn(account, subnet) >= freeAddresses,
      'InvalidSubnet',
      `Not enough IP space available in ${subnet.subnetId}. ELB requires at least 8 free IP addresses in each subnet`,
    )
    demand(
      !dualstack || subnet.ipv6CidrBlocks.length > 0,
      'InvalidSubnet',
      `Subnet '${subnet.subnetId}' has no IPv6 CIDR block, which dualstack needs`,
    )
    const mapping = mappings[index]
    if (mapping !== undefined) checkAddresses(account, wanted, mapping, subnet, before?.arn)
  }
  return vpcId
}

function checkAddresses(
  account: Account,
  { scheme, ipAddressType, mappings, prefixForSourceNat }: Placement,
  { allocationId, privateIpv4Address, ipv6Address, sourceNatIpv6Prefix }: SubnetMapping,
  subnet: Subnet,
  self: string | undefined,
): void {
  const others = account.loadBalancers.values().filter(({ arn }) => arn !== self)
  const held = others.flatMap((each) => each.mappings)
  if (mappings.some((mapping) => mapping.allocationId !== undefined)) {
    demand(
      scheme === 'internet-facing',
      'InvalidConfigurationRequest',
      'Elastic IPs can be given to internet-facing load balancers only',
    )
    demand(allocationId !== undefined, 'InvalidConfigurationRequest', 'An allocation ID is needed for every subnet')
    const address = account.elasticIps.get(allocationId)
    demand(address !== undefined, 'AllocationIdNotFound', `The allocation IDs '${allocationId}' do not exist`)
    // https://github.com/terraform-aws-modules/terraform-aws-alb/issues/171
    const free = address.associationId === undefined && held.every((mapping) => mapping.allocationId !== allocationId)
    demand(free, 'ResourceInUse', 'The allocation IDs are not available for use')
  }
  if (privateIpv4Address !== undefined) {
    demand(
      scheme === 'internal',
      'InvalidConfigurationRequest',
      'Private IPv4 addresses can be given to internal load balancers only',
    )
    demand(
      within(privateIpv4Address, [subnet.cidrBlock]),
      'InvalidConfigurationRequest',
      `'${privateIpv4Address}' is not in the CIDR block of ${subnet.subnetId}`,
    )
    const free = held.every((mapping) => mapping.privateIpv4Address !== privateIpv4Address)
    demand(free, 'InvalidConfigurationRequest', `'${privateIpv4Address}' is in use`)
  }
  if (sourceNatIpv6Prefix !== undefined) checkPrefix(sourceNatIpv6Prefix, subnet.ipv6CidrBlocks, prefixForSourceNat)
  if (ipv6Address !== undefined) {
    demand(ipAddressType === 'dualstack', 'InvalidConfigurationRequest', 'IPv6 addresses need dualstack')
    demand(
      within(ipv6Address, subnet.ipv6CidrBlocks),
      'InvalidConfigurationRequest',
      `'${ipv6Address}' is not in an IPv6 CIDR block of ${subnet.subnetId}`,
    )
  }
}

/** What SetSubnets refuses beside what creation refuses: another subnet or address in a zone that the load balancer is in. */
export function checkReplacement(
  account: Account,
  before: LoadBalancerState,
  mappings: readonly SubnetMapping[],
): void {
  const zoneOf = (subnetId: string) => account.subnets.get(subnetId)?.availabilityZone
  for (const mapping of mappings) {
    const old = before.mappings.find(({ subnetId }) => zoneOf(subnetId) === zoneOf(mapping.subnetId))
    if (old === undefined) continue
    demand(
      old.subnetId === mapping.subnetId,
      'InvalidConfigurationRequest',
      `The subnet '${old.subnetId}' cannot be replaced by '${mapping.subnetId}' of the same zone in one call`,
    )
    const same =
      old.allocationId === mapping.allocationId &&
      old.privateIpv4Address === mapping.privateIpv4Address &&
      (old.ipv6Address === undefined || old.ipv6Address === mapping.ipv6Address)
    demand(same, 'InvalidConfigurationRequest', `The addresses in '${old.subnetId}' cannot be changed`)
  }
}

export function freeIn(account: Account, { subnetId, availableIpAddressCount }: Subnet): number {
  const taken = account.interfaces
    .values()
    .filter((each) => each.subnetId === subnetId && lingers(account, each.leftAt))
  return availableIpAddressCount - taken.length
}

/** An interface still is there. */
export function lingers({ now, timing }: Account, leftAt: number | undefined): boolean {
  return leftAt === undefined || now() < leftAt + timing.interfaceMs
}

function within(address: string, blocks: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) throw refusal('ValidationError', `'${address}' is not an IP address`)
  const parsed = ipaddr.parse(address)
  return blocks.some((block) => {
    const [base, bits] = ipaddr.parseCIDR(block)
    return base.kind() === parsed.kind() && parsed.match(base, bits)
  })
}
