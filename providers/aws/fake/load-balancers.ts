/**
 * Network load balancers: creation is idempotent by name and settings, a name with other settings is refused, a load balancer is provisioning
 * at first, its interfaces hold subnets' addresses and security groups, and outlive it for a while.
 */
import type { LoadBalancer } from '../elbv2.ts'
import type { Account, LoadBalancerState, Sync } from './account.ts'
import { elbLag, pairs } from './account.ts'
import { defaultsOf, loadBalancerAttributesOf, modified } from './attributes.ts'
import { checkStack } from './dual-stack.ts'
import { letGo } from './links.ts'
import { checkName, namedOnes, standing } from './named.ts'
import { page } from './paging.ts'
import { checkPlacement, checkReplacement } from './placement.ts'
import type { Placement } from './placement.ts'
import { found, demand, refusal } from './refusal.ts'
import { tagged } from './tags.ts'

type Actions = Sync<
  | 'describeLoadBalancers'
  | 'describeLoadBalancerAttributes'
  | 'createLoadBalancer'
  | 'modifyLoadBalancerAttributes'
  | 'setIpAddressType'
  | 'setSecurityGroups'
  | 'setSubnets'
  | 'deleteLoadBalancer'
>

export function loadBalancerActions(account: Account): Actions {
  const at = (arn: string) =>
    found(account.loadBalancers.get(arn), 'LoadBalancerNotFound', `Load balancer '${arn}' not found`)
  return {
    describeLoadBalancers({ loadBalancerArns, names, marker, pageSize }) {
      const all = account.loadBalancers.seen(elbLag(account))
      if (loadBalancerArns === undefined && names === undefined) {
        const { items, next } = page(account, all, ({ arn }) => arn, { after: marker, size: pageSize })
        return { loadBalancers: items.map((item) => describe(account, item)), nextMarker: next }
      }
      const items = namedOnes(all, { arns: loadBalancerArns, names, what: 'load balancers' }, (asked) =>
        refusal('LoadBalancerNotFound', `Load balancers '[${asked.join(', ')}]' not found`),
      )
      return { loadBalancers: items.map((item) => describe(account, item)) }
    },
    describeLoadBalancerAttributes: ({ loadBalancerArn }) => ({ attributes: pairs(at(loadBalancerArn).attributes) }),
    createLoadBalancer: (input) => create(account, input),
    modifyLoadBalancerAttributes({ loadBalancerArn, attributes }) {
      const before = at(loadBalancerArn)
      const after = modified(loadBalancerAttributesOf(before.scheme), before.attributes, attributes)
      demand(
        after['access_logs.s3.enabled'] === 'false' || after['access_logs.s3.bucket'] !== '',
        'InvalidConfigurationRequest',
        'access_logs.s3.bucket must be set when access logs are enabled',
      )
      account.loadBalancers.put(before.arn, { ...before, attributes: after })
      return { attributes: pairs(after) }
    },
    setIpAddressType({ loadBalancerArn, ipAddressType }) {
      const before = at(loadBalancerArn)
      checkPlacement(account, { ...before, ipAddressType }, before)
      checkStack(account, before, { ...before, ipAddressType })
      account.loadBalancers.put(before.arn, { ...before, ipAddressType })
    },
    setSecurityGroups({ loadBalancerArn, securityGroups, ...input }) {
      const before = at(loadBalancerArn)
      demand(
        before.securityGroups.length > 0,
        'InvalidConfigurationRequest',
        'You cannot set security groups on a Network Load Balancer that was created without security groups',
      )
      demand(securityGroups.length > 0, 'ValidationError', 'At least one security group must be given')
      checkGroups(account, securityGroups, before.vpcId)
      const enforcePrivateLink = input.enforceSecurityGroupInboundRulesOnPrivateLinkTraffic ?? before.enforcePrivateLink
      account.loadBalancers.put(before.arn, { ...before, securityGroups: [...securityGroups], enforcePrivateLink })
      for (const each of interfacesOf(account, before.arn)) {
        account.interfaces.put(each.id, { ...each, securityGroups: [...securityGroups] })
      }
    },
    setSubnets({ loadBalancerArn, subnetMappings, ipAddressType, enablePrefixForIpv6SourceNat }) {
      const before = at(loadBalancerArn)
      const after = {
        ...before,
        mappings: [...subnetMappings],
        ipAddressType: ipAddressType ?? before.ipAddressType,
        prefixForSourceNat: enablePrefixForIpv6SourceNat ?? before.prefixForSourceNat,
      }
      checkPlacement(account, after, before)
      checkReplacement(account, before, subnetMappings)
      checkStack(account, before, after)
      account.loadBalancers.put(before.arn, after)
      attach(account, after)
    },
    deleteLoadBalancer({ loadBalancerArn }) {
      const before = account.loadBalancers.get(loadBalancerArn)
      if (before === undefined) return
      demand(
        before.attributes['deletion_protection.enabled'] !== 'true',
        'OperationNotPermitted',
        `Load balancer '${loadBalancerArn}' cannot be deleted because deletion protection is enabled`,
      )
      for (const listener of account.listeners.values()) {
        if (listener.loadBalancerArn === loadBalancerArn) account.listeners.remove(listener.arn)
      }
      account.loadBalancers.remove(loadBalancerArn)
      for (const each of interfacesOf(account, loadBalancerArn)) {
        account.interfaces.put(each.id, { ...each, leftAt: account.now() })
      }
      letGo(account)
    },
  }
}

