/**
 * `roadstead proxy` at 10,000 Services with three endpoints each: the real process in a private network namespace, objects from an API server in
 * a process of its own, real connections. Times want a free processor: the load of the machine is told with each.
 */
import { withBars } from './proxy/bars.ts'
import { burst } from './proxy/burst.ts'
import { change } from './proxy/change.ts'
import { cold } from './proxy/cold.ts'
import { connect } from './proxy/connect.ts'
import { load, pause } from './proxy/figures.ts'
import { foreign } from './proxy/foreign.ts'
import { restart } from './proxy/restart.ts'
import { roll } from './proxy/roll.ts'
import { startBenchWorld } from './proxy/world.ts'
import type { BenchOptions, BenchRow } from './row.ts'

/** What runs on the two clusters of world.ts; a cold start comes first in any case. */
const atScale = ['cold', 'change', 'burst', 'rss', 'connect', 'foreign', 'restart'] as const
const counts = { small: 10, big: 10_000 }
/** Until memory is what it will stay. */
const settleMs = 15_000

export async function bench({ only, full }: BenchOptions): Promise<BenchRow[]> {
  const sections = [...atScale, 'roll'].filter((section) => only === undefined || only.includes(section))
  const rows: BenchRow[] = []
  if (sections.some((section) => section !== 'roll')) rows.push(...(await measureAtScale(sections)))
  if (sections.includes('roll')) rows.push(...(await roll(full)))
  return withBars(rows, sections)
}

async function measureAtScale(sections: readonly string[]): Promise<BenchRow[]> {
  const wanted = (section: string) => sections.includes(section)
  const rows: BenchRow[] = []
  const started = Date.now()
  const world = await startBenchWorld(counts)
  const { big, small } = world
  console.error(`proxy: ${world.apiServer}, filled in ${Math.round((Date.now() - started) / 1000)} s (load ${load()})`)
  try {
    const first = await cold(big)
    let { proxy } = first
    rows.push(...first.rows)
    if (wanted('change') || wanted('connect')) await small.startProxy().ready
    if (wanted('change')) rows.push(...(await change(big, small, proxy)))
    if (wanted('burst')) rows.push(...(await burst(big)))
    if (wanted('rss')) {
      await pause(settleMs)
      rows.push({ id: 'rss.steadyMb', value: proxy.residentMiB(), unit: 'MiB' })
      rows.push({ id: 'rss.peakMb', value: proxy.peakMiB(), unit: 'MiB' })
    }
    if (wanted('connect')) rows.push(...(await connect(big, small)))
    if (wanted('foreign')) rows.push(...(await foreign(big)))
    if (wanted('restart')) {
      const again = await restart(big, proxy)
      proxy = again.proxy
      rows.push(...again.rows)
      await pause(settleMs)
      rows.push({ id: 'restart.rssSteadyMb', value: proxy.residentMiB(), unit: 'MiB' })
      rows.push({ id: 'restart.rssPeakMb', value: proxy.peakMiB(), unit: 'MiB' })
    }
  } finally {
    await world.close()
  }
  return rows
}
