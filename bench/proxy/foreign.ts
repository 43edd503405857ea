/** Somebody else alters our tables: from the end of their command until new connections to Services all over the cluster work again. */
import type { BenchRow } from '../row.ts'
import { runIn } from '../../sandbox/nodes/netns.ts'
import { now } from './connecting.ts'
import { load, median, pause } from './figures.ts'
import type { BenchCluster } from './world.ts'

const rounds = 5
/** Services looked at, evenly spread. */
const watched = 20
/** The proxy looks at once unless it just has. */
const restMs = 2000

const alterations: Readonly<Record<string, readonly string[]>> = {
  'foreign.chainSeconds': ['flush', 'chain', 'ip', 'roadstead', 'services'],
  'foreign.mapSeconds': ['flush', 'map', 'ip', 'roadstead', 'ep'],
  'foreign.allSeconds': ['flush', 'ruleset'],
}

export async function foreign(big: BenchCluster): Promise<BenchRow[]> {
  const targets = Array.from({ length: watched }, (_, turn) => big.at(1 + Math.floor((turn * big.count) / watched)))
  const rows: BenchRow[] = []
  for (const [id, argv] of Object.entries(alterations)) {
    const seconds: number[] = []
    for (let round = 0; round < rounds; round++) {
      await pause(restMs)
      const { code, stderr } = await runIn(big.namespace, ['nft', ...argv])
      if (code !== 0) throw new Error(`nft ${argv.join(' ')}: ${stderr}`)
      const altered = now()
      const { at } = await big.connecting.ask({ op: 'until', targets, timeoutMs: 30_000 })
      seconds.push((at - altered) / 1000)
    }
    console.error(`proxy: ${argv.join(' ')}: ${seconds.map((one) => one.toFixed(3)).join(' ')} s (load ${load()})`)
    rows.push({ id, value: median(seconds), unit: 's' })
  }
  return rows
}
