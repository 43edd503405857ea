/** What the operator tells a metrics backend. prom-client stands behind it in metrics.ts; simulations pass the silent one. */
import type { Clock } from '../kube/clock.ts'
import type { QueueHooks } from '../kube/queue.ts'
import type { WorkResult } from '../kube/workers.ts'
import type { CloudError } from '../providers/contract.ts'
import type { Placements } from '../reconcilers/placement/placements.ts'
import type { ServiceHooks } from '../reconcilers/service/reconcile.ts'

type Work = (key: string, signal: AbortSignal) => Promise<WorkResult>

export interface OperatorMetrics {
  queue(name: string): QueueHooks
  timed(stage: string, work: Work): Work
  reconcileError(queue: string, error: unknown): void
  cloudFailure(cloud: string, error: CloudError): void
  drift(cloud: string): void
  orphans(cloud: string, count: number): void
  pool(name: string, use: { capacity: number; allocated: number }): void
  service(clock: Clock): ServiceHooks
  /** Gauges that are read when scraped. */
  attach?(placements: Placements): void
}

const nothing = () => {}
export const silentMetrics: OperatorMetrics = {
  queue: () => ({}),
  timed: (_stage, work) => work,
  reconcileError: nothing,
  cloudFailure: nothing,
  drift: nothing,
  orphans: nothing,
  pool: nothing,
  service: () => ({}),
}
