/**
 * The provider for AWS against the emulator, counted by the fault proxy: the operator is a process of its own, on the sandbox's API server
 * over HTTP. Counts are exact; times are of one run on a shared machine. The sections stand alone and each opens its own account.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { hostnameOf } from '../integration/aws/cluster.ts'
import { nodeName, openScene } from '../integration/aws/scene.ts'
import type { Scene } from '../integration/aws/scene.ts'
import { until } from '../integration/aws/waiting.ts'
import { elbv2Buckets } from '../localstack/buckets.ts'
import type { Emulator } from '../localstack/emulator.ts'
import { startEmulator } from '../localstack/emulator.ts'
import type { CallRecord } from '../localstack/journal.ts'
import type { BenchRow } from './row.ts'

const many = 100
const clusterNodes = 50
const churned = 10
const churnEveryMs = 3000
/** As for an account whose call limits were raised: nothing but the operator itself sets the pace. */
const unthrottled = ['--provider=aws=replacement-grace=0,call-rate=1000']
/** (mutations of a create that share a bucket x Services - burst) / refill: what AWS's bucket allows at best. */
const bucketFloorSeconds = (3 * many - 20) / 3

export async function bench(): Promise<BenchRow[]> {
  const emulator = await startEmulator({ note: (line) => console.error(line) })
  const rows: BenchRow[] = []
  try {
    for (const section of [single, hundred, throttled]) {
      console.error(`aws: ${section.name}`)
      rows.push(...(await section(emulator)))
    }
  } finally {
    await emulator.close()
  }
  return rows
}

/** One Service at a time, caches warm. */
export async function single(emulator: Emulator): Promise<BenchRow[]> {
  return within(await openScene(emulator, { machines: 4, nodes: 3 }), async (scene) => {
    const { account, cluster } = scene
    scene.process()
    const create = async (name: string, ports: number) => {
      account.forget()
      await cluster.create(name, {
        ports: Array.from({ length: ports }, (_, n) => ({ name: `p${n}`, port: 80 + n })),
      })
      await cluster.served(name, 60)
      await scene.quiet(1500)
      return account.record()
    }
    await create('first', 1)
    const one = await create('second', 1)
    const three = await create('third', 3)
    for (const name of ['second', 'third']) await cluster.remove(name)
    for (const name of ['second', 'third']) await cluster.gone(name, 60)
    await scene.quiet(1500)
    account.forget()
    await addNodes(scene, 3, 1)
    await until('the target', () => registered(account.record()) >= 1)
    await scene.quiet(1500)
    return [
      { id: 'create.calls', value: one.length, unit: 'calls, 1 port, second Service' },
      { id: 'create.mutating', value: mutating(one).length, unit: 'mutating calls of these' },
      { id: 'create3.calls', value: three.length, unit: 'calls, 3 ports' },
      { id: 'node.calls', value: account.calls(), unit: 'calls to add a node, 1 Service' },
    ]
  })
}

/** 100 Services on 50 nodes at 20 ms a call; then a restart, a look at everything, and nodes that come one after the other. */
export async function hundred(emulator: Emulator): Promise<BenchRow[]> {
  const scene = await openScene(emulator, {
    machines: clusterNodes + churned,
    nodes: clusterNodes,
    settings: { latencyMs: 20 },
  })
  return within(scene, async () => {
    const { account } = scene
    const first = scene.process(unthrottled)
    const created = await createAll(scene, 60)
    const { cpuMs, peakMiB } = first.usage()
    await scene.quiet(3000)
    const createCalls = account.calls()
    await first.stop()

    account.forget()
    const second = scene.process(unthrottled)
    await until('calls of the restart', () => account.calls() > 0)
    await scene.quiet(6000)
    const restart = account.record()
    await second.stop()

    const readsPerService = await look(scene)
    const churn = await nodesOneByOne(scene)
    return [
      { id: 'hundred.calls', value: createCalls, unit: `calls, ${many} Services x ${clusterNodes} nodes` },
      { id: 'hundred.seconds', value: round(created.seconds), unit: 's until all addresses and targets' },
      { id: 'restart.mutating', value: mutating(restart).length, unit: 'mutating calls after a restart' },
      { id: 'restart.reads', value: restart.length - mutating(restart).length, unit: 'reads after a restart' },
      { id: 'look.readsPerService', value: round(readsPerService), unit: 'reads per Service and full look' },
      ...churn,
      { id: 'cpu.msPerService', value: round(cpuMs / many), unit: 'ms of CPU per created Service, start included' },
      { id: 'rss.mb', value: round(peakMiB), unit: 'MiB resident at most' },
    ]
  })
}

