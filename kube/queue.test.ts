import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { createKeyQueue, type KeyQueueOptions } from './queue.ts'
import { createVirtualClock, settled } from './virtual-clock.ts'

function start(options: Partial<KeyQueueOptions> = {}) {
  const clock = createVirtualClock()
  const queue = createKeyQueue({ clock, random: () => 0.5, ...options })
  return { clock, queue }
}

describe('the key queue', () => {
  test('gives keys in the order they came, each once', async () => {
    const { queue } = start()
    for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key)
    assert.deepEqual([await queue.take(), await queue.take(), await queue.take()], ['a', 'b', 'c'])
    assert.equal(queue.depth, 0)
  })

  test('gives a key that was added while it is worked on once more, and only after that', async () => {
    const { queue } = start()
    queue.add('a')
    await queue.take()
    queue.add('a')
    queue.add('a')
    assert.equal(queue.depth, 0)
    queue.done('a')
    assert.equal(queue.depth, 1)
    assert.equal(await queue.take(), 'a')
    queue.done('a')
    assert.equal(queue.depth, 0)
  })

  test('hands a key to the worker that has waited for longest', async () => {
    const { queue } = start()
    const taken = [queue.take(), queue.take()]
    queue.add('a')
    queue.add('b')
    assert.deepEqual(await Promise.all(taken), ['a', 'b'])
  })

  test('adds after a time, the earliest of several', async () => {
    const { clock, queue } = start()
    queue.addAfter('a', 5000)
    queue.addAfter('a', 2000)
    queue.addAfter('a', 9000)
    await clock.advance(1999)
    assert.equal(queue.depth, 0)
    await clock.advance(1)
    assert.equal(queue.depth, 1)
    await clock.advance(10_000)
    assert.equal(queue.depth, 1)
    assert.equal(clock.pending, 0)
  })

  test('adds at once when the time is zero, negative or no number', () => {
    const { queue } = start()
    queue.addAfter('a', 0)
    queue.addAfter('b', -5)
    queue.addAfter('c', Number.NaN)
    assert.equal(queue.depth, 3)
  })

  test('waits longer after each failure of a key, up to the limit, and not at all for the others', async () => {
    const waits: number[] = []
    const { clock, queue } = start({
      backoff: { initialMs: 100, maxMs: 1000, factor: 2 },
      hooks: { retried: (_key, _attempt, delayMs) => waits.push(delayMs) },
    })
    for (let i = 0; i < 6; i += 1) {
      queue.retry('bad')
      queue.add('good')
      assert.equal(await queue.take(), 'good')
      queue.done('good')
      await clock.advance(1000)
      assert.equal(await queue.take(), 'bad')
      queue.done('bad')
    }
    assert.deepEqual(waits, [100, 200, 400, 800, 1000, 1000])
    assert.equal(queue.failures('bad'), 6)
  })

  test('starts again with the first backoff after forget', () => {
    const waits: number[] = []
    const { queue } = start({
      backoff: { initialMs: 100 },
      hooks: { retried: (_key, _attempt, delayMs) => waits.push(delayMs) },
    })
    queue.retry('a')
    queue.retry('a')
    queue.forget('a')
    queue.retry('a')
    assert.deepEqual(waits, [100, 200, 100])
  })

  test('waits at least as long as the retry asks for', async () => {
    const { clock, queue } = start({ backoff: { initialMs: 100 } })
    queue.retry('a', 30_000)
    await clock.advance(29_999)
    assert.equal(queue.depth, 0)
    await clock.advance(1)
    assert.equal(queue.depth, 1)
  })

  test('a kind of failure may have a pace of its own', () => {
    const waits: number[] = []
    const { queue } = start({
      backoff: { initialMs: 100 },
      hooks: { retried: (_key, _attempt, delayMs) => waits.push(delayMs) },
    })
    for (let i = 0; i < 4; i += 1) queue.retry('a', 0, { initialMs: 10_000, maxMs: 60_000 })
    queue.retry('a', 90_000, { initialMs: 10_000, maxMs: 60_000 })
    assert.deepEqual(waits, [10_000, 20_000, 40_000, 60_000, 90_000])
  })

  test('tells depth, waiting time and working time', async () => {
    const told: unknown[] = []
    const { clock, queue } = start({
      hooks: {
        added: (key, depth) => told.push(['added', key, depth]),
        started: (key, waitedMs, depth) => told.push(['started', key, waitedMs, depth]),
        finished: (key, tookMs) => told.push(['finished', key, tookMs]),
      },
    })
    queue.add('a')
    await clock.advance(40)
    await queue.take()
    await clock.advance(60)
    queue.done('a')
    assert.deepEqual(told, [
      ['added', 'a', 1],
      ['started', 'a', 40, 0],
      ['finished', 'a', 60],
    ])
  })

  test('lets takers go when it is closed, and leaves no timer', async () => {
    const { clock, queue } = start()
    const taken = queue.take()
    queue.addAfter('a', 1000)
    queue.close()
    queue.add('b')
    queue.addAfter('c', 5)
    assert.equal(await taken, undefined)
    assert.equal(await queue.take(), undefined)
    assert.deepEqual([clock.pending, queue.depth, queue.idle], [0, 0, true])
  })

  test('refuses done for a key that nobody took', () => {
    assert.throws(() => start().queue.done('a'), /a is not being worked on/)
  })
})

describe('whatever is added, whenever, with any number of workers', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd')
  const step = fc.oneof(
    fc.record({ add: key }),
    fc.record({ addAfter: key, ms: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ retry: key }),
    fc.record({ take: fc.constant(true) }),
    fc.record({ done: fc.nat({ max: 3 }) }),
    fc.record({ pass: fc.integer({ min: 1, max: 60 }) }),
  )

  test('no key is with two workers, and no add is without a run that starts after it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, queue } = start({ backoff: { initialMs: 10, maxMs: 40 } })
        const working: string[] = []
        const owed = new Set<string>()
        const take = async () => {
          const next = await queue.take()
          if (next === undefined) return
          assert.ok(!working.includes(next), `${next} is with two workers`)
          working.push(next)
          owed.delete(next)
        }
        const done = (index: number) => {
          const [finished] = working.splice(index % working.length, 1)
          if (finished !== undefined) queue.done(finished)
        }
        for (const next of steps) {
          if ('add' in next) {
            owed.add(next.add)
            queue.add(next.add)
          } else if ('addAfter' in next) {
            owed.add(next.addAfter)
            queue.addAfter(next.addAfter, next.ms)
          } else if ('retry' in next) {
            owed.add(next.retry)
            queue.retry(next.retry)
          } else if ('take' in next) {
            if (queue.depth > 0) await take()
          } else if ('done' in next) {
            if (working.length > 0) done(next.done)
          } else {
            await clock.advance(next.pass)
          }
        }
        await clock.advance(1000)
        while (queue.depth > 0 || working.length > 0) {
          if (queue.depth > 0) await take()
          else done(0)
        }
        assert.deepEqual([...owed], [])
        assert.ok(queue.idle)
        await settled()
        assert.equal(clock.pending, 0)
      }),
      { numRuns: 200 },
    )
  })
})
