/**
 * `npm run bench -- NAME [--json FILE]`: runs one benchmark, prints a table, writes {rows: [{id, value, unit}]}.
 * Figures are counts, or times of one run on a shared machine: compare ratios, not absolutes.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { BenchRow } from './row.ts'

const benches: Record<string, () => Promise<{ bench: () => Promise<BenchRow[]> }>> = {
  kube: () => import('./kube.ts'),
  operator: () => import('./operator.ts'),
  apiserver: () => import('./apiserver.ts'),
  aws: () => import('./aws.ts'),
}

process.exitCode = await main()

async function main(): Promise<number> {
  let parsed
  try {
    parsed = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } })
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
  const rows: BenchRow[] = []
  for (const name of names) {
    const load = benches[name]
    if (load !== undefined) rows.push(...(await (await load()).bench()))
  }
  const width = Math.max(...rows.map((row) => row.id.length))
  for (const row of rows) console.log(`${row.id.padEnd(width)}  ${round(row.value)} ${row.unit}`)
  if (parsed.values.json !== undefined) writeFileSync(parsed.values.json, `${JSON.stringify({ rows }, null, 2)}\n`)
  return 0
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4)
}
