/**
 * The provider for AWS: the operator as a process of its own on the sandbox's API server over HTTP, against the emulator, counted by the fault
 * proxy. Counts are exact. hundred.seconds and cpu.msPerService want a free processor: cpu.load tells whether there was one.
 */
import type { Emulator } from '../localstack/emulator.ts'
import { startEmulator } from '../localstack/emulator.ts'
import { withBars } from './aws/bars.ts'
import { underBuckets } from './aws/buckets.ts'
import { hundred } from './aws/hundred.ts'
import { oneByOne } from './aws/one-by-one.ts'
import { drift, ruleQuota, waitingDeletes } from './aws/virtual.ts'
import type { BenchRow } from './row.ts'

const sections: readonly ((emulator: Emulator) => Promise<BenchRow[]>)[] = [
  oneByOne,
  hundred,
  underBuckets,
  drift,
  ruleQuota,
  waitingDeletes,
]

/** A section that fails is told of and misses its bars; the others go on. */
export async function bench(): Promise<BenchRow[]> {
  const emulator = await startEmulator({ note: (line) => console.error(line) })
  const rows: BenchRow[] = []
  try {
    for (const section of sections) {
      const started = Date.now()
      try {
        rows.push(...(await section(emulator)))
      } catch (error) {
        console.error(`aws: ${section.name} failed:`, error)
      }
      console.error(`aws: ${section.name} took ${Math.round((Date.now() - started) / 1000)} s`)
    }
  } finally {
    await emulator.close()
  }
  return withBars(rows)
}