function create(account: Account, input: Parameters<Actions['createLoadBalancer']>[0]) {
  const { name, scheme, ipAddressType, subnetMappings, securityGroups = [] } = input
  checkName(name)
  demand(
    !name.startsWith('internal-'),
    'ValidationError',
    `The load balancer name '${name}' cannot begin with 'internal-'`,
  )
  const tags = tagged(account, input.tags)
  const prefixForSourceNat = input.enablePrefixForIpv6SourceNat ?? 'off'
  const settings = { scheme, ipAddressType, mappings: [...subnetMappings], prefixForSourceNat }
  const same = standing(account.loadBalancers, name, { ...settings, securityGroups, tags }, naming(account))
  if (same !== undefined) return { loadBalancers: [describe(account, same)] }
  const vpcId = checkPlacement(account, settings, undefined)
  checkGroups(account, securityGroups, vpcId)
  const id = account.newId(16)
  const { region } = account
  const state: LoadBalancerState = {
    ...settings,
    arn: `arn:aws:elasticloadbalancing:${region}:${account.id}:loadbalancer/net/${name}/${id}`,
    name,
    dnsName: `${name}-${id}.elb.${region}.amazonaws.com`,
    vpcId,
    securityGroups: [...securityGroups],
    enforcePrivateLink: securityGroups.length > 0 ? 'on' : undefined,
    attributes: defaultsOf(loadBalancerAttributesOf(scheme)),
    tags,
    capacity: { units: 0, changedAt: -Infinity, decreasedAt: [] },
    createdAt: account.now(),
  }
  account.loadBalancers.put(state.arn, state)
  attach(account, state)
  return { loadBalancers: [describe(account, state)] }
}

const naming = ({ quotas }: Account) => ({
  what: 'load balancer',
  comparable,
  duplicate: 'DuplicateLoadBalancerName' as const,
  quota: quotas.loadBalancers,
  tooMany: 'TooManyLoadBalancers' as const,
})

/** Equal for equal settings, whatever the order of subnets and groups. */
function comparable({
  scheme,
  ipAddressType,
  mappings,
  prefixForSourceNat,
  securityGroups,
  tags,
}: Placement & Pick<LoadBalancerState, 'securityGroups' | 'tags'>) {
  const subnets = mappings.map((mapping) =>
    Object.entries(mapping)
      .map(([key, value]) => `${key} ${value}`)
      .toSorted()
      .join(),
  )
  return {
    scheme,
    ipAddressType,
    subnets: subnets.toSorted(),
    prefixForSourceNat,
    securityGroups: [...securityGroups].sort(),
    tags,
  }
}

function checkGroups(account: Account, groups: readonly string[], vpcId: string): void {
  demand(
    groups.length <= account.quotas.securityGroupsPerInterface,
    'InvalidConfigurationRequest',
    'The maximum number of security groups has been reached',
  )
  for (const groupId of groups) {
    const group = account.securityGroups.get(groupId)
    demand(
      group !== undefined && group.vpcId === vpcId,
      'InvalidSecurityGroup',
      `Security group '${groupId}' does not exist in ${vpcId}`,
    )
  }
}

function interfacesOf(account: Account, arn: string) {
  return account.interfaces.values().filter((each) => each.loadBalancerArn === arn && each.leftAt === undefined)
}

/** Gives a load balancer an interface in each of its subnets, and takes those in others. */
function attach(account: Account, { arn, mappings, securityGroups }: LoadBalancerState): void {
  const present = interfacesOf(account, arn)
  for (const each of present) {
    if (mappings.every(({ subnetId }) => subnetId !== each.subnetId)) {
      account.interfaces.put(each.id, { ...each, leftAt: account.now() })
    }
  }
  for (const { subnetId } of mappings) {
    if (present.some((each) => each.subnetId === subnetId)) continue
    const id = `eni-${account.newId(17)}`
    account.interfaces.put(id, { id, loadBalancerArn: arn, subnetId, securityGroups, leftAt: undefined })
  }
}

export function isActive({ now, timing }: Account, { createdAt }: LoadBalancerState): boolean {
  return now() >= createdAt + timing.provisioningMs
}

/** The one that was given, or AWS's own choice of the subnet. */
function prefixIn(account: Account, subnetId: string, given = 'auto_assigned'): string {
  if (given !== 'auto_assigned') return given
  const [block = ''] = account.subnets.get(subnetId)?.ipv6CidrBlocks ?? []
  return block.replace(/::\/\d+$/, ':ffff::/80')
}

function describe(account: Account, state: LoadBalancerState): LoadBalancer {
  const { arn, name, dnsName, scheme, vpcId, ipAddressType, mappings, securityGroups } = state
  return {
    loadBalancerArn: arn,
    loadBalancerName: name,
    dnsName,
    canonicalHostedZoneId: 'Z3F0SRJ5LGBH90',
    scheme,
    vpcId,
    type: 'network',
    ipAddressType,
    state: { code: isActive(account, state) ? 'active' : 'provisioning' },
    availabilityZones: mappings.map(
      ({ subnetId, allocationId, privateIpv4Address, ipv6Address, sourceNatIpv6Prefix }) => ({
        zoneName: account.subnets.get(subnetId)?.availabilityZone ?? '',
        subnetId,
        loadBalancerAddresses:
          (allocationId ?? privateIpv4Address ?? ipv6Address)
            ? [
                {
                  allocationId,
                  ipAddress: allocationId && account.elasticIps.get(allocationId)?.publicIp,
                  privateIpv4Address,
                  ipv6Address,
                },
              ]
            : [],
        sourceNatIpv6Prefixes:
          state.prefixForSourceNat === 'on' ? [prefixIn(account, subnetId, sourceNatIpv6Prefix)] : [],
      }),
    ),
    securityGroups,
    enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: state.enforcePrivateLink,
    enablePrefixForIpv6SourceNat: state.prefixForSourceNat,
  }
}
