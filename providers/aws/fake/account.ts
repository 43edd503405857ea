/**
 * One AWS account in one region: the tables of everything in it, as the fake keeps it. Values are replaced, never changed in place. Phases
 * (provisioning, initial health, draining, release) are no state of their own: they follow from the times kept here and the clock.
 */
import type {
  HealthCheckFields,
  IpAddressType,
  KeyValue,
  ListenerProtocol,
  LoadBalancerScheme,
  OnOff,
  SubnetMapping,
} from '../elbv2.ts'
import type { Action, Input, Output } from '../cloud.ts'
import type { AvailabilityZone, Instance, RouteTable, Subnet, Vpc } from '../ec2.ts'
import { createTable } from './table.ts'
import type { Table } from './table.ts'

export interface LoadBalancerState {
  arn: string
  name: string
  dnsName: string
  scheme: LoadBalancerScheme
  ipAddressType: IpAddressType
  vpcId: string
  mappings: readonly SubnetMapping[]
  securityGroups: readonly string[]
  enforcePrivateLink: OnOff | undefined
  prefixForSourceNat: OnOff
  capacity: CapacityState
  attributes: Attributes
  tags: Attributes
  createdAt: number
}

/** Reserved units, when that was asked for, and when it was decreased. */
export interface CapacityState {
  units: number
  changedAt: number
  decreasedAt: readonly number[]
}

export interface TargetGroupState {
  arn: string
  name: string
  protocol: ListenerProtocol
  port: number
  vpcId: string
  targetType: 'instance'
  ipAddressType: 'ipv4' | 'ipv6'
  healthCheck: HealthCheckFields
  attributes: Attributes
  tags: Attributes
  /** Since when a listener forwards to it; undefined: none does. */
  usedSince: number | undefined
  /** When the last listener let go of it. */
  unusedSince: number | undefined
}

export interface TargetState {
  targetGroupArn: string
  id: string
  port: number
  registeredAt: number
  deregisteredAt: number | undefined
}

export interface ListenerState {
  arn: string
  loadBalancerArn: string
  port: number
  protocol: ListenerProtocol
  certificates: readonly string[]
  /** Beside the default ones. */
  extraCertificates: readonly string[]
  sslPolicy: string | undefined
  alpnPolicy: readonly string[]
  targetGroupArn: string
  /** Others it forwards to with weight 0. */
  standby: readonly string[]
  attributes: Attributes
  tags: Attributes
}

/** One inbound rule: one source. */
export interface RuleState {
  ipProtocol: string
  fromPort: number | undefined
  toPort: number | undefined
  source: { kind: 'ipv4' | 'ipv6' | 'prefix-list' | 'group'; value: string }
  description: string | undefined
}

export interface SecurityGroupState {
  groupId: string
  groupName: string
  description: string
  vpcId: string
  rules: readonly RuleState[]
  tags: Attributes
}

/** A network interface of a load balancer; it outlives the load balancer for a while and holds its security groups. */
export interface InterfaceState {
  id: string
  loadBalancerArn: string
  subnetId: string
  securityGroups: readonly string[]
  /** When the load balancer went or changed its groups; released `timing.interfaceMs` later. */
  leftAt: number | undefined
}

export type Attributes = Readonly<Record<string, string>>

export interface Timing {
  /** A load balancer is provisioning for so long. */
  provisioningMs: number
  /** Registered and in use until healthy at the earliest. */
  initialHealthMs: number
  /** A target group stays in use for so long after its last listener went. */
  releaseMs: number
  /** Interfaces of a deleted load balancer hold their security groups for so long. */
  interfaceMs: number
  /** A request for reserved capacity is pending for so long. */
  capacityMs: number
  /** Describe calls may be behind by up to so much. */
  elbLagMs: number
  ec2LagMs: number
}

/** Nothing takes time. */
export const instant: Timing = {
  provisioningMs: 0,
  initialHealthMs: 0,
  releaseMs: 0,
  interfaceMs: 0,
  capacityMs: 0,
  elbLagMs: 0,
  ec2LagMs: 0,
}

/** What users report: minutes until active and healthy, interfaces that linger, describes that are seconds behind. */
export const realistic: Timing = {
  provisioningMs: 150_000,
  initialHealthMs: 90_000,
  releaseMs: 10_000,
  interfaceMs: 120_000,
  capacityMs: 3_600_000,
  elbLagMs: 2000,
  ec2LagMs: 5000,
}

export interface Quotas {
  loadBalancers: number
  listenersPerLoadBalancer: number
  targetGroups: number
  targetsPerTargetGroup: number
  /** Registrations on one load balancer, per zone; for all zones together with cross-zone load balancing. */
  targetsPerZone: number
  targetsPerLoadBalancer: number
  certificatesPerLoadBalancer: number
  securityGroupsPerVpc: number
  /** Inbound; IPv4 and IPv6 are counted apart, groups and prefix lists in both. */
  rulesPerSecurityGroup: number
  securityGroupsPerInterface: number
  tagsPerResource: number
}

