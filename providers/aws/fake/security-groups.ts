/**
 * Security groups and their inbound rules: a rule is protocol, ports and one source; a batch stands or falls as a whole; a group that
 * interfaces or other groups' rules refer to cannot be deleted. What was just created may not be found yet.
 */
import ipaddr from 'ipaddr.js'
import type { IpPermission, SecurityGroup } from '../ec2.ts'
import type { Account, RuleState, SecurityGroupState, Sync } from './account.ts'
import { ec2Lag, pairs } from './account.ts'
import { matches } from './filters.ts'
import { lingers } from './placement.ts'
import { page } from './paging.ts'
import { found, demand } from './refusal.ts'
import { tagged } from './tags.ts'

type Actions = Sync<
  | 'describeSecurityGroups'
  | 'createSecurityGroup'
  | 'deleteSecurityGroup'
  | 'authorizeSecurityGroupIngress'
  | 'revokeSecurityGroupIngress'
>

const descriptionText = /^[A-Za-z0-9 ._\-:/()#,@[\]+=&;{}!$*]{0,255}$/

export function securityGroupActions(account: Account): Actions {
  /** A mutation by an id that has not spread yet is refused as if there were none. */
  const at = (groupId: string): SecurityGroupState => {
    const spread = account.securityGroups.seen(ec2Lag(account)).some((group) => group.groupId === groupId)
    const group = spread ? account.securityGroups.get(groupId) : undefined
    return found(group, 'InvalidGroup.NotFound', `The security group '${groupId}' does not exist`)
  }
  return {
    describeSecurityGroups({ groupIds, filters = [], nextToken }) {
      const all = account.securityGroups.seen(ec2Lag(account))
      for (const groupId of groupIds ?? []) {
        const exists = all.some((group) => group.groupId === groupId)
        demand(exists, 'InvalidGroup.NotFound', `The security group '${groupId}' does not exist`)
      }
      const chosen = all.filter(
        (group) =>
          (groupIds === undefined || groupIds.includes(group.groupId)) &&
          matches(filters, group.tags, {
            'group-id': [group.groupId],
            'group-name': [group.groupName],
            'vpc-id': [group.vpcId],
            'ip-permission.group-id': group.rules.flatMap(({ source }) =>
              source.kind === 'group' ? [source.value] : [],
            ),
          }),
      )
      const { items, next } = page(account, chosen, ({ groupId }) => groupId, { after: nextToken })
      return { securityGroups: items.map(describe), nextToken: next }
    },
    createSecurityGroup({ groupName, description, vpcId, tagSpecifications }) {
      demand(account.vpcs.get(vpcId) !== undefined, 'InvalidVpcID.NotFound', `The vpc ID '${vpcId}' does not exist`)
      const nameFits = groupName.length >= 1 && descriptionText.test(groupName) && !groupName.startsWith('sg-')
      demand(nameFits, 'InvalidParameterValue', `Value (${groupName}) for parameter GroupName is invalid`)
      const describes = description.length >= 1 && descriptionText.test(description)
      demand(describes, 'InvalidParameterValue', `Value (${description}) for parameter GroupDescription is invalid`)
      const own = account.securityGroups.values().filter((group) => group.vpcId === vpcId)
      demand(
        own.every((group) => group.groupName !== groupName),
        'InvalidGroup.Duplicate',
        `The security group '${groupName}' already exists for VPC '${vpcId}'`,
      )
      demand(
        own.length < account.quotas.securityGroupsPerVpc,
        'SecurityGroupLimitExceeded',
        'The maximum number of security groups has been reached',
      )
      const tags = tagged(
        account,
        tagSpecifications.flatMap((each) => (each.resourceType === 'security-group' ? each.tags : [])),
        {},
        'TagLimitExceeded',
      )
      const groupId = `sg-${account.newId(17)}`
      account.securityGroups.put(groupId, { groupId, groupName, description, vpcId, rules: [], tags })
      return { groupId }
    },
    deleteSecurityGroup({ groupId }) {
      const group = account.securityGroups.get(groupId)
      demand(group !== undefined, 'InvalidGroup.NotFound', `The security group '${groupId}' does not exist`)
      demand(group.groupName !== 'default', 'OperationNotPermitted', 'The default group of a VPC cannot be deleted')
      demand(!isUsed(account, groupId), 'DependencyViolation', `resource ${groupId} has a dependent object`)
      account.securityGroups.remove(groupId)
    },
    authorizeSecurityGroupIngress({ groupId, ipPermissions }) {
      const group = at(groupId)
      const added = rulesOf(account, ipPermissions)
      for (const { source } of added) {
        const other = source.kind === 'group' ? account.securityGroups.get(source.value) : undefined
        demand(
          other === undefined || other.vpcId === group.vpcId,
          'InvalidGroup.NotFound',
          'You have specified two resources that belong to different networks.',
        )
      }
      const present = new Set(group.rules.map(ruleKey))
      for (const rule of added) {
        const key = ruleKey(rule)
        demand(!present.has(key), 'InvalidPermission.Duplicate', `the specified rule "${key}" already exists`)
        present.add(key)
      }
      const rules = [...group.rules, ...added]
      for (const family of ['ipv4', 'ipv6']) {
        const count = rules.reduce((sum, { source }) => sum + weight(account, source, family), 0)
        demand(
          count <= account.quotas.rulesPerSecurityGroup,
          'RulesPerSecurityGroupLimitExceeded',
          'The maximum number of rules per security group has been reached.',
        )
      }
      account.securityGroups.put(groupId, { ...group, rules })
    },
    revokeSecurityGroupIngress({ groupId, ipPermissions }) {
      const group = at(groupId)
      const removed = new Set(rulesOf(account, ipPermissions, 'unchecked').map(ruleKey))
      const present = new Set(group.rules.map(ruleKey))
      for (const key of removed) {
        demand(
          present.has(key),
          'InvalidPermission.NotFound',
          `The specified rule "${key}" does not exist in this security group.`,
        )
      }
      account.securityGroups.put(groupId, {
        ...group,
        rules: group.rules.filter((rule) => !removed.has(ruleKey(rule))),
      })
    },
  }
}

/** An interface has it, an instance has it, or another group's rule names it. */
function isUsed(account: Account, groupId: string): boolean {
  const interfaces = account.interfaces.values()
  if (interfaces.some((each) => each.securityGroups.includes(groupId) && lingers(account, each.leftAt))) return true
  const instances = account.instances.values()
  if (
    instances.some(
      ({ state, securityGroups }) =>
        state !== 'terminated' && securityGroups.some((group) => group.groupId === groupId),
    )
  )
    return true
  return account.securityGroups
    .values()
    .some((group) => group.groupId !== groupId && group.rules.some(({ source }) => source.value === groupId))
}

/** One by one; refuses malformed ones. */
function rulesOf(
  account: Account,
  permissions: readonly IpPermission[],
  how: 'checked' | 'unchecked' = 'checked',
): RuleState[] {
  demand(permissions.length > 0, 'InvalidParameterValue', 'No permissions were given')
  return permissions.flatMap(({ ipProtocol, fromPort, toPort, ...sources }) => {
    const ports = checkPorts(ipProtocol, fromPort, toPort)
    const rule = (kind: RuleState['source']['kind'], value: string, description: string | undefined): RuleState => {
      demand(
        descriptionText.test(description ?? ''),
        'InvalidParameterValue',
        `Invalid rule description '${description}'`,
      )
      return { ipProtocol, ...ports, source: { kind, value }, description }
    }
    const rules = [
      ...(sources.ipRanges ?? []).map((each) => rule('ipv4', network(each.cidrIp, 'ipv4'), each.description)),
      ...(sources.ipv6Ranges ?? []).map((each) => rule('ipv6', network(each.cidrIpv6, 'ipv6'), each.description)),
      ...(sources.prefixListIds ?? []).map((each) => rule('prefix-list', each.prefixListId, each.description)),
      ...(sources.userIdGroupPairs ?? []).map((each) => rule('group', each.groupId, each.description)),
    ]
    demand(rules.length > 0, 'InvalidParameterValue', 'A permission needs a source')
    for (const { source } of how === 'checked' ? rules : []) checkSource(account, source)
    return rules
  })
}

function checkPorts(protocol: string, from: number | undefined, to: number | undefined) {
  demand(
    ['tcp', 'udp', 'icmp', 'icmpv6', '-1'].includes(protocol),
    'InvalidParameterValue',
    `Invalid protocol '${protocol}'`,
  )
  if (protocol === '-1') return { fromPort: undefined, toPort: undefined }
  const range = protocol.startsWith('icmp') ? [-1, 255] : [0, 65_535]
  const fits = (port: number | undefined) => port !== undefined && port >= (range[0] ?? 0) && port <= (range[1] ?? 0)
  const ordered = protocol.startsWith('icmp') || (from ?? 0) <= (to ?? 0)
  demand(fits(from) && fits(to) && ordered, 'InvalidParameterValue', `Invalid port range ${from}-${to}`)
  return { fromPort: from, toPort: to }
}

function checkSource(account: Account, { kind, value }: RuleState['source']): void {
  if (kind === 'group') {
    const exists = account.securityGroups.seen(ec2Lag(account)).some(({ groupId }) => groupId === value)
    demand(exists, 'InvalidGroup.NotFound', `The security group '${value}' does not exist`)
  }
  if (kind === 'prefix-list') {
    const exists = account.prefixLists.get(value) !== undefined
    demand(exists, 'InvalidPrefixListID.NotFound', `The prefix list ID '${value}' does not exist`)
  }
}

/** AWS keeps the network of an address range. */
function network(cidr: string, kind: 'ipv4' | 'ipv6'): string {
  demand(ipaddr.isValidCIDR(cidr), 'InvalidParameterValue', `CIDR block ${cidr} is malformed`)
  const [address, bits] = ipaddr.parseCIDR(cidr)
  demand(address.kind() === kind, 'InvalidParameterValue', `CIDR block ${cidr} is malformed`)
  const base = kind === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(cidr) : ipaddr.IPv6.networkAddressFromCIDR(cidr)
  return `${base.toString()}/${bits}`
}

/** How much of the quota of a family a rule takes. */
function weight(account: Account, { kind, value }: RuleState['source'], family: string): number {
  if (kind === 'group') return 1
  if (kind === 'prefix-list') return account.prefixLists.get(value)?.maxEntries ?? 1
  return kind === family ? 1 : 0
}

export function ruleKey({ ipProtocol, fromPort, toPort, source }: RuleState): string {
  return `${ipProtocol} ${fromPort ?? 'all'}-${toPort ?? 'all'} ${source.value}`
}

/** AWS answers rules of equal protocol and ports as one permission. */
function describe({ groupId, groupName, description, vpcId, rules, tags }: SecurityGroupState): SecurityGroup {
  const merged = new Map<string, RuleState[]>()
  for (const rule of rules) {
    const key = `${rule.ipProtocol} ${rule.fromPort} ${rule.toPort}`
    merged.set(key, [...(merged.get(key) ?? []), rule])
  }
  const ipPermissions = [...merged.values()].map((group): IpPermission => {
    const of = (kind: RuleState['source']['kind']) => group.filter(({ source }) => source.kind === kind)
    return {
      ipProtocol: group[0]?.ipProtocol ?? '-1',
      fromPort: group[0]?.fromPort,
      toPort: group[0]?.toPort,
      ipRanges: of('ipv4').map(({ source, description }) => ({ cidrIp: source.value, description })),
      ipv6Ranges: of('ipv6').map(({ source, description }) => ({ cidrIpv6: source.value, description })),
      prefixListIds: of('prefix-list').map(({ source, description }) => ({ prefixListId: source.value, description })),
      userIdGroupPairs: of('group').map(({ source, description }) => ({ groupId: source.value, description })),
    }
  })
  return { groupId, groupName, description, vpcId, ipPermissions, tags: pairs(tags) }
}
