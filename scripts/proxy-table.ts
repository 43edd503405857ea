/**
 * `node scripts/proxy-table.ts FILE...`: writes the marks of docs/reference/proxy.md from results of test runs, made with
 * `ROADSTEAD_TEST_RESULTS=FILE npm test -- proxy/`. Several files are one record: modes that need another machine have a run there.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generatedNote } from './reference/pages.ts'
import { proxyPage, recordedIn } from './reference/proxy.ts'
import { projectRoot } from './source-files.ts'
import type { Summary } from './test-reporter.ts'

process.exitCode = main(process.argv.slice(2))

function main(files: readonly string[]): number {
  if (files.length === 0) {
    console.error('proxy-table: name files with results')
    return 2
  }
  const recorded = recordedIn(files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Summary))
  writeFileSync(join(projectRoot, 'docs/reference/proxy.md'), generatedNote + proxyPage(recorded))
  const open = [...recorded.marks].filter(([, { sign }]) => sign === 'unknown' || sign === 'failed')
  for (const [name, { sign }] of open) console.log(`${name}: ${sign === 'failed' ? 'failed' : 'not run'}`)
  return open.length === 0 ? 0 : 1
}
