import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { HealthCheckSpec } from '../wire.ts'
import type { Clock } from './clock.ts'
import { check } from './fixtures.ts'
import type { ProbeResult, Subject } from './health.ts'
import { createHealthChecks } from './health.ts'

const sick: ProbeResult = { healthy: false, reason: 'HTTP status 503', answered: true }
const silent: ProbeResult = { healthy: false, reason: 'no answer' }
const well: ProbeResult = { healthy: true }

function world(first: ProbeResult) {
  let time = 0
  let timers: { at: number; run: () => void }[] = []
  const clock: Clock = {
    now: () => time,
    after(ms, run) {
      const timer = { at: time + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((each) => each !== timer)
      }
    },
  }
  const state = { answer: first, asked: [] as { at: number; address: string }[], verdicts: [] as string[] }
  const checks = createHealthChecks(
    clock,
    async (address) => {
      state.asked.push({ at: time, address })
      return state.answer
    },
    (subjects, result) => {
      for (const { group, target } of subjects)
        state.verdicts.push(`${group} ${target} ${result.healthy ? 'healthy' : result.reason}`)
    },
  )
  return {
    ...state,
    set: (answer: ProbeResult) => (state.answer = answer),
    checks,
    timers: () => timers.length,
    /** Lets this much time pass, step by step. */
    pass: async (ms: number) => {
      const end = time + ms
      for (;;) {
        const next = timers.toSorted((a, b) => a.at - b.at).find(({ at }) => at <= end)
        if (!next) break
        timers = timers.filter((each) => each !== next)
        time = Math.max(time, next.at)
        next.run()
        await turn()
      }
      time = end
    },
  }
}

function subject(group = 'tg', target = 'node-1', spec: HealthCheckSpec = check()): Subject {
  return { group, target, address: '172.18.0.11', check: spec }
}

test('the first pass is a verdict at once, then the interval holds', async () => {
  const { checks, pass, verdicts, asked } = world(well)
  checks.watch([subject()])
  await pass(0)
  assert.deepEqual(verdicts, ['tg node-1 healthy'])
  await pass(12_000)
  assert.deepEqual(
    asked.map(({ at }) => at),
    [0, 5000, 10_000],
  )
  assert.equal(verdicts.length, 1)
})

test('a node that says no is asked again quickly and judged after the threshold', async () => {
  const { checks, pass, verdicts } = world(sick)
  checks.watch([subject()])
  await pass(240)
  assert.deepEqual(verdicts, [])
  await pass(20)
  assert.deepEqual(verdicts, ['tg node-1 HTTP status 503'])
})

test('silence is no verdict before the intervals of the threshold are over', async () => {
  const { checks, pass, verdicts } = world(silent)
  checks.watch([subject()])
  await pass(9_900)
  assert.deepEqual(verdicts, [])
  await pass(200)
  assert.deepEqual(verdicts, ['tg node-1 no answer'])
})

test('a port that opens late is found soon', async () => {
  const { checks, pass, set, verdicts } = world(silent)
  checks.watch([subject()])
  await pass(3000)
  set(well)
  await pass(260)
  assert.deepEqual(verdicts, ['tg node-1 healthy'])
})

test('thresholds count answers in a row', async () => {
  const { checks, pass, set, verdicts } = world(well)
  checks.watch([subject()])
  await pass(1000)
  for (const answer of [sick, well, sick]) {
    set(answer)
    await pass(5000)
  }
  assert.equal(verdicts.length, 1)
  await pass(5000)
  assert.equal(verdicts.at(-1), 'tg node-1 HTTP status 503')
  set(well)
  await pass(5000)
  assert.equal(verdicts.length, 2)
  await pass(5000)
  assert.equal(verdicts.at(-1), 'tg node-1 healthy')
})

test('groups with the same question share one probe; one that joins hears the verdict', async () => {
  const { checks, pass, verdicts, asked } = world(well)
  checks.watch([subject('a')])
  await pass(100)
  checks.watch([subject('a'), subject('b')])
  await pass(100)
  assert.deepEqual(verdicts, ['a node-1 healthy', 'b node-1 healthy'])
  assert.equal(asked.length, 1)
})

test('what is not wanted any more is not asked, and its late answer is no verdict', async () => {
  const { checks, pass, verdicts, timers } = world(well)
  checks.watch([subject()])
  checks.watch([])
  await pass(10_000)
  checks.watch([subject()])
  const late = pass(0)
  checks.stop()
  await late
  await pass(10_000)
  assert.deepEqual(verdicts, [])
  assert.equal(timers(), 0)
})
