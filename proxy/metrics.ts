/**
 * The proxy's metrics, with kube-proxy's names, labels and buckets where the meaning is the same. One registry a proxy, nothing global.
 * kube-proxy writes each family by itself; here one batch is written for both, so what it says of a batch is said under both.
 */
import { type Family, families } from './rules/addresses.ts'
import type { ModeName } from './mode-names.ts'
import { collectProcessMetrics, Counter, Gauge, Histogram, Registry } from './prometheus.ts'
import type { RuleCount } from './writer.ts'

/** What a change was of. */
type Changed = 'service' | 'endpoint'

export interface ProxyMetrics {
  /** Text in the exposition format. */
  text(): Promise<string>
  readonly contentType: string
  /** A change of an object was seen. */
  changed(what: Changed): void
  /** All changes seen so far are in the batch that is being written. */
  settled(): void
  wrote(batch: { kind: 'full' | 'partial'; elements: number; seconds: number }): void
  /** Seconds in the kernel since the start. */
  kernelTook(seconds: number): void
  /** The batch was refused; its changes wait on. */
  failed(): void
  /** Milliseconds since the epoch. */
  queued(at: number): void
  synced(at: number): void
  /** From what caused a change of endpoints to its being in the kernel. */
  programmed(family: Family, seconds: number): void
  /** So many Service ports have policy Local and no endpoint here, but some elsewhere. */
  noLocalEndpoints(ports: Readonly<Record<'internal' | 'external', Readonly<Record<Family, number>>>>): void
  rules(counts: readonly RuleCount[]): void
  probed(endpoint: 'healthz' | 'livez', code: number): void
  affinityForgotten(entries: number): void
  flowsReconciled(swept: { family: Family; removed: number; seconds: number }): void
}

/** 1 ms doubled fourteen times. */
const buckets = Array.from({ length: 15 }, (_, exponent) => 0.001 * 2 ** exponent)

const from = (first: number, step: number, count: number) =>
  Array.from({ length: count }, (_, index) => first + step * index)

/** Those of the objective for network programming latency (SIG Scalability). */
const programmingBuckets = [0.25, 0.5, ...from(1, 1, 59), ...from(60, 5, 12), ...from(120, 30, 7)]

const ipFamily = { ip: 'IPv4', ip6: 'IPv6' } as const
const both = families.map((family) => ({ ip_family: ipFamily[family] }))

/** Under which name batches that were refused are counted. */
const failureNames: Readonly<Record<ModeName, string>> = {
  nftables: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
  iptables: 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total',
  ipvs: 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total',
}

