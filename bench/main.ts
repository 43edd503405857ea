/**
 * `npm run bench -- NAME [--json FILE] [--only SECTION,...] [--full]`: runs one benchmark, prints a table, writes {rows: [{id, value, unit, ...}]}.
 * Rows may have a bar; the exit code is 1 when one misses it. Figures are counts, or times of one run on a shared machine: compare ratios,
 * not absolutes.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { BenchOptions, BenchRow } from './row.ts'
import { missed } from './row.ts'

const benches: Record<string, () => Promise<{ bench: (options: BenchOptions) => Promise<BenchRow[]> }>> = {
  kube: () => import('./kube.ts'),
  operator: () => import('./operator.ts'),
  apiserver: () => import('./apiserver.ts'),
  aws: () => import('./aws.ts'),
  proxy: () => import('./proxy.ts'),
}

process.exitCode = await main()

async function main(): Promise<number> {
  let parsed
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, only: { type: 'string' }, full: { type: 'boolean' } },
    })
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
    return 2
  }
  const names = parsed.positionals.length === 0 ? Object.keys(benches) : parsed.positionals
  const unknown = names.find((name) => benches[name] === undefined)
  if (unknown !== undefined) {
    console.error(`bench: unknown benchmark "${unknown}"; there are: ${Object.keys(benches).join(', ')}`)
    return 2
  }
  const options: BenchOptions = { only: parsed.values.only?.split(','), full: parsed.values.full ?? false }
  const rows: BenchRow[] = []
  for (const name of names) {
    const load = benches[name]
    if (load !== undefined) rows.push(...(await (await load()).bench(options)))
  }
  for (const line of table(rows)) console.log(line)
  if (parsed.values.json !== undefined) writeFileSync(parsed.values.json, `${JSON.stringify({ rows }, null, 2)}\n`)
  const short = rows.filter(missed)
  if (short.length > 0) console.error(`bench: the bar is missed by ${short.map(({ id }) => id).join(', ')}`)
  return short.length > 0 ? 1 : 0
}

/** A line a row; with bars where there are any. */
function table(rows: readonly BenchRow[]): string[] {
  const cells = rows.map((row) => [row.id, round(row.value), barOf(row), row.unit, row.others ?? ''])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)))
  return cells.map((line) =>
    line
      .map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

function barOf(row: BenchRow): string {
  const { atMost, atLeast } = row
  if (atMost === undefined && atLeast === undefined) return ''
  const bar = atMost === undefined ? `>= ${atLeast}` : `<= ${atMost}`
  return missed(row) ? `${bar} MISSED` : bar
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4)
}
