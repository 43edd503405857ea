import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { sleep } from './clock.ts'
import { createVirtualClock, settled } from './virtual-clock.ts'

describe('the virtual clock', () => {
  test('runs timers at their times, in the order of time and then of making, and none that was cancelled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat({ max: 50 }), fc.boolean()), { maxLength: 40 }), async (wanted) => {
        const clock = createVirtualClock(0)
        const ran: [number, number][] = []
        wanted.forEach(([ms, cancelled], i) => {
          const cancel = clock.after(ms, () => ran.push([clock.now(), i]))
          if (cancelled) cancel()
        })
        await clock.advance(100)
        const expected = wanted.flatMap(([ms, cancelled], i) => (cancelled ? [] : [[ms, i] as [number, number]]))
        assert.deepEqual(
          ran,
          expected.toSorted(([a, i], [b, j]) => a - b || i - j),
        )
        assert.equal(clock.pending, 0)
      }),
    )
  })

  test('runs what a timer starts, when its time is in the same advance', async () => {
    const clock = createVirtualClock(0)
    const seen: number[] = []
    const twice = async () => {
      await sleep(clock, 10)
      seen.push(clock.now())
      await sleep(clock, 15)
      seen.push(clock.now())
    }
    const done = twice()
    await clock.advance(30)
    await done
    assert.deepEqual([seen, clock.now()], [[10, 25], 30])
  })

  test('may be set without letting time pass', async () => {
    const clock = createVirtualClock(0)
    let ran = false
    clock.after(100, () => {
      ran = true
    })
    clock.jump(1000)
    await clock.advance(99)
    assert.deepEqual([ran, clock.now()], [false, 1099])
  })
})

describe('sleep', () => {
  test('ends with its signal and leaves neither timer nor listener', async () => {
    const clock = createVirtualClock()
    const stopping = new AbortController()
    const sleeping = sleep(clock, 1000, stopping.signal)
    assert.equal(clock.pending, 1)
    stopping.abort()
    await sleeping
    await sleep(clock, 1000, stopping.signal)
    await settled()
    assert.equal(clock.pending, 0)
  })
})
