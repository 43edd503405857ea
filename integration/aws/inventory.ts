/**
 * What stands in the account, as text that is equal for equal accounts: no ids, ARNs, DNS names or UIDs, so that two ways to the same end
 * can be compared. Read past the proxy, with the provider's own port, so that looking is neither counted nor disturbed.
 */
import type { AwsCloud } from '../../providers/aws/cloud.ts'
import type { IpPermission, SecurityGroup } from '../../providers/aws/ec2.ts'
import { CloudError } from '../../providers/contract.ts'
import type { KeyValue, LoadBalancer, TargetGroup } from '../../providers/aws/elbv2.ts'

export interface Inventory {
  loadBalancers: readonly LoadBalancer[]
  targetGroups: readonly TargetGroup[]
  securityGroups: readonly SecurityGroup[]
  /** One line an object and its details, sorted. */
  lines: readonly string[]
}

const never = new AbortController().signal

/** What vanishes while it is read is read again. */
export async function inventoryOf(cloud: AwsCloud, vpcId: string): Promise<Inventory> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read(cloud, vpcId)
    } catch (error) {
      if (!(error instanceof CloudError && error.kind === 'not-found') || attempt === 5) throw error
    }
  }
}

async function read(cloud: AwsCloud, vpcId: string): Promise<Inventory> {
  const [loadBalancers, targetGroups, allGroups] = await Promise.all([
    allLoadBalancers(cloud),
    allTargetGroups(cloud),
    allSecurityGroups(cloud, vpcId),
  ])
  const tags = await tagsOf(cloud, [
    ...loadBalancers.map(({ loadBalancerArn }) => loadBalancerArn),
    ...targetGroups.map(({ targetGroupArn }) => targetGroupArn),
  ])
  const balancerName = aliases(
    loadBalancers.map(({ loadBalancerArn, loadBalancerName }) => [
      loadBalancerArn,
      alias(tags(loadBalancerArn), loadBalancerName),
    ]),
  )
  const targetGroupNames = aliases(
    targetGroups.map(({ targetGroupArn, targetGroupName }) => [
      targetGroupArn,
      alias(tags(targetGroupArn), targetGroupName),
    ]),
  )
  const groupNames = aliases(allGroups.map(({ groupId, groupName, tags: marks }) => [groupId, alias(marks, groupName)]))
  const lines: string[] = []
  for (const one of loadBalancers) {
    const { attributes } = await cloud.describeLoadBalancerAttributes({ loadBalancerArn: one.loadBalancerArn }, never)
    const name = balancerName(one.loadBalancerArn)
    lines.push(
      `lb ${name} ${one.scheme} ${one.ipAddressType} zones ${one.availabilityZones
        .map(({ zoneName }) => zoneName)
        .sort()
        .join()} groups ${one.securityGroups.map(groupNames).sort().join()} ${pairs(tags(one.loadBalancerArn))}`,
      `lb ${name} attributes ${pairs(attributes)}`,
    )
    const { listeners } = await cloud.describeListeners({ loadBalancerArn: one.loadBalancerArn }, never)
    for (const { protocol, port, defaultActions } of listeners)
      lines.push(
        `listener ${name} ${protocol} ${port} -> ${defaultActions.map(({ targetGroupArn = '' }) => targetGroupNames(targetGroupArn)).join()}`,
      )
  }
  for (const one of targetGroups) {
    const { targetGroupArn } = one
    const name = targetGroupNames(targetGroupArn)
    const [{ attributes }, { targetHealthDescriptions }] = await Promise.all([
      cloud.describeTargetGroupAttributes({ targetGroupArn }, never),
      cloud.describeTargetHealth({ targetGroupArn }, never),
    ])
    const targets = targetHealthDescriptions
      .filter(({ targetHealth }) => !targetHealth.state.endsWith('draining'))
      .map(({ target }) => `${target.id}:${target.port}`)
    lines.push(
      `tg ${name} ${one.protocol} ${one.port} of ${one.loadBalancerArns.map(balancerName).sort().join()} check ${one.healthCheckProtocol} ${one.healthCheckPort} ${one.healthCheckPath ?? ''} ${one.healthCheckIntervalSeconds} ${one.healthCheckTimeoutSeconds} ${one.healthyThresholdCount} ${one.unhealthyThresholdCount} ${pairs(tags(targetGroupArn))}`,
      `tg ${name} attributes ${pairs(attributes)}`,
      `tg ${name} targets ${targets.sort().join()}`,
    )
  }
  for (const group of allGroups) {
    const name = groupNames(group.groupId)
    lines.push(`sg ${name} ${pairs(group.tags)}`)
    for (const rule of group.ipPermissions.flatMap((permission) => ruleLines(permission, groupNames)))
      lines.push(`rule ${name} ${rule}`)
  }
  return { loadBalancers, targetGroups, securityGroups: allGroups, lines: lines.map(withoutIds).sort() }
}