/** The same creates under AWS's token buckets. */
export async function throttled(emulator: Emulator): Promise<BenchRow[]> {
  const scene = await openScene(emulator, {
    machines: clusterNodes,
    settings: { latencyMs: 20, buckets: elbv2Buckets },
  })
  return within(scene, async () => {
    scene.process()
    const { seconds } = await createAll(scene, 240)
    return [
      { id: 'throttled.answers', value: scene.account.proxy.counts().throttled, unit: 'throttle answers' },
      {
        id: 'throttled.ratio',
        value: round(seconds / bucketFloorSeconds),
        unit: `of the floor of ${Math.round(bucketFloorSeconds)} s`,
      },
    ]
  })
}

/** Creates the Services at once; how long until each has its address and every target is registered. */
async function createAll({ account, cluster }: Scene, patienceSeconds: number): Promise<{ seconds: number }> {
  await pause(3000)
  account.forget()
  const started = Date.now()
  for (let n = 0; n < many; n++) await cluster.create(`web-${n}`)
  let served = 0
  await until(
    'every address',
    async () => (served = (await cluster.all()).filter((service) => hostnameOf(service) !== undefined).length) === many,
    { seconds: patienceSeconds, seen: () => `${served} of ${many} have an address` },
  )
  const addressed = Date.now()
  await until('every target', () => registered(account.record()) >= many * clusterNodes, { seconds: patienceSeconds })
  const last = account.record().findLast(({ action }) => action === 'RegisterTargets')
  return { seconds: (Math.max(addressed, (last?.at ?? 0) + (last?.ms ?? 0)) - started) / 1000 }
}

/** Reads per Service in a full look: the operator counts its looks, the proxy the reads. */
async function look(scene: Scene): Promise<number> {
  const { account } = scene
  const port = 20_000 + (process.pid % 10_000)
  const operator = scene.process([`--metrics-bind-address=127.0.0.1:${port}`, '--drift-interval=40s'])
  await until('calls', () => account.calls() > 0)
  await pause(15_000)
  const before = await looks(port)
  account.forget()
  await pause(60_000)
  const after = await looks(port)
  const reads = account.calls()
  await operator.stop()
  return reads / (after - before)
}

async function looks(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^roadstead_reconcile_total\{stage="placement"\} (\d+)/m.exec(text)?.[1])
}

async function nodesOneByOne(scene: Scene): Promise<BenchRow[]> {
  const { account } = scene
  account.forget()
  const operator = scene.process()
  await until('calls', () => account.calls() > 0)
  await scene.quiet(6000)
  account.proxy.set({ buckets: elbv2Buckets })
  account.forget()
  for (let n = 0; n < churned; n++) {
    await addNodes(scene, clusterNodes + n, 1)
    if (n < churned - 1) await pause(churnEveryMs)
  }
  const lastAdd = Date.now()
  await until('all targets of the new nodes', () => registered(account.record()) >= many * churned, { seconds: 120 })
  const record = account.record()
  const end = record.findLast(({ action }) => action === 'RegisterTargets')
  await operator.stop()
  const registrations = record.filter(({ action }) => /^(Register|Deregister)Targets$/.test(action)).length
  return [
    { id: 'churn.registrations', value: registrations, unit: `registrations, ${churned} nodes one by one` },
    { id: 'churn.reads', value: record.length - mutating(record).length, unit: 'reads meanwhile' },
    {
      id: 'churn.seconds',
      value: round(((end?.at ?? 0) + (end?.ms ?? 0) - lastAdd) / 1000),
      unit: 's after the last node',
    },
  ]
}

async function addNodes({ account, cluster }: Scene, from: number, count: number): Promise<void> {
  for (const [index, machine] of account.machines.slice(from, from + count).entries())
    await cluster.addNode(nodeName(from + index), machine)
}

async function within<T>(scene: Scene, work: (scene: Scene) => Promise<T>): Promise<T> {
  try {
    return await work(scene)
  } finally {
    await scene.close()
  }
}

function mutating(record: readonly CallRecord[]): readonly CallRecord[] {
  return record.filter((call) => call.mutating)
}

/** Targets that were registered: of the calls that were carried out. */
function registered(record: readonly CallRecord[]): number {
  return record
    .filter(({ action, status }) => action === 'RegisterTargets' && status === 200)
    .reduce((sum, { parameters }) => sum + Object.keys(parameters).filter((key) => key.endsWith('.Id')).length, 0)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
