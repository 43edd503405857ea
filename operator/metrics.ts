/**
 * The operator's metrics behind its port, in a registry of their own (no module state). Names: roadstead_*, workqueue_* as client-go's, and
 * leader_election_master_status. Labels never carry names of Services: their number is not bounded.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Clock } from '../kube/clock.ts'
import { isApiError } from '../kube/client.ts'
import { version as currentVersion } from '../kube/version.ts'
import { CloudError } from '../providers/contract.ts'
import type { Provider } from '../providers/contract.ts'
import type { Placements } from '../reconcilers/placement/placements.ts'
import type { OperatorMetrics } from './metrics-port.ts'

export interface Metrics extends OperatorMetrics {
  text(): Promise<string>
  contentType: string
  leader(is: boolean): void
  /** The same provider with its calls counted and timed. */
  measured(provider: Provider, clock: Clock): Provider
}

const short = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300]
/** Clouds take minutes: Kubernetes' own tests wait 20. */
const long = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 2400]

export function createMetrics(version: string = currentVersion): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers })

  gauge('roadstead_build_info', 'Always 1; the version is a label', ['version']).set({ version }, 1)
  const reconciles = counter('roadstead_reconcile_total', 'Reconciles by stage', ['stage'])
  const errors = counter('roadstead_reconcile_errors_total', 'Reconciles that failed, by queue and reason', [
    'queue',
    'reason',
  ])
  const duration = histogram('roadstead_reconcile_duration_seconds', 'Time of one reconcile', ['stage'], short)
  const provision = histogram(
    'roadstead_provision_duration_seconds',
    'From the creation of a Service to an address in its status',
    ['provider'],
    long,
  )
  const calls = counter('roadstead_cloud_api_requests_total', 'Provider calls by result', [
    'provider',
    'operation',
    'code',
  ])
  const callTime = histogram(
    'roadstead_cloud_api_request_duration_seconds',
    'Time of provider calls',
    ['provider', 'operation'],
    long,
  )
  const throttled = counter('roadstead_cloud_api_throttled_total', 'Calls the cloud throttled', ['provider'])
  const denied = counter('roadstead_cloud_api_permission_errors_total', 'Calls the cloud denied', ['provider'])
  const quota = counter('roadstead_cloud_api_quota_errors_total', 'Calls that hit a quota', ['provider'])
  const failures = counter('roadstead_cloud_failures_total', 'Placements and documents that failed, by kind of error', [
    'provider',
    'kind',
  ])
  const drift = counter('roadstead_drift_detected_total', 'Differences in the cloud that nobody asked for, repaired', [
    'provider',
  ])
  const orphans = gauge('roadstead_orphans', 'Load balancers in the cloud without a Service', ['provider'])
  const allocated = gauge('roadstead_nodeports_allocated', 'Ports of a pool in use', ['pool'])
  const capacity = gauge('roadstead_nodeports_capacity', 'Ports of a pool', ['pool'])
  const lastSync = gauge('roadstead_last_successful_sync_timestamp_seconds', 'When a reconcile last succeeded', [
    'stage',
  ])
  const leader = gauge('leader_election_master_status', '1 while this process leads', ['name'])
  const balancers = gauge('roadstead_loadbalancers', 'Placements by state', ['provider', 'state'])
  const targets = gauge('roadstead_targets', 'Targets by state', ['provider', 'state'])
  const depth = gauge('workqueue_depth', 'Keys that wait', ['name'])
  const adds = counter('workqueue_adds_total', 'Keys added', ['name'])
  const retries = counter('workqueue_retries_total', 'Keys tried again after a failure', ['name'])
  const waited = histogram('workqueue_queue_duration_seconds', 'From the add to the start', ['name'], short)
  const worked = histogram('workqueue_work_duration_seconds', 'Time of the work on a key', ['name'], short)
  let placements: Placements | undefined

  return {
    contentType: registry.contentType,
    text() {
      countPlacements(placements, balancers, targets)
      return registry.metrics()
    },
    leader: (is) => leader.set({ name: 'roadstead-operator' }, is ? 1 : 0),
    queue: (name) => ({
      added: (_key, waiting) => {
        adds.inc({ name })
        depth.set({ name }, waiting)
      },
      started: (_key, waitedMs, waiting) => {
        depth.set({ name }, waiting)
        waited.observe({ name }, waitedMs / 1000)
      },
      finished: (_key, tookMs) => worked.observe({ name }, tookMs / 1000),
      retried: () => retries.inc({ name }),
    }),
    timed: (stage, work) => async (key, signal) => {
      const end = duration.startTimer({ stage })
      reconciles.inc({ stage })
      try {
        const result = await work(key, signal)
        if (result === undefined || 'afterMs' in result) lastSync.setToCurrentTime({ stage })
        return result
      } finally {
        end()
      }
    },
    reconcileError: (queue, error) => errors.inc({ queue, reason: isApiError(error) ? error.reason : 'Error' }),
    cloudFailure: (provider, { kind }) => failures.inc({ provider, kind }),
    drift: (provider) => drift.inc({ provider }),
    orphans: (provider, count) => orphans.set({ provider }, count),
    pool(pool, use) {
      allocated.set({ pool }, use.allocated)
      capacity.set({ pool }, use.capacity)
    },
    service: (clock) => ({
      provisioned({ metadata }, clouds) {
        const since = Date.parse(metadata.creationTimestamp ?? '')
        if (Number.isNaN(since)) return
        for (const provider of clouds) provision.observe({ provider }, Math.max(0, clock.now() - since) / 1000)
      },
    }),
    attach(known) {
      placements = known
    },
    measured(provider, clock) {
      const around = async <T>(operation: string, call: () => Promise<T>): Promise<T> => {
        const since = clock.now()
        try {
          const result = await call()
          calls.inc({ provider: provider.name, operation, code: 'ok' })
          return result
        } catch (error) {
          const code = error instanceof CloudError ? error.kind : 'error'
          calls.inc({ provider: provider.name, operation, code })
          if (code === 'throttled') throttled.inc({ provider: provider.name })
          if (code === 'denied') denied.inc({ provider: provider.name })
          if (code === 'quota') quota.inc({ provider: provider.name })
          throw error
        } finally {
          callTime.observe({ provider: provider.name, operation }, (clock.now() - since) / 1000)
        }
      }
      return {
        ...provider,
        observe: (target, signal) => around('observe', () => provider.observe(target, signal)),
        execute: (step, signal) => around(`${step.verb} ${step.resource.kind}`, () => provider.execute(step, signal)),
      }
    },
  }
}

function countPlacements(
  placements: Placements | undefined,
  balancers: Gauge<'provider' | 'state'>,
  targets: Gauge<'provider' | 'state'>,
): void {
  balancers.reset()
  targets.reset()
  for (const { cloud: provider, outcome } of placements?.all() ?? []) {
    balancers.inc({ provider, state: outcome?.state ?? 'Pending' })
    for (const { healthy, draining } of outcome?.targets ?? []) {
      targets.inc({ provider, state: draining === true ? 'draining' : healthy ? 'healthy' : 'unhealthy' })
    }
  }
}
