/**
 * What the repairs know beyond the emulator: when things were made, what they were made with, which listener points where, who is
 * registered. Kept by bookkeeping.ts from calls that succeeded, so one proxy belongs to the whole life of one emulator.
 */
import type { Parameters } from '../aws-call.ts'
import type { Settings } from '../settings.ts'

export interface LoadBalancerState {
  arn: string
  name: string
  createdAt: number
  scheme: string
  type: string
  ipAddressType: string
  /** The tags of its creation, as one text. */
  tags: string
  securityGroups: string[]
  subnets: SubnetMapping[]
  /** on or off, as SetSecurityGroups says. */
  enforceOnPrivateLink: string
  sourceNat: string
}

export interface SubnetMapping {
  subnetId: string
  allocationId?: string
  privateIpv4?: string
  ipv6?: string
}

export interface TargetGroupState {
  arn: string
  name: string
  createdAt: number
  protocol: string
  port: number
  vpcId: string
  healthCheckPort: string
  targetType: string
  /** The parameters of its creation, kept up to date by ModifyTargetGroup. */
  parameters: Parameters
  /** id and port -> target. */
  targets: Map<string, TargetState>
  /** In use until then although no listener points to it. */
  lingersUntil: number
  /** When a listener first pointed to it without a pause. */
  attachedAt: number | undefined
}

export interface TargetState {
  id: string
  port: number
  since: number
  /** Draining until then. */
  drainsUntil?: number
}

export interface ListenerState {
  arn: string
  loadBalancerArn: string
  port: number
  protocol: string
  targetGroups: string[]
  sslPolicy: string | undefined
  alpnPolicy: string[]
  defaultCertificate: string | undefined
  extraCertificates: Set<string>
}

export interface SecurityGroupState {
  createdAt: number
  /** At most so many inbound rules: what was counted last and everything added since. Asked for anew only when it reaches the quota. */
  inboundAtMost: number
}

export interface CloudState {
  loadBalancers: Map<string, LoadBalancerState>
  targetGroups: Map<string, TargetGroupState>
  listeners: Map<string, ListenerState>
  /** What was set, by ARN. */
  attributes: Map<string, Map<string, string>>
  securityGroups: Map<string, SecurityGroupState>
  /** Security groups of load balancers that are gone: in use until then. */
  lingeringGroups: Map<string, number>
  /** State to report instead of healthy, by instance. */
  health: Map<string, 'unhealthy' | 'initial'>
  /** Instances as last described; emptied by every call that changes instances. */
  instances: Map<string, InstanceState>
  zones: Map<string, string>
}

export interface InstanceState {
  state: string
  zone: string
  vpcId: string
  type: string
}

export function emptyState(): CloudState {
  return {
    loadBalancers: new Map(),
    targetGroups: new Map(),
    listeners: new Map(),
    attributes: new Map(),
    securityGroups: new Map(),
    lingeringGroups: new Map(),
    health: new Map(),
    instances: new Map(),
    zones: new Map(),
  }
}

/** What a repair works with. */
export interface RepairContext {
  readonly state: CloudState
  readonly now: () => number
  readonly settings: () => Settings
  /** Work on one name at a time, in the order of arrival. */
  readonly exclusive: <T>(key: string, work: () => Promise<T>) => Promise<T>
}

/** Load balancers whose listeners point to a target group. */
export function loadBalancersOf(state: CloudState, targetGroupArn: string): string[] {
  const arns = [...state.listeners.values()]
    .filter(({ targetGroups }) => targetGroups.includes(targetGroupArn))
    .map(({ loadBalancerArn }) => loadBalancerArn)
  return [...new Set(arns)].sort()
}

export function listenersOf(state: CloudState, loadBalancerArn: string): ListenerState[] {
  return [...state.listeners.values()].filter((listener) => listener.loadBalancerArn === loadBalancerArn)
}

/** All parameters but those named, in one order: equal text means equal settings. */
export function settingsText(parameters: Parameters, without: readonly string[]): string {
  return JSON.stringify(
    [...parameters]
      .filter(([name]) => !without.some((prefix) => name === prefix || name.startsWith(`${prefix}.`)))
      .sort(([a], [b]) => a.localeCompare(b)),
  )
}
