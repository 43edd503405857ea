/**
 * The state of the local cloud as one immutable value: it is saved to a file, kept for delayed reads, compared and replayed.
 * Times are milliseconds since the epoch.
 */
import type { HealthCheckSpec, ListenerRequest, LoadBalancerRequest, TargetGroupRequest } from '../wire.ts'
import type { Pool } from './addresses.ts'

export interface Verdict {
  healthy: boolean
  reason?: string
  since: number
}

export interface Target {
  node: string
  addresses: readonly string[]
  /** Under the health check in effect; undefined until there is one. */
  verdict?: Verdict
  /** Under the health check that is to come. */
  nextVerdict?: Verdict
}

interface DrainingTarget {
  node: string
  addresses: readonly string[]
  until: number
  /** It fails the health check: nobody is waiting for it. */
  unhealthy?: boolean
}

interface LoadBalancer {
  request: LoadBalancerRequest
  addresses: readonly string[]
  createdAt: number
}

export interface TargetGroup {
  request: TargetGroupRequest
  /** In effect. Undefined until the first check has a verdict for every target. */
  check?: HealthCheckSpec
  /** Takes over as soon as it has a verdict for every target; routing goes by `check` until then. */
  nextCheck?: HealthCheckSpec
  targets: readonly Target[]
  draining: readonly DrainingTarget[]
}

interface Listener {
  request: ListenerRequest
}

/** What remains of a listener that is gone: its connections live until the end of the drain time. */
export interface RetiredFrontend {
  address: string
  protocol: 'TCP' | 'UDP'
  port: number
  nodes: readonly number[]
  until: number
}

export interface BalancerState {
  loadBalancers: Readonly<Record<string, LoadBalancer>>
  targetGroups: Readonly<Record<string, TargetGroup>>
  listeners: Readonly<Record<string, Listener>>
  retired: readonly RetiredFrontend[]
  /** Small numbers for nodes: connection marks, routing tables. Kept as long as the state lives, so that old connections stay right. */
  nodeIds: Readonly<Record<string, number>>
}

export const emptyState: BalancerState = {
  loadBalancers: {},
  targetGroups: {},
  listeners: {},
  retired: [],
  nodeIds: {},
}

export interface Settings {
  pools: Readonly<Record<'public' | 'internal', readonly Pool[]>>
  loadBalancerQuota: number
}
