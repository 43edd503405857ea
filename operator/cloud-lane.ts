/** One cloud's queues, documents and workers. Clouds share nothing, so that the outage of one delays no other. */
import type { Backoff } from '../kube/backoff.ts'
import { createKeyQueue } from '../kube/queue.ts'
import type { KeyQueue } from '../kube/queue.ts'
import { runWorkers } from '../kube/workers.ts'
import { placementKey } from '../reconcilers/placement/placements.ts'
import { placementReconciler } from '../reconcilers/placement/reconcile.ts'
import type { PlacementDeps } from '../reconcilers/placement/reconcile.ts'
import type { PlacementBase } from '../reconcilers/service/desire.ts'
import { createDocuments } from '../reconcilers/shared/documents.ts'
import type { OperatorConfig } from './config.ts'
import type { OperatorMetrics } from './metrics-port.ts'

export interface CloudLaneDeps extends Omit<PlacementDeps, 'documents' | 'driftIntervalMs' | 'observed'> {
  config: OperatorConfig
  metrics: OperatorMetrics
  backoff: Partial<Backoff>
}

export interface CloudLane {
  readonly placement: KeyQueue
  /** Before the workers start: what a Service of the first list wants in shared documents. */
  contribute(base: PlacementBase): void
  run(signal: AbortSignal, onError: (queue: string) => (key: string, error: unknown) => void): Promise<void>
}

export function createCloudLane(deps: CloudLaneDeps): CloudLane {
  const { provider, clock, random, config, metrics, backoff } = deps
  const { name } = provider
  const placement = createKeyQueue({ clock, random, backoff, hooks: metrics.queue(`placement_${name}`) })
  const shared = createKeyQueue({ clock, random, backoff, hooks: metrics.queue(`document_${name}`) })
  const documents = createDocuments({
    provider,
    cluster: config.cluster,
    enqueue: (document) => shared.add(document),
    moved: (owners) => owners.forEach((owner) => placement.add(placementKey(owner))),
    failed: (error) => metrics.cloudFailure(name, error),
    driftMs: () => config.driftIntervalMs * (0.75 + 0.25 * random()),
  })
  const reconcile = placementReconciler({
    ...deps,
    documents,
    driftIntervalMs: config.driftIntervalMs,
    observed: {
      drift: (cloud) => metrics.drift(cloud),
      failed: (cloud, error) => metrics.cloudFailure(cloud, error),
    },
  })
  return {
    placement,
    contribute(base) {
      const lowered = provider.lower({ ...base, nodes: deps.nodes(base.nodeSelector) })
      if (lowered.kind === 'lowered') documents.contribute(base.owner, lowered.fragments)
    },
    async run(signal, onError) {
      const work = metrics.timed('placement', reconcile)
      await Promise.all([
        runWorkers({
          queue: placement,
          workers: config.concurrency,
          work,
          signal,
          onError: onError(`placement ${name}`),
        }),
        runWorkers({
          queue: shared,
          workers: 2,
          work: metrics.timed('document', (key, stop) => documents.reconcile(key, stop)),
          signal,
          onError: onError(`document ${name}`),
        }),
      ])
    },
  }
}
