/**
 * 100 Services on 50 nodes at 20 ms a call, with what the process itself needs; then a restart, looks at everything, and nodes that come one
 * after the other under AWS's buckets.
 */
import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { openScene } from '../../integration/aws/scene.ts'
import type { Scene } from '../../integration/aws/scene.ts'
import { until } from '../../integration/aws/waiting.ts'
import { elbv2Buckets } from '../../localstack/buckets.ts'
import type { Emulator } from '../../localstack/emulator.ts'
import type { BenchRow } from '../row.ts'
import { addNodes, clusterNodes, createAll, lastRegistration, many, mutating, registered, within } from './counting.ts'
import { imageCompileCache } from './image.ts'

const churned = 10
const churnEveryMs = 3000
/** As for an account whose call limits were raised: nothing but the operator itself sets the pace. */
const unthrottled = ['--provider=aws=replacement-grace=0,call-rate=1000']

export async function hundred(emulator: Emulator): Promise<BenchRow[]> {
  const scene = await openScene(emulator, {
    machines: clusterNodes + churned,
    nodes: clusterNodes,
    settings: { latencyMs: 20 },
    compileCache: await imageCompileCache(),
  })
  return within(scene, async () => [
    ...(await create(scene)),
    ...(await restart(scene)),
    ...(await looks(scene)),
    ...(await nodesOneByOne(scene)),
  ])
}

/** CPU and memory count from the start of the process until nothing is done any more. */
async function create(scene: Scene): Promise<BenchRow[]> {
  const { account } = scene
  const operator = scene.process(unthrottled)
  await pause(3000)
  const start = operator.usage()
  const seconds = await createAll(scene, 120)
  await scene.quiet(3000)
  const { cpuMs, peakMiB } = operator.usage()
  const calls = account.calls()
  await operator.stop()
  return [
    { id: 'hundred.calls', value: calls, unit: `calls, ${many} Services x ${clusterNodes} nodes` },
    { id: 'hundred.seconds', value: seconds, unit: 's until all addresses and targets' },
    { id: 'cpu.msPerService', value: cpuMs / many, unit: 'ms of CPU per created Service, start included' },
    {
      id: 'cpu.load',
      value: loadavg()[0] ?? 0,
      unit: `processes that want one of ${availableParallelism()} processors`,
    },
    { id: 'cpu.startMs', value: start.cpuMs, unit: 'ms of CPU for the start' },
    { id: 'rss.startMb', value: start.peakMiB, unit: 'MiB resident after the start' },
    { id: 'rss.mb', value: peakMiB, unit: 'MiB resident at most' },
  ]
}

async function restart(scene: Scene): Promise<BenchRow[]> {
  const { account } = scene
  account.forget()
  const operator = scene.process(unthrottled)
  await until('calls of the restart', () => account.calls() > 0)
  await scene.quiet(6000)
  const record = account.record()
  await operator.stop()
  return [
    { id: 'restart.mutating', value: mutating(record), unit: 'mutating calls after a restart' },
    { id: 'restart.reads', value: record.length - mutating(record), unit: 'reads after a restart' },
  ]
}

/** The operator counts its looks, the proxy the reads. */
async function looks(scene: Scene): Promise<BenchRow[]> {
  const { account } = scene
  const port = 20_000 + (process.pid % 10_000)
  const operator = scene.process([`--metrics-bind-address=127.0.0.1:${port}`, '--drift-interval=40s'])
  await until('calls', () => account.calls() > 0)
  await pause(15_000)
  const before = await looksSoFar(port)
  account.forget()
  await pause(60_000)
  const reads = account.calls()
  const after = await looksSoFar(port)
  await operator.stop()
  return [{ id: 'look.readsPerService', value: reads / (after - before), unit: 'reads per Service and full look' }]
}

async function looksSoFar(port: number): Promise<number> {
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
  await operator.stop()
  const registrations = record.filter(({ action }) => /^(Register|Deregister)Targets$/.test(action)).length
  return [
    { id: 'churn.registrations', value: registrations, unit: `registrations, ${churned} nodes one by one` },
    { id: 'churn.reads', value: record.length - mutating(record), unit: 'reads meanwhile' },
    { id: 'churn.seconds', value: (lastRegistration(record) - lastAdd) / 1000, unit: 's after the last node' },
  ]
}
