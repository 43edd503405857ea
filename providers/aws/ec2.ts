/**
 * EC2, the part this provider uses, in our own types: one function per action, named as the action, with the action's fields in camelCase
 * (API version 2016-11-15). Answers hold only fields that are read. Every function throws CloudError and nothing else.
 */
import type { KeyValue } from './elbv2.ts'

export interface Filter {
  /** As in the API's documents, for example `vpc-id` or `tag:kubernetes.io/role/elb`. */
  name: string
  values: readonly string[]
}

/** Answers that come in pages: pass `nextToken` to get the next one. */
export interface TokenPage {
  nextToken?: string | undefined
}

export interface Subnet {
  subnetId: string
  vpcId: string
  availabilityZone: string
  availabilityZoneId?: string | undefined
  cidrBlock: string
  /** In state associated. */
  ipv6CidrBlocks: readonly string[]
  availableIpAddressCount: number
  state: string
  outpostArn?: string | undefined
  tags: readonly KeyValue[]
}

export interface RouteTable {
  routeTableId: string
  vpcId: string
  /** `main`: for every subnet without an association of its own. */
  associations: readonly { main: boolean; subnetId?: string | undefined }[]
  routes: readonly { destination: string; gatewayId?: string | undefined; state: string }[]
}

export interface Vpc {
  vpcId: string
  cidrBlocks: readonly string[]
  ipv6CidrBlocks: readonly string[]
  tags: readonly KeyValue[]
}

export interface AvailabilityZone {
  zoneName: string
  zoneType: 'availability-zone' | 'local-zone' | 'wavelength-zone'
}

export interface Instance {
  instanceId: string
  vpcId?: string | undefined
  subnetId?: string | undefined
  instanceType?: string | undefined
  state: string
  /** Of the primary network interface. */
  securityGroups: readonly { groupId: string; groupName: string }[]
}

/** One set of rules of one protocol and port range; a rule each for every source in it. Protocol: tcp, udp, icmp or -1. */
export interface IpPermission {
  ipProtocol: string
  fromPort?: number | undefined
  toPort?: number | undefined
  ipRanges?: readonly { cidrIp: string; description?: string | undefined }[] | undefined
  ipv6Ranges?: readonly { cidrIpv6: string; description?: string | undefined }[] | undefined
  prefixListIds?: readonly { prefixListId: string; description?: string | undefined }[] | undefined
  userIdGroupPairs?: readonly { groupId: string; description?: string | undefined }[] | undefined
}

export interface SecurityGroup {
  groupId: string
  groupName: string
  description: string
  vpcId: string
  /** Inbound. AWS answers rules of equal protocol and ports merged into one. */
  ipPermissions: readonly IpPermission[]
  tags: readonly KeyValue[]
}

export interface TagSpecification {
  resourceType: 'security-group' | 'security-group-rule'
  tags: readonly KeyValue[]
}

export interface Ec2 {
  describeSubnets: (
    input: { subnetIds?: readonly string[]; filters?: readonly Filter[]; nextToken?: string },
    signal: AbortSignal,
  ) => Promise<TokenPage & { subnets: readonly Subnet[] }>
  describeRouteTables: (
    input: { filters?: readonly Filter[]; nextToken?: string },
    signal: AbortSignal,
  ) => Promise<TokenPage & { routeTables: readonly RouteTable[] }>
  describeAvailabilityZones: (
    input: { zoneNames?: readonly string[] },
    signal: AbortSignal,
  ) => Promise<{ availabilityZones: readonly AvailabilityZone[] }>
  /** One unknown id refuses them all: InvalidInstanceID.NotFound, not-found. */
  describeInstances: (
    input: { instanceIds?: readonly string[]; filters?: readonly Filter[]; nextToken?: string },
    signal: AbortSignal,
  ) => Promise<TokenPage & { instances: readonly Instance[] }>
  /** With filters, a group that does not exist is left out; by `groupIds` it is InvalidGroup.NotFound, not-found. */
  describeSecurityGroups: (
    input: { groupIds?: readonly string[]; filters?: readonly Filter[]; nextToken?: string },
    signal: AbortSignal,
  ) => Promise<TokenPage & { securityGroups: readonly SecurityGroup[] }>
  /** Same name in the VPC: InvalidGroup.Duplicate, conflict. */
  createSecurityGroup: (
    input: { groupName: string; description: string; vpcId: string; tagSpecifications: readonly TagSpecification[] },
    signal: AbortSignal,
  ) => Promise<{ groupId: string }>
  /** In use by an interface or by another group's rule: DependencyViolation, in-use. */
  deleteSecurityGroup: (input: { groupId: string }, signal: AbortSignal) => Promise<void>
  /** All or nothing. One that exists: InvalidPermission.Duplicate, conflict. Too many: RulesPerSecurityGroupLimitExceeded, quota. */
  authorizeSecurityGroupIngress: (
    input: { groupId: string; ipPermissions: readonly IpPermission[] },
    signal: AbortSignal,
  ) => Promise<void>
  /** One that does not exist: InvalidPermission.NotFound, not-found. */
  revokeSecurityGroupIngress: (
    input: { groupId: string; ipPermissions: readonly IpPermission[] },
    signal: AbortSignal,
  ) => Promise<void>
  createTags: (input: { resources: readonly string[]; tags: readonly KeyValue[] }, signal: AbortSignal) => Promise<void>
  /** Tags with a value are deleted only when they have that value. */
  deleteTags: (
    input: { resources: readonly string[]; tags: readonly { key: string; value?: string }[] },
    signal: AbortSignal,
  ) => Promise<void>
}