/** AWS's defaults. */
export const defaultQuotas: Quotas = {
  loadBalancers: 50,
  listenersPerLoadBalancer: 50,
  targetGroups: 3000,
  targetsPerTargetGroup: 1000,
  targetsPerZone: 500,
  targetsPerLoadBalancer: 3000,
  certificatesPerLoadBalancer: 25,
  securityGroupsPerVpc: 2500,
  rulesPerSecurityGroup: 60,
  securityGroupsPerInterface: 5,
  tagsPerResource: 50,
}

/** Since when a target passes a health check; undefined: it does not. */
export type Probe = (target: { id: string; port: number }, check: HealthCheckFields) => number | undefined

/** A function of the port without its waiting: the fake's own calls are synchronous. */
export type Sync<A extends Action> = {
  [K in A]: (input: Input<K>) => Output<K>
}

export interface Account {
  readonly region: string
  readonly id: string
  readonly now: () => number
  /** From 0 up to 1. */
  readonly random: () => number
  timing: Timing
  quotas: Quotas
  probe: Probe
  /** ARNs of certificates there are; undefined: any. */
  certificates: ReadonlySet<string> | undefined
  /** Objects in one answer at most, whatever was asked for. */
  pageLimit: number
  readonly vpcs: Table<Vpc & { hasInternetGateway: boolean }>
  readonly subnets: Table<Subnet>
  readonly routeTables: Table<RouteTable>
  readonly zones: Table<AvailabilityZone>
  readonly instances: Table<Instance>
  readonly securityGroups: Table<SecurityGroupState>
  readonly interfaces: Table<InterfaceState>
  /** Allocation id -> public address. */
  readonly elasticIps: Table<{
    allocationId: string
    publicIp: string
    /** Of something else than a load balancer: a NAT gateway, an instance. */
    associationId?: string
  }>
  readonly prefixLists: Table<{ id: string; maxEntries: number }>
  readonly loadBalancers: Table<LoadBalancerState>
  readonly targetGroups: Table<TargetGroupState>
  /** By target group, id and port. */
  readonly targets: Table<TargetState>
  readonly listeners: Table<ListenerState>
  /** A hexadecimal id of `digits` digits, never the same twice. */
  newId(digits: number): string
}

export interface AccountOptions {
  now?: () => number
  random?: () => number
  region?: string
  id?: string
  timing?: Partial<Timing>
  quotas?: Partial<Quotas>
}

export function createAccount(options: AccountOptions = {}): Account {
  const { now = () => 0, random = () => 0, region = 'eu-central-1', id = '111122223333' } = options
  let ids = 0
  const timing = { ...instant, ...options.timing }
  const table = <T>(lag: (timing: Timing) => number) => createTable<T>(now, () => lag(account.timing))
  const elb = ({ elbLagMs }: Timing) => elbLagMs
  const ec2 = ({ ec2LagMs }: Timing) => ec2LagMs
  const account: Account = {
    region,
    id,
    now,
    random,
    timing,
    quotas: { ...defaultQuotas, ...options.quotas },
    probe: () => 0,
    certificates: undefined,
    pageLimit: 400,
    vpcs: table(ec2),
    subnets: table(ec2),
    routeTables: table(ec2),
    zones: table(ec2),
    instances: table(ec2),
    securityGroups: table(ec2),
    interfaces: table(ec2),
    elasticIps: table(ec2),
    prefixLists: table(ec2),
    loadBalancers: table(elb),
    targetGroups: table(elb),
    targets: table(elb),
    listeners: table(elb),
    newId(digits) {
      ids++
      // Spread over the digits as AWS's ids are, so that nobody relies on their order; odd factors keep them apart.
      const mixed = (BigInt(ids) * 0x9e3779b97f4a7c15n) & ((1n << 64n) - 1n)
      return (mixed.toString(16).padStart(16, '0') + ids.toString(16).padStart(8, '0'))
        .slice(-digits)
        .padStart(digits, '0')
    },
  }
  return account
}

/** How far behind this answer is. */
export function elbLag({ timing, random }: Account): number {
  return timing.elbLagMs * random()
}

export function ec2Lag({ timing, random }: Account): number {
  return timing.ec2LagMs * random()
}

export function pairs(attributes: Attributes): KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value }))
}

export function targetKey({ targetGroupArn, id, port }: Pick<TargetState, 'targetGroupArn' | 'id' | 'port'>): string {
  return `${targetGroupArn} ${id}:${port}`
}
