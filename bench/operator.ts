/**
 * The operator on the in-memory provider and the in-process API server: 10,000 Services from nothing to status, a restart in which nothing
 * may be written, and one node that joins a cluster with 1,000 Services.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadBalancerClasses } from '../crds/load-balancer-class.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import { nodes, services } from '../kube/resources.ts'
import { systemClock } from '../kube/clock.ts'
import { silent } from '../kube/log.ts'
import { createOperator } from '../operator/assemble.ts'
import { defaultConfig } from '../operator/config.ts'
import { silentMetrics } from '../operator/metrics-port.ts'
import { createMemoryCloud } from '../providers/memory/cloud.ts'
import type { MemoryCloud } from '../providers/memory/cloud.ts'
import { createMemoryProvider } from '../providers/memory/provider.ts'
import { createApi } from '../sandbox/apiserver/api.ts'
import type { Api } from '../sandbox/apiserver/api.ts'
import { seededRandom } from '../integration/operator/seeded-random.ts'
import { installCrds, loadBalancerClass, node, webService } from '../integration/operator/world.ts'
import type { BenchRow } from './row.ts'

const many = 10_000
const some = 1_000

export async function bench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  const big = await cluster(many)
  const first = await settle(big, () => allServed(big, many))
  rows.push({ id: 'operator.create.services', value: many, unit: 'Services' })
  rows.push({ id: 'operator.create.servicesPerSecond', value: Math.round(many / first.seconds), unit: '1/s' })
  rows.push({
    id: 'operator.create.reconcilesPerSecond',
    value: Math.round(first.reconciles / first.seconds),
    unit: '1/s',
  })
  rows.push({ id: 'operator.create.providerWrites', value: big.cloud.counts.writes, unit: 'writes' })

  big.cloud.counts.writes = 0
  const before = heapMiB()
  let retained = 0
  const again = await settle(big, () => {
    retained = heapMiB() - before
    return true
  })
  rows.push({
    id: 'operator.heap',
    value: Math.round(retained),
    unit: 'MiB',
  })
  rows.push({ id: 'operator.restart.seconds', value: round(again.seconds), unit: 's' })
  rows.push({ id: 'operator.restart.providerWrites', value: big.cloud.counts.writes, unit: 'writes' })
  rows.push({ id: 'operator.restart.statusWrites', value: again.apiWrites, unit: 'writes' })

  const small = await cluster(some)
  await settle(small, () => allServed(small, some))
  small.cloud.take()
  const joined = await settle(
    small,
    () => true,
    () => small.client.create(nodes, node('joining')),
  )
  const writes = new Map<string, number>()
  for (const { kind, target } of small.cloud.take()) {
    if (kind === 'target-group') writes.set(target, (writes.get(target) ?? 0) + 1)
  }
  rows.push({ id: 'operator.nodeJoin.targetGroups', value: writes.size, unit: 'groups' })
  rows.push({ id: 'operator.nodeJoin.writesPerTargetGroup', value: Math.max(0, ...writes.values()), unit: 'writes' })
  rows.push({ id: 'operator.nodeJoin.seconds', value: round(joined.seconds), unit: 's' })
  return rows
}

interface Cluster {
  api: Api
  cloud: MemoryCloud
  client: ReturnType<typeof inProcessClient>
}

async function cluster(count: number): Promise<Cluster> {
  const random = seededRandom(1)
  const api = createApi({ random, serviceNodePortRange: { from: 10_000, to: 59_999 } })
  const client = inProcessClient(api, 'bench')
  await installCrds(client)
  await client.create(loadBalancerClasses, loadBalancerClass('memory'))
  for (let n = 1; n <= 3; n++) await client.create(nodes, node(`n${n}`))
  for (let n = 0; n < count; n++) await client.create(services, webService(`web-${n}`))
  return { api, cloud: createMemoryCloud(), client }
}

/** Runs an operator until nothing is written any more and `done` says so. */
async function settle(world: Cluster, done: () => boolean | Promise<boolean>, act?: () => Promise<unknown>) {
  let apiWrites = 0
  let reconciles = 0
  const counted = inProcessClient(world.api, 'operator')
  const count = <T>(call: Promise<T>): Promise<T> => {
    apiWrites++
    return call
  }
  const stopping = new AbortController()
  const operator = createOperator({
    client: {
      ...counted,
      create: (...args) => (args[0].plural === 'events' ? counted.create(...args) : count(counted.create(...args))),
      patch: (...args) => (args[0].plural === 'events' ? counted.patch(...args) : count(counted.patch(...args))),
    },
    providers: [createMemoryProvider(world.cloud)],
    clock: systemClock,
    random: seededRandom(2),
    log: silent,
    config: { ...defaultConfig, cluster: 'bench', nodeWindowMs: 100, orphanIntervalMs: 0 },
    metrics: { ...silentMetrics, timed: (_stage, work) => (key, signal) => (reconciles++, work(key, signal)) },
  })
  const running = operator.run(stopping.signal)
  const started = performance.now()
  let quietSince = started
  let seen = -1
  if (act) {
    while (!operator.working) await turn()
    await act()
  }
  for (;;) {
    await turn()
    const now = reconciles + apiWrites + world.cloud.counts.writes
    if (now !== seen) quietSince = performance.now()
    seen = now
    if (operator.working && performance.now() - quietSince > 1500 && (await done())) break
  }
  stopping.abort()
  await running
  return { seconds: (quietSince - started) / 1000, apiWrites, reconciles }
}

async function allServed({ client }: Cluster, count: number): Promise<boolean> {
  const { items } = await client.list(services, 'default')
  return items.filter(({ status }) => (status?.loadBalancer?.ingress ?? []).length > 0).length === count
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}

/** Retained by whatever is reachable now. */
function heapMiB(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed / 1024 / 1024
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
