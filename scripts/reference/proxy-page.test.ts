/** The committed page of the proxy's behaviours: marks of a run, none of them a failure. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { behaviours } from '../../integration/proxy/behaviours.ts'
import { testedModes } from '../../integration/proxy/modes.ts'
import { projectRoot } from '../source-files.ts'
import { recordedOn } from './proxy.ts'

test('every behaviour has a mark of a run for every mode that is tested, and a reason where it was not run', () => {
  const { runs, marks } = recordedOn(readFileSync(join(projectRoot, 'docs/reference/proxy.md'), 'utf8'))
  assert.ok(runs.length > 0, 'no run is recorded')
  const open = behaviours.flatMap(({ id }) =>
    testedModes.flatMap(({ name: mode }) => {
      const { sign = 'unknown', reason = '' } = marks.get(`${id} ${mode}`) ?? {}
      const good = sign === 'passed' || ((sign === 'skipped' || sign === 'partly') && reason !== '')
      return good ? [] : [`${id}, ${mode}: ${sign}`]
    }),
  )
  assert.deepEqual(open, [])
})
