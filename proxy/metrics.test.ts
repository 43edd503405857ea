import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMetrics, type ProxyMetrics } from './metrics.ts'

/** One sample's value; undefined when there is none of that name with exactly these labels. */
async function sample(metrics: ProxyMetrics, name: string, labels: Record<string, string> = {}) {
  const wanted = Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .sort()
    .join()
  for (const line of (await metrics.text()).split('\n')) {
    const [, found, inside = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (found === name && inside.split(',').sort().join() === wanted) return Number(value)
  }
  return undefined
}

const v4 = { ip_family: 'IPv4' }
const v6 = { ip_family: 'IPv6' }

describe("metrics have kube-proxy's names, labels and meaning", () => {
  const cases: [string, Record<string, string>, (metrics: ProxyMetrics) => void, number][] = [
    ['sync_proxy_rules_duration_seconds_sum', v4, (m) => m.wrote({ kind: 'full', elements: 3, seconds: 0.5 }), 0.5],
    ['sync_proxy_rules_duration_seconds_count', v6, (m) => m.wrote({ kind: 'partial', elements: 3, seconds: 1 }), 1],
    ['sync_full_proxy_rules_duration_seconds_sum', v4, (m) => m.wrote({ kind: 'full', elements: 3, seconds: 2 }), 2],
    [
      'sync_partial_proxy_rules_duration_seconds_sum',
      v6,
      (m) => m.wrote({ kind: 'partial', elements: 3, seconds: 2 }),
      2,
    ],
    ['sync_proxy_rules_last_timestamp_seconds', v4, (m) => m.synced(7500), 7.5],
    ['sync_proxy_rules_last_queued_timestamp_seconds', v6, (m) => m.queued(8500), 8.5],
    ['network_programming_duration_seconds_sum', v4, (m) => m.programmed('ip', 1.5), 1.5],
    ['sync_proxy_rules_endpoint_changes_total', {}, (m) => m.changed('endpoint'), 1],
    ['sync_proxy_rules_endpoint_changes_pending', {}, (m) => m.changed('endpoint'), 1],
    ['sync_proxy_rules_service_changes_total', {}, (m) => m.changed('service'), 1],
    ['sync_proxy_rules_service_changes_pending', {}, (m) => m.changed('service'), 1],
    [
      'sync_proxy_rules_no_local_endpoints_total',
      { traffic_policy: 'external', ...v6 },
      (m) => m.noLocalEndpoints({ internal: { ip: 0, ip6: 0 }, external: { ip: 0, ip6: 4 } }),
      4,
    ],
    [
      'sync_proxy_rules_no_local_endpoints_total',
      { traffic_policy: 'internal', ...v4 },
      (m) => m.noLocalEndpoints({ internal: { ip: 2, ip6: 0 }, external: { ip: 0, ip6: 0 } }),
      2,
    ],
    ['proxy_healthz_total', { code: '503' }, (m) => m.probed('healthz', 503), 1],
    ['proxy_livez_total', { code: '200' }, (m) => m.probed('livez', 200), 1],
    ['sync_proxy_rules_nftables_sync_failures_total', v4, (m) => m.failed(), 1],
    [
      'conntrack_reconciler_sync_duration_seconds_sum',
      v4,
      (m) => m.flowsReconciled({ family: 'ip', removed: 3, seconds: 0.25 }),
      0.25,
    ],
    [
      'conntrack_reconciler_deleted_entries_total',
      v4,
      (m) => m.flowsReconciled({ family: 'ip', removed: 3, seconds: 0.25 }),
      3,
    ],
  ]
  for (const [name, labels, act, value] of cases) {
    test(`kubeproxy_${name}{${Object.keys(labels).join()}}`, async () => {
      const metrics = createMetrics()
      const before = (await sample(metrics, `kubeproxy_${name}`, labels)) ?? 0
      assert.equal(before, 0)
      act(metrics)
      assert.equal(await sample(metrics, `kubeproxy_${name}`, labels), value)
    })
  }

  test('failures are counted under the name of the mode', async () => {
    for (const mode of ['iptables', 'ipvs'] as const) {
      const metrics = createMetrics(mode)
      metrics.failed()
      assert.equal(await sample(metrics, 'kubeproxy_sync_proxy_rules_iptables_restore_failures_total', v4), 1)
      assert.equal(await sample(metrics, 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total', v4), undefined)
    }
  })

  test('durations are in buckets from 1 ms, doubled to 16.384 s', async () => {
    const metrics = createMetrics()
    metrics.wrote({ kind: 'full', elements: 1, seconds: 0.01 })
    const text = await metrics.text()
    const bounds = [
      ...text.matchAll(/kubeproxy_sync_proxy_rules_duration_seconds_bucket\{le="([^"]+)",ip_family="IPv4"\}/g),
    ]
    assert.equal(
      bounds.map(([, bound]) => bound).join(),
      `${Array.from({ length: 15 }, (_, n) => 2 ** n / 1000).join()},+Inf`,
    )
  })

  test("programming latency has the objective's buckets up to five minutes", async () => {
    const metrics = createMetrics()
    metrics.programmed('ip', 1)
    const text = await metrics.text()
    const bounds = [...text.matchAll(/kubeproxy_network_programming_duration_seconds_bucket\{le="([^"]+)"/g)].map(
      ([, le]) => le,
    )
    const minutes = ['120', '150', '180', '210', '240', '270', '300', '+Inf']
    const seconds = Array.from({ length: 59 }, (_, index) => `${index + 1}`)
    const fives = Array.from({ length: 12 }, (_, index) => `${60 + 5 * index}`)
    assert.deepEqual(bounds, ['0.25', '0.5', ...seconds, ...fives, ...minutes])
  })

  test('a change is pending until the batch that holds it is written', async () => {
    const metrics = createMetrics()
    const pending = () => sample(metrics, 'kubeproxy_sync_proxy_rules_service_changes_pending')
    metrics.changed('service')
    metrics.changed('service')
    metrics.settled()
    metrics.changed('service')
    metrics.failed()
    assert.equal(await pending(), 3)
    metrics.settled()
    metrics.changed('service')
    metrics.wrote({ kind: 'partial', elements: 1, seconds: 0 })
    assert.equal(await pending(), 1)
  })
})

test('rules are counted by table in mode iptables, and in no other', async () => {
  const counts = [{ family: 'ip6', table: 'nat', present: 70, written: 3 }] as const
  const labels = { table: 'nat', ...v6 }
  const iptables = createMetrics('iptables')
  iptables.rules(counts)
  assert.equal(await sample(iptables, 'kubeproxy_sync_proxy_rules_iptables_total', labels), 70)
  assert.equal(await sample(iptables, 'kubeproxy_sync_proxy_rules_iptables_last', labels), 3)
  const nftables = createMetrics('nftables')
  nftables.rules(counts)
  assert.doesNotMatch(await nftables.text(), /iptables/)
})
