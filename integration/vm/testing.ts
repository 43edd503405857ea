/** Runs files of integration/ in a virtual machine by the usual test runner, and takes over what became of each test. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Summary } from '../../scripts/test-reporter.ts'
import { type MachineRun, runInMachine } from './machine.ts'

export interface TestsInMachine extends Pick<MachineRun, 'env' | 'modules' | 'timeoutMs'> {
  /** Relative to the project. */
  files: readonly string[]
}

/** Every test inside becomes one here; the machine's own output is told when one failed. */
export async function testInMachine(t: TestContext, { files, env = {}, ...options }: TestsInMachine): Promise<void> {
  const results = mkdtempSync(join(tmpdir(), 'roadstead-vm-results-'))
  try {
    const started = performance.now()
    const { code, output, console } = await runInMachine({
      ...options,
      // One process after another and no process a file: a start costs seconds where the processor is emulated.
      argv: ['node', '--test', '--test-isolation=none', '--test-reporter=./scripts/test-reporter.ts', ...files],
      env: { ...env, ROADSTEAD_TEST_SUMMARY: '/out/summary' },
      results,
    })
    t.diagnostic(`${Math.round((performance.now() - started) / 1000)} s in the machine for ${files.join(', ')}`)
    const file = join(results, 'summary')
    const told = `${output}\n${console}`
    assert.ok(existsSync(file), `the machine ended with ${code ?? 'no answer'} before the tests did:\n${told}`)
    const summary = JSON.parse(readFileSync(file, 'utf8')) as Summary
    for (const { path, outcome, reason } of summary.tests) {
      await t.test(path.join(' > '), { skip: outcome === 'skipped' && (reason ?? true) }, () => {
        assert.equal(outcome, 'passed', 'what the machine printed is told below')
      })
    }
    assert.equal(summary.failed, 0, told)
    assert.ok(summary.passed > 0, `no test ran:\n${told}`)
  } finally {
    rmSync(results, { recursive: true, force: true })
  }
}