export async function allLoadBalancers(cloud: AwsCloud): Promise<LoadBalancer[]> {
  const found: LoadBalancer[] = []
  for (let marker: string | undefined; ; ) {
    const page = await cloud.describeLoadBalancers(marker === undefined ? {} : { marker }, never)
    found.push(...page.loadBalancers)
    marker = page.nextMarker
    if (marker === undefined) return found
  }
}

export async function allTargetGroups(cloud: AwsCloud): Promise<TargetGroup[]> {
  const found: TargetGroup[] = []
  for (let marker: string | undefined; ; ) {
    const page = await cloud.describeTargetGroups(marker === undefined ? {} : { marker }, never)
    found.push(...page.targetGroups)
    marker = page.nextMarker
    if (marker === undefined) return found
  }
}

export async function allSecurityGroups(cloud: AwsCloud, vpcId: string): Promise<SecurityGroup[]> {
  const filters = [{ name: 'vpc-id', values: [vpcId] }]
  const found: SecurityGroup[] = []
  for (let nextToken: string | undefined; ; ) {
    const page = await cloud.describeSecurityGroups(
      { filters, ...(nextToken === undefined ? {} : { nextToken }) },
      never,
    )
    found.push(...page.securityGroups)
    nextToken = page.nextToken
    if (nextToken === undefined) return found
  }
}

async function tagsOf(cloud: AwsCloud, arns: readonly string[]): Promise<(arn: string) => readonly KeyValue[]> {
  const byArn = new Map<string, readonly KeyValue[]>()
  for (let from = 0; from < arns.length; from += 20) {
    const { tagDescriptions } = await cloud.describeTags({ resourceArns: arns.slice(from, from + 20) }, never)
    for (const { resourceArn, tags } of tagDescriptions) byArn.set(resourceArn, tags)
  }
  return (arn) => byArn.get(arn) ?? []
}

/** One line a rule, whatever AWS merged. */
function ruleLines(permission: IpPermission, groupName: (id: string) => string): string[] {
  const {
    ipProtocol,
    fromPort,
    toPort,
    ipRanges = [],
    ipv6Ranges = [],
    prefixListIds = [],
    userIdGroupPairs = [],
  } = permission
  const sources = [
    ...ipRanges.map(({ cidrIp }) => cidrIp),
    ...ipv6Ranges.map(({ cidrIpv6 }) => cidrIpv6),
    ...prefixListIds.map(({ prefixListId }) => prefixListId),
    ...userIdGroupPairs.map(({ groupId }) => groupName(groupId)),
  ]
  return sources.map((source) => `${ipProtocol} ${fromPort ?? ''}-${toPort ?? ''} from ${source}`)
}

function pairs(list: readonly KeyValue[]): string {
  return list
    .map(({ key, value }) => `${key}=${value}`)
    .sort()
    .join(' ')
}

/** Names instead of ids; an id of nothing that stands is told as such. */
function aliases(entries: readonly (readonly [string, string])[]): (id: string) => string {
  const names = new Map(entries)
  return (id) => names.get(id) ?? 'something that is gone'
}

/** Ours by Service and key, since their names hold a digest of the UID; others by name. */
function alias(tags: readonly KeyValue[], name: string): string {
  const valueOf = (key: string) => tags.find((tag) => tag.key === `roadstead.dev/${key}`)?.value
  const resource = valueOf('resource')
  return resource === undefined ? name : `${valueOf('service') ?? 'cluster'}:${resource}`
}

function withoutIds(line: string): string {
  return line
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UID')
    .replaceAll(/\b(sg|subnet)-[0-9a-f]{8,}/g, '$1-ID')
}
