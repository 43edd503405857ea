/** Start with nothing in the kernel: from the start of the process to the last Service's answer. */
import type { BenchRow } from '../row.ts'
import { runIn } from '../../sandbox/nodes/netns.ts'
import { kernelMiB, kernelSeconds, load, median, pause } from './figures.ts'
import type { ProxyProcess } from './proxy-process.ts'
import type { BenchCluster } from './world.ts'

const rounds = 3

/** The last proxy goes on. */
export async function cold(big: BenchCluster): Promise<{ rows: BenchRow[]; proxy: ProxyProcess }> {
  const seconds: number[] = []
  const kernel: number[] = []
  const memory: number[] = []
  const cpu: number[] = []
  const last = Array.from({ length: 20 }, (_, step) => big.at(Math.floor(((big.count - 1) * step) / 19)))
  const all = Array.from({ length: big.count }, (_, index) => big.at(index))
  for (let round = 1; ; round++) {
    await withoutRules(big)
    const empty = kernelMiB()
    const proxy = big.startProxy()
    const [{ at }] = await Promise.all([
      big.connecting.ask({ op: 'until', targets: last, timeoutMs: 120_000 }),
      proxy.ready,
    ])
    cpu.push(proxy.cpuSeconds())
    memory.push(kernelMiB() - empty)
    // One batch brings all Services at once; if it had not, the others would be missing here.
    const { answered } = await big.connecting.ask({ op: 'sweep', targets: all, width: 8 })
    if (answered !== all.length) throw new Error(`${all.length - answered} of ${all.length} Services did not answer`)
    seconds.push((at - proxy.startedAt) / 1000)
    kernel.push(await kernelSeconds(big))
    console.error(
      `proxy: cold start ${seconds.at(-1)?.toFixed(2)} s, CPU ${cpu.at(-1)} s, kernel ${kernel.at(-1)} s, peak ${proxy.peakMiB().toFixed(0)} MiB (load ${load()})`,
    )
    if (round < rounds) {
      await proxy.kill()
      continue
    }
    return {
      proxy,
      rows: [
        { id: 'cold.seconds', value: median(seconds), unit: 's' },
        { id: 'cold.kernelSeconds', value: median(kernel), unit: 's' },
        { id: 'cpu.coldSeconds', value: median(cpu), unit: 's' },
        { id: 'kernel.rulesMb', value: median(memory), unit: 'MiB' },
      ],
    }
  }
}

/** A node where no proxy has run yet. The kernel gives memory back a moment later. */
async function withoutRules({ namespace }: BenchCluster): Promise<void> {
  await runIn(namespace, ['nft', 'flush', 'ruleset'])
  await pause(2000)
}
