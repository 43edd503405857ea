import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missed } from '../row.ts'
import { withBars } from './bars.ts'

const figures = [
  'create.calls create.mutating create3.calls hundred.calls hundred.seconds throttled.answers throttled.ratio restart.mutating restart.reads',
  'churn.registrations churn.reads churn.seconds node.calls look.readsPerService cpu.msPerService rss.mb',
].flatMap((line) => line.split(' '))

const row = (id: string, value: number) => ({ id, value, unit: '' })

test('every figure has a bar, and misses it when it was not measured', () => {
  const rows = withBars([])
  assert.deepEqual(
    figures.filter((id) => !rows.some((each) => each.id === id)),
    [],
  )
  assert.ok(rows.every(missed))
})

test('a figure at its bar holds, one beyond it misses', () => {
  const verdicts = (id: string, values: readonly number[]) =>
    values.map((value) =>
      withBars([row(id, value)])
        .filter((each) => each.id === id)
        .map(missed),
    )
  assert.deepEqual(verdicts('create.calls', [9, 10, 11]), [[false], [false], [true]])
  assert.deepEqual(verdicts('quota.served', [100, 99]), [[false], [true]])
})

test('a figure without a bar cannot miss it', () => {
  assert.ok(!missed(withBars([row('cpu.startMs', 1e6)])[0] ?? row('', Number.NaN)))
})
