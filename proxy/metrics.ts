/** The proxy's metrics, with kube-proxy's names where the meaning is the same. One registry a proxy, nothing global. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Family } from './addresses.ts'

export interface ProxyMetrics {
  /** Text in the exposition format. */
  text(): Promise<string>
  readonly contentType: string
  wrote(batch: { kind: 'full' | 'partial'; elements: number; seconds: number }): void
  failed(): void
  /** Milliseconds since the epoch. */
  queued(at: number): void
  synced(at: number): void
  probed(endpoint: 'healthz' | 'livez', code: number): void
  affinityForgotten(entries: number): void
  flowsReconciled(swept: { family: Family; removed: number; seconds: number }): void
}

/** kube-proxy's: 1 ms doubled fourteen times. */
const buckets = Array.from({ length: 15 }, (_, exponent) => 0.001 * 2 ** exponent)

export function createMetrics(): ProxyMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const duration = (name: string, help: string) => new Histogram({ name, help, buckets, registers })
  const all = duration('kubeproxy_sync_proxy_rules_duration_seconds', 'Time to bring the rules up to date')
  const full = duration('kubeproxy_sync_full_proxy_rules_duration_seconds', 'The same, when everything was compared')
  const partial = duration('kubeproxy_sync_partial_proxy_rules_duration_seconds', 'The same, for changes only')
  const elements = new Counter({
    name: 'roadstead_proxy_elements_written_total',
    help: 'Elements added to or removed from the maps in the kernel',
    registers,
  })
  const failures = new Counter({
    name: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
    help: 'Batches that the kernel or nft refused',
    registers,
  })
  const queuedAt = new Gauge({
    name: 'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds',
    help: 'When the last change was seen',
    registers,
  })
  const syncedAt = new Gauge({
    name: 'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
    help: 'When the rules were last brought up to date',
    registers,
  })
  const forgotten = new Counter({
    name: 'roadstead_proxy_affinity_entries_removed_total',
    help: 'Clients that were forgotten because their endpoint is gone',
    registers,
  })
  const flowSweeps = new Histogram({
    name: 'kubeproxy_conntrack_reconciler_sync_duration_seconds',
    help: 'Time to look through the flows of connection tracking and remove stale ones',
    labelNames: ['ip_family'],
    buckets,
    registers,
  })
  const flowsRemoved = new Counter({
    name: 'kubeproxy_conntrack_reconciler_deleted_entries_total',
    help: 'Stale flows removed from connection tracking',
    labelNames: ['ip_family'],
    registers,
  })
  const probes = (endpoint: string) =>
    new Counter({
      name: `kubeproxy_proxy_${endpoint}_total`,
      help: `Answers of /${endpoint}`,
      labelNames: ['code'],
      registers,
    })
  const probed = { healthz: probes('healthz'), livez: probes('livez') }

  return {
    text: () => registry.metrics(),
    contentType: registry.contentType,
    wrote({ kind, elements: count, seconds }) {
      all.observe(seconds)
      ;(kind === 'full' ? full : partial).observe(seconds)
      elements.inc(count)
    },
    failed: () => failures.inc(),
    queued: (at) => queuedAt.set(at / 1000),
    synced: (at) => syncedAt.set(at / 1000),
    probed: (endpoint, code) => probed[endpoint].inc({ code }),
    affinityForgotten: (count) => forgotten.inc(count),
    flowsReconciled({ family, removed, seconds }) {
      const labels = { ip_family: family === 'ip' ? 'IPv4' : 'IPv6' }
      flowSweeps.observe(labels, seconds)
      flowsRemoved.inc(labels, removed)
    },
  }
}
