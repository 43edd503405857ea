import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TourResult } from '../../cli/tour/tour.ts'
import { requires } from '../../scripts/requires.ts'
import { projectRoot } from '../../scripts/source-files.ts'

test('the tour: every step holds', { skip: requires('linux', 'root', 'nft', 'ip', 'nsenter') }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'roadstead-tour-'))
  const json = join(folder, 'tour.json')
  try {
    const argv = [join(projectRoot, 'cli/main.ts'), 'tour', '--json', json]
    const output = await new Promise<string>((resolve) =>
      execFile(process.execPath, argv, (_error, stdout, stderr) => resolve(stdout + stderr)),
    )
    const result = JSON.parse(readFileSync(json, 'utf8')) as TourResult
    const failed = result.steps.filter((step) => !step.ok).map((step) => `${step.name}: ${step.error}`)
    assert.deepEqual(failed, [], output)
    assert.equal(result.ok, true, output)
    assert.equal(result.steps.length, 11)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
