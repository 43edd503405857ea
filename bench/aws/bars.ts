/**
 * What each figure must be, and what aws-load-balancer-controller 3.5 (LBC) and the load balancers of AWS's cloud provider 1.33 (CCM) needed
 * for the same on the same emulator.
 */
import type { BenchRow } from '../row.ts'

type Bar = Pick<BenchRow, 'atMost' | 'atLeast' | 'others'>

const bars: Readonly<Record<string, Bar>> = {
  'create.calls': { atMost: 10, others: 'LBC 25, CCM 13 without a security group' },
  'create.mutating': { atMost: 7, others: 'LBC 8, CCM 5 without a security group' },
  'create3.calls': { atMost: 16, others: 'LBC 43, CCM 19' },
  'node.calls': { atMost: 2, others: 'LBC 4, CCM 14' },
  'hundred.calls': { atMost: 1000, others: 'LBC 2,220, CCM 1,304' },
  'hundred.seconds': { atMost: 12, others: 'LBC 54-60, CCM 57' },
  'throttled.answers': { atMost: 0, others: 'LBC 155, CCM 26' },
  'throttled.ratio': { atMost: 1.05, others: 'LBC 1.32, CCM 1.03' },
  'restart.mutating': { atMost: 0, others: 'LBC 0, CCM 0' },
  'restart.reads': { atMost: 220, others: 'LBC 1,420, CCM 1,110' },
  'look.readsPerService': { atMost: 2.2, others: 'LBC 14, CCM 11' },
  'churn.registrations': { atMost: 130, others: 'LBC 228 + 229 bindings, CCM 125' },
  'churn.reads': { atMost: 20, others: 'CCM 1,510' },
  'churn.seconds': { atMost: 24, others: 'LBC 26, CCM 64' },
  'cpu.msPerService': { atMost: 40, others: 'LBC 55, CCM 30' },
  'rss.mb': { atMost: 200, others: 'LBC 90, CCM 93' },
  'drift.seconds': { atMost: 600, others: 'LBC not targets and node rules, CCM only by restart' },
  'drift.restartSeconds': { atMost: 600, others: 'LBC not targets and node rules, CCM yes' },
  'quota.served': { atLeast: 100, others: 'LBC 100, opening min..max; CCM 59' },
  'quota.rules': { atMost: 60, others: 'the quota' },
  'deletes.ratio': { atMost: 1.1, others: 'LBC blocks a worker, CCM leaks each' },
  'deletes.left': { atMost: 0, others: 'LBC 0, CCM 20' },
}

/** The rows with their bars, and one for each figure that is missing. */
export function withBars(rows: readonly BenchRow[]): BenchRow[] {
  const missing = Object.keys(bars).filter((id) => rows.every((row) => row.id !== id))
  return [
    ...rows.map((row) => ({ ...row, ...bars[row.id] })),
    ...missing.map((id) => ({ id, value: Number.NaN, unit: 'was not measured', ...bars[id] })),
  ]
}