export function createMetrics(mode: ModeName = 'nftables'): ProxyMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectProcessMetrics(registry)
  const duration = (name: string, help: string, bounds = buckets) =>
    new Histogram({ name: `kubeproxy_${name}`, help, buckets: bounds, labelNames: ['ip_family'], registers })
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers })
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers })

  const all = duration('sync_proxy_rules_duration_seconds', 'Time to bring the rules up to date')
  const full = duration('sync_full_proxy_rules_duration_seconds', 'The same, when everything was compared')
  const partial = duration('sync_partial_proxy_rules_duration_seconds', 'The same, for changes only')
  const programming = duration(
    'network_programming_duration_seconds',
    'From the change of a Pod or Service that changed endpoints to the rules for them',
    programmingBuckets,
  )
  const queuedAt = gauge(
    'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds',
    'When the last change was seen',
    'ip_family',
  )
  const syncedAt = gauge(
    'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
    'When the rules were last brought up to date',
    'ip_family',
  )
  const changes = (what: Changed) => ({
    total: counter(`kubeproxy_sync_proxy_rules_${what}_changes_total`, `Changes of ${nouns[what]} seen`),
    pending: gauge(`kubeproxy_sync_proxy_rules_${what}_changes_pending`, `Those that are not in the rules yet`),
    waiting: 0,
    inBatch: 0,
  })
  const seen = { service: changes('service'), endpoint: changes('endpoint') }
  const shortage = gauge(
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
    'Service ports whose policy is Local and that have endpoints on other nodes only',
    'traffic_policy',
    'ip_family',
  )
  const failures = counter(failureNames[mode], 'Batches that were refused', 'ip_family')
  const rules = mode === 'iptables' && {
    present: gauge('kubeproxy_sync_proxy_rules_iptables_total', 'Rules of ours', 'table', 'ip_family'),
    written: gauge('kubeproxy_sync_proxy_rules_iptables_last', 'Rules in the last batch', 'table', 'ip_family'),
  }
  const flowSeconds = duration('conntrack_reconciler_sync_duration_seconds', 'Time to look for flows of endpoints gone')
  const flowsRemoved = counter(
    'kubeproxy_conntrack_reconciler_deleted_entries_total',
    'Flows of endpoints gone that were deleted',
    'ip_family',
  )
  const probed = {
    healthz: counter('kubeproxy_proxy_healthz_total', 'Answers of /healthz', 'code'),
    livez: counter('kubeproxy_proxy_livez_total', 'Answers of /livez', 'code'),
  }
  const elements = counter(
    'roadstead_proxy_elements_written_total',
    'Elements added to or removed from the maps in the kernel',
  )
  const kernel = counter('roadstead_proxy_kernel_seconds_total', 'Time in the kernel for batches written by netlink')
  const forgotten = counter(
    'roadstead_proxy_affinity_entries_removed_total',
    'Clients that were forgotten because their endpoint is gone',
  )
  for (const labels of both) {
    failures.inc(labels, 0)
    flowsRemoved.inc(labels, 0)
    for (const policy of ['internal', 'external']) shortage.set({ traffic_policy: policy, ...labels }, 0)
  }

  return {
    text: () => registry.metrics(),
    contentType: registry.contentType,
    changed(what) {
      seen[what].total.inc()
      seen[what].pending.set(++seen[what].waiting)
    },
    settled() {
      for (const each of Object.values(seen)) each.inBatch = each.waiting
    },
    wrote({ kind, elements: count, seconds }) {
      for (const labels of both) {
        all.observe(labels, seconds)
        ;(kind === 'full' ? full : partial).observe(labels, seconds)
      }
      elements.inc(count)
      for (const each of Object.values(seen)) {
        each.waiting -= each.inBatch
        each.inBatch = 0
        each.pending.set(each.waiting)
      }
    },
    kernelTook(seconds) {
      kernel.reset()
      kernel.inc(seconds)
    },
    failed: () => both.forEach((labels) => failures.inc(labels)),
    queued: (at) => both.forEach((labels) => queuedAt.set(labels, at / 1000)),
    synced: (at) => both.forEach((labels) => syncedAt.set(labels, at / 1000)),
    programmed: (family, seconds) => programming.observe({ ip_family: ipFamily[family] }, seconds),
    noLocalEndpoints(ports) {
      for (const policy of ['internal', 'external'] as const) {
        for (const family of families) {
          shortage.set({ traffic_policy: policy, ip_family: ipFamily[family] }, ports[policy][family])
        }
      }
    },
    rules(counts) {
      for (const { family, table, present, written } of rules ? counts : []) {
        const labels = { table, ip_family: ipFamily[family] }
        if (rules) rules.present.set(labels, present)
        if (rules) rules.written.set(labels, written)
      }
    },
    probed: (endpoint, code) => probed[endpoint].inc({ code }),
    affinityForgotten: (count) => forgotten.inc(count),
    flowsReconciled({ family, removed, seconds }) {
      flowSeconds.observe({ ip_family: ipFamily[family] }, seconds)
      flowsRemoved.inc({ ip_family: ipFamily[family] }, removed)
    },
  }
}

const nouns: Readonly<Record<Changed, string>> = { service: 'Services', endpoint: 'EndpointSlices' }
