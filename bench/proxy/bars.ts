/** What each figure of the proxy must be (10,000 Services with 3 endpoints each), and what kube-proxy 1.36.3 needed for the same, measured the same way. */
import type { BenchRow } from '../row.ts'

type Bar = Pick<BenchRow, 'atMost' | 'atLeast' | 'others'>

const bars: Readonly<Record<string, Bar>> = {
  'cold.seconds': { atMost: 4, others: 'kube-proxy 26' },
  'cold.kernelSeconds': { atMost: 0.5 },
  'change.p50Ms': { atMost: 30, others: 'kube-proxy 14,400 (10 Services: 18)' },
  'change.p99Ms': { atMost: 100 },
  'change.kernelMs': { atMost: 1 },
  'change.scaleKernelMs': { atMost: 1 },
  'change.ratio': { atMost: 1.5, others: 'kube-proxy 800' },
  'burst.seconds': { atMost: 0.5, others: 'kube-proxy 17' },
  // "Restored within a second"; kube-proxy writes flushed rules with the next change of a Service.
  'foreign.chainSeconds': { atMost: 1 },
  'foreign.mapSeconds': { atMost: 1 },
  'foreign.allSeconds': { atMost: 1 },
  'restart.seconds': { atMost: 4, others: 'kube-proxy 59' },
  'restart.failed': { atMost: 0 },
  'restart.flowsLost': { atMost: 0 },
  'rss.steadyMb': { atMost: 150, others: 'kube-proxy 204' },
  'rss.peakMb': { atMost: 200, others: 'kube-proxy 411' },
  'kernel.rulesMb': { atMost: 15 },
  'cpu.coldSeconds': { atMost: 4, others: 'kube-proxy 25' },
  'cpu.changeMs': { atMost: 5, others: 'kube-proxy 6,600' },
  'connect.ratio': { atMost: 1.2, others: 'kube-proxy 1' },
  'roll.failed': { atMost: 0, others: 'kube-proxy 39 with Cluster and 1 with Local of 90,000' },
}

/** The rows with their bars, and one for each figure of these sections that is missing. */
export function withBars(rows: readonly BenchRow[], sections: readonly string[]): BenchRow[] {
  const missing = Object.keys(bars).filter(
    (id) => sections.includes(sectionOf(id)) && rows.every((row) => row.id !== id),
  )
  return [
    ...rows.map((row) => ({ ...row, ...bars[row.id] })),
    ...missing.map((id) => ({ id, value: Number.NaN, unit: 'was not measured', ...bars[id] })),
  ]
}

/** The section that measures a figure. */
function sectionOf(id: string): string {
  if (id === 'cpu.changeMs') return 'change'
  if (id === 'cpu.coldSeconds' || id === 'kernel.rulesMb') return 'cold'
  return id.split('.')[0] ?? ''
}
