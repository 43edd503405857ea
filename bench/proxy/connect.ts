/** What the rules cost a connection: p99 of connect() through 10,000 Services against 10, in turns. */
import type { BenchRow } from '../row.ts'
import { median, percentile, load } from './figures.ts'
import type { BenchCluster } from './world.ts'

const rounds = 40
const each = 500
const services = 10

export async function connect(big: BenchCluster, small: BenchCluster): Promise<BenchRow[]> {
  const p99 = { big: [] as number[], small: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    for (const cluster of [big, small]) {
      const targets = Array.from({ length: services }, (_, step) =>
        cluster.at((round * 31 + step * 997) % cluster.count),
      )
      const { micros } = await cluster.connecting.ask({ op: 'latency', targets, count: each })
      p99[cluster === big ? 'big' : 'small'].push(percentile(micros, 0.99))
    }
  }
  console.error(
    `proxy: connect() p99 ${median(p99.big).toFixed(0)} us with ${big.count} Services, ${median(p99.small).toFixed(0)} us with ${small.count} (load ${load()})`,
  )
  return [{ id: 'connect.ratio', value: median(p99.big) / median(p99.small), unit: 'x' }]
}
