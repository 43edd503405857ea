/**
 * Reporter for node:test: one line a file or failing test, what tests say of themselves, failures in full, and a JSON summary for scripts/test.ts
 * (path in ROADSTEAD_TEST_SUMMARY), so that skips can be listed with their reasons at the very end and docs/reference/proxy.md can tell
 * what was seen to work.
 */
import { writeFileSync } from 'node:fs'
import { release, type } from 'node:os'
import { relative } from 'node:path'
import { inspect } from 'node:util'
import type { TestEvent } from 'node:test/reporters'

export interface Summary {
  passed: number
  failed: number
  skipped: { name: string; reason: string }[]
  tests: TestResult[]
  /** The kernel the tests ran on and the day (UTC). */
  machine: string
  day: string
}

/** A skipped suite stands for its tests. */
export interface TestResult {
  file: string
  /** Names of the suites around it, then its own. */
  path: string[]
  outcome: 'passed' | 'failed' | 'skipped'
  /** Of a skip. */
  reason?: string
}

export function emptySummary(): Summary {
  const machine = `${type()} ${release().split('-')[0]}`
  return { passed: 0, failed: 0, skipped: [], tests: [], machine, day: new Date().toISOString().slice(0, 10) }
}

interface FileCount {
  passed: number
  failed: number
  skipped: number
  ms: number
}

// node:test takes a reporter as the default export.
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const summary = emptySummary()
  // Events come in the order of the files: a suite starts before its tests do.
  const begun: string[] = []
  const files = new Map<string, FileCount>()
  const failures: string[] = []
  for await (const event of source) {
    if (event.type === 'test:stderr' || event.type === 'test:stdout') yield event.data.message
    // Those of nesting 0 are node's own counts.
    if (event.type === 'test:diagnostic' && event.data.nesting > 0) yield `ℹ ${event.data.message}\n`
    if (event.type === 'test:start') begun.splice(event.data.nesting, Infinity, event.data.name)
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { data } = event
    // A suite counts by its tests; a skipped one has none, so it stands for them.
    if (data.details.type === 'suite' && data.skip === undefined) continue
    const file = data.file === undefined ? '' : relative(process.cwd(), data.file)
    // With process isolation every file is reported once more as a test of its own.
    const isFile = data.nesting === 0 && data.file !== undefined && isTestFile(data.name)
    const count = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 }
    files.set(file, count)
    const note = (outcome: TestResult['outcome'], reason?: string) => {
      const path = [...begun.slice(0, data.nesting).filter((name) => !isTestFile(name)), data.name]
      summary.tests.push({ file, path, outcome, ...(reason !== undefined && { reason }) })
    }
    if (event.type === 'test:fail') {
      if (isFile && count.failed > 0) continue
      count.failed++
      summary.failed++
      note('failed')
      const error = event.data.details.error
      const failure = `✘ ${file}: ${data.name}\n${indent(inspect(error.cause ?? error, { depth: 6 }))}\n`
      failures.push(failure)
      yield failure
      continue
    }
    if (isFile) continue
    if (data.skip !== undefined) {
      count.skipped++
      const reason = data.skip === true ? '' : String(data.skip)
      summary.skipped.push({ name: `${file}: ${data.name}`, reason })
      note('skipped', reason)
      continue
    }
    count.passed++
    count.ms += data.details.duration_ms
    summary.passed++
    note('passed')
  }
  for (const [file, count] of [...files].sort(([a], [b]) => a.localeCompare(b))) {
    if (count.passed + count.failed + count.skipped === 0) continue
    const mark = count.failed > 0 ? '✘' : count.passed > 0 ? '✔' : '-'
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
    const failed = count.failed > 0 ? `, ${count.failed} failed` : ''
    const time = count.ms > 5000 ? ` (${Math.round(count.ms / 1000)} s)` : ''
    yield `${mark} ${file}: ${count.passed} passed${failed}${skipped}${time}\n`
  }
  if (failures.length > 0) yield `\nFailures again:\n${failures.join('\n')}`
  const path = process.env['ROADSTEAD_TEST_SUMMARY']
  if (path !== undefined) writeFileSync(path, JSON.stringify(summary))
}

function isTestFile(name: string): boolean {
  return /\.(test|soak)\.ts$/.test(name)
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}
