import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createKeyQueue } from './queue.ts'
import { createVirtualClock, settled } from './virtual-clock.ts'
import { runWorkers, type WorkResult } from './workers.ts'

function start(workers: number, work: (key: string, signal: AbortSignal) => Promise<WorkResult>) {
  const clock = createVirtualClock()
  const queue = createKeyQueue({ clock, random: () => 0.5, backoff: { initialMs: 100 } })
  const stopping = new AbortController()
  const errors: [string, unknown][] = []
  const running = runWorkers({
    queue,
    workers,
    work,
    signal: stopping.signal,
    onError: (key, error) => errors.push([key, error]),
  })
  const stop = async () => {
    stopping.abort()
    await running
  }
  return { clock, queue, errors, stop }
}

describe('workers', () => {
  test('work on so many keys at once, never twice on one', async () => {
    let now = 0
    let most = 0
    const w = start(3, async () => {
      now += 1
      most = Math.max(most, now)
      await settled()
      now -= 1
    })
    for (let i = 0; i < 12; i += 1) w.queue.add(`key-${i}`)
    await w.clock.advance(1)
    while (!w.queue.idle) await settled()
    assert.equal(most, 3)
    await w.stop()
  })

  test('try a key again after its backoff when the work throws, and report it', async () => {
    const runs: number[] = []
    const w = start(1, async () => {
      runs.push(w.clock.now())
      if (runs.length < 3) throw new Error('not yet')
    })
    w.queue.add('a')
    await w.clock.advance(1000)
    assert.deepEqual(
      runs.map((at) => at - (runs[0] ?? 0)),
      [0, 100, 300],
    )
    assert.equal(w.errors.length, 2)
    assert.equal(w.queue.failures('a'), 0)
    await w.stop()
  })

  test('come back to a key after the time that the work names', async () => {
    let runs = 0
    const w = start(1, async () => {
      runs += 1
      return { afterMs: 60_000 }
    })
    w.queue.add('a')
    await w.clock.advance(150_000)
    assert.equal(runs, 3)
    await w.stop()
  })

  test('count a retry that the work asks for as a failure', async () => {
    const w = start(1, async () => ({ retryMs: 0 }))
    w.queue.add('a')
    await w.clock.advance(350)
    assert.equal(w.queue.failures('a'), 3)
    await w.stop()
  })

  test('finish what they have in hand when they are stopped, and take nothing more', async () => {
    const finished: string[] = []
    const w = start(1, async (key, signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      await settled()
      finished.push(key)
    })
    w.queue.add('a')
    w.queue.add('b')
    await settled()
    await w.stop()
    assert.deepEqual(finished, ['a'])
    assert.equal(w.clock.pending, 0)
  })
})
