/** One endpoint's address changes: from the API write to a new connection at the new address. Big and small cluster take turns. */
import type { BenchRow } from '../row.ts'
import { now } from './connecting.ts'
import { kernelSeconds, load, median, pause, percentile } from './figures.ts'
import type { ProxyProcess } from './proxy-process.ts'
import type { BenchCluster } from './world.ts'

const changes = 200
const scalings = 200
/** Longer than the shortest time between two batches: each change is alone. */
const restMs = 80

export async function change(big: BenchCluster, small: BenchCluster, proxy: ProxyProcess): Promise<BenchRow[]> {
  const ofBig: number[] = []
  const ofSmall: number[] = []
  const cpuBefore = proxy.cpuSeconds()
  const kernelBefore = await kernelSeconds(big)
  for (let turn = 0; turn < changes; turn++) {
    ofBig.push(await one(big, 1 + ((turn * 7919) % (big.count - 1)), turn % 3))
    ofSmall.push(await one(small, 1 + (turn % (small.count - 1)), turn % 3))
  }
  const cpu = proxy.cpuSeconds() - cpuBefore
  const kernel = (await kernelSeconds(big)) - kernelBefore
  const scaling = await scale(big)
  const p50 = median(ofBig)
  console.error(
    `proxy: ${changes} changes, small cluster p50 ${median(ofSmall).toFixed(1)} p99 ${percentile(ofSmall, 0.99).toFixed(1)} ms (load ${load()})`,
  )
  return [
    { id: 'change.p50Ms', value: p50, unit: 'ms' },
    { id: 'change.p99Ms', value: percentile(ofBig, 0.99), unit: 'ms' },
    { id: 'change.kernelMs', value: (kernel / changes) * 1000, unit: 'ms' },
    { id: 'change.scaleKernelMs', value: scaling, unit: 'ms' },
    { id: 'change.ratio', value: p50 / median(ofSmall), unit: 'x' },
    { id: 'cpu.changeMs', value: (cpu / changes) * 1000, unit: 'ms' },
  ]
}

/** Milliseconds of the kernel for a Service that loses all endpoints, one that gets one again, two, three: its verdict changes each time. */
async function scale(cluster: BenchCluster): Promise<number> {
  const before = await kernelSeconds(cluster)
  for (let turn = 0; turn < scalings; turn++) {
    await cluster.scale(1 + (((turn >> 2) * 7919) % (cluster.count - 1)), turn % 4)
    await pause(restMs)
  }
  return (((await kernelSeconds(cluster)) - before) / scalings) * 1000
}

/** Milliseconds. */
async function one(cluster: BenchCluster, index: number, at: number): Promise<number> {
  await pause(restMs)
  const { endpoint, write } = cluster.change(index, at)
  const reached = cluster.connecting.ask({
    op: 'reach',
    wanted: [{ ...cluster.at(index), endpoint }],
    timeoutMs: 30_000,
  })
  await pause(5)
  const begun = now()
  await write()
  return (await reached).at - begun
}
