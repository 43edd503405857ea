/**
 * Killed and started again with its rules in place, under requests and with flows that go on. Caught up: an endpoint that changed while no
 * proxy ran is reached.
 */
import type { BenchRow } from '../row.ts'
import { load, median, pause } from './figures.ts'
import type { ProxyProcess } from './proxy-process.ts'
import type { BenchCluster } from './world.ts'

const rounds = 3
const perSecond = 300
const flowsEach = 20

export async function restart(
  big: BenchCluster,
  running: ProxyProcess,
): Promise<{ rows: BenchRow[]; proxy: ProxyProcess }> {
  let proxy = running
  const seconds: number[] = []
  let sent = 0
  const failures: string[] = []
  const lost: string[] = []
  let flows = 0
  for (let round = 0; round < rounds; round++) {
    await big.connecting.ask({ op: 'flows', tcp: big.at(0), udp: big.udp, count: flowsEach })
    await big.connecting.ask({ op: 'load', target: big.at(0), perSecond })
    await pause(1000)
    await proxy.kill()
    const index = big.count - 1 - round
    const { endpoint, write } = big.change(index, 1)
    await write()
    await pause(1000)
    proxy = big.startProxy()
    const wanted = [{ ...big.at(index), endpoint }]
    const { at } = await big.onNode.ask({ op: 'reach', wanted, timeoutMs: 120_000 })
    seconds.push((at - proxy.startedAt) / 1000)
    await pause(2000)
    const result = await big.connecting.ask({ op: 'stop' })
    sent += result.sent
    failures.push(...result.failures)
    lost.push(...result.lost)
    flows += result.flows
  }
  console.error(`proxy: restarts ${seconds.map((one) => one.toFixed(2)).join(' ')} s (load ${load()})`)
  if (failures.length > 0) console.error(`proxy: failed at ${failures.slice(0, 10).join(', ')}`)
  if (lost.length > 0) console.error(`proxy: flows lost: ${lost.slice(0, 10).join(', ')}`)
  return {
    proxy,
    rows: [
      { id: 'restart.seconds', value: median(seconds), unit: 's' },
      { id: 'restart.failed', value: failures.length, unit: `of ${sent} requests` },
      { id: 'restart.flowsLost', value: lost.length, unit: `of ${flows} flows` },
    ],
  }
}
