/** A thousand endpoints change at once: from the end of the last write until the changes are in force. */
import type { BenchRow } from '../row.ts'
import { now } from './connecting.ts'
import { load, median, pause } from './figures.ts'
import { abreast, type BenchCluster } from './world.ts'

const changes = 1000
const rounds = 5
/** Looked at at once, the last written first; the others a moment later. */
const watched = 20

export async function burst(big: BenchCluster): Promise<BenchRow[]> {
  const seconds: number[] = []
  for (let round = 0; round < rounds; round++) {
    await pause(1000)
    const wanted: { host: string; port: number; endpoint: string }[] = []
    await abreast(
      changes,
      async (turn) => {
        const index = 1 + ((round + turn * 7) % (big.count - 1))
        const { endpoint, write } = big.change(index, turn % 3)
        await write()
        wanted.push({ ...big.at(index), endpoint })
      },
      32,
    )
    const written = now()
    const latest = wanted.toReversed().slice(0, watched)
    const { at } = await big.connecting.ask({ op: 'reach', wanted: latest, timeoutMs: 60_000 })
    await big.connecting.ask({ op: 'reach', wanted, timeoutMs: 60_000 })
    seconds.push((at - written) / 1000)
  }
  console.error(`proxy: bursts ${seconds.map((one) => one.toFixed(3)).join(' ')} s (load ${load()})`)
  return [{ id: 'burst.seconds', value: median(seconds), unit: 's' }]
}
