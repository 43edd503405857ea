import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { referencePages } from '../../scripts/reference/pages.ts'
import { projectRoot } from '../../scripts/source-files.ts'

test('docs/reference and the chart say what the code does (npm run docs writes it anew)', async () => {
  for (const [file, text] of await referencePages())
    assert.equal(readFileSync(join(projectRoot, file), 'utf8'), text, `${file} is stale`)
})
