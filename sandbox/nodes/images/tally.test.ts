import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createTally } from './tally.ts'

describe('tally of the load tool', () => {
  test('counts by Pod, node and client, and tells percentiles', () => {
    const tally = createTally('http', 'u', 0)
    for (let ms = 1; ms <= 100; ms += 1) tally.ok({ answer: ms % 2 ? 'a' : 'b', node: 'n', client: 'c' }, 0, ms)
    tally.failed('ECONNREFUSED', 50)
    const report = tally.report(2000)
    assert.deepEqual([report.sent, report.ok, report.failed, report.seconds], [101, 100, 1, 2])
    assert.deepEqual(report.answers, { a: 50, b: 50 })
    assert.deepEqual(report.latencyMs, { p50: 51, p90: 91, p99: 100, max: 100 })
    assert.deepEqual(report.firstFailures, [{ atMs: 50, reason: 'ECONNREFUSED' }])
  })
})
