import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { createBucket } from './budget.ts'

const signal = new AbortController().signal

async function callsWithin(
  bucket: ReturnType<typeof createBucket>,
  clock: ReturnType<typeof createVirtualClock>,
  ms: number,
) {
  const until = clock.now() + ms
  let calls = 0
  const stop = new AbortController()
  const calling = (async () => {
    while (!stop.signal.aborted) {
      await bucket.take(stop.signal)
      if (!stop.signal.aborted && clock.now() <= until) calls++
    }
  })()
  await clock.advance(ms)
  stop.abort()
  await calling
  return calls
}

test('a burst at once, then so many calls a second', async () => {
  const clock = createVirtualClock()
  const calls = await callsWithin(createBucket({ clock, perSecond: 10, burst: 20 }), clock, 5000)
  assert.ok(calls >= 69 && calls <= 71, String(calls))
})

test('a throttle answer halves the rate, Retry-After closes the door, quiet gives the rate back', async () => {
  const clock = createVirtualClock()
  const bucket = createBucket({ clock, perSecond: 10, burst: 1 })
  bucket.throttled(3)
  let open = false
  void bucket.take(signal).then(() => (open = true))
  await clock.advance(2900)
  assert.equal(open, false)
  await clock.advance(200)
  assert.equal(open, true)
  const slowed = await callsWithin(bucket, clock, 4000)
  assert.ok(slowed >= 18 && slowed <= 22, String(slowed))
  await clock.advance(120_000)
  const recovered = await callsWithin(bucket, clock, 4000)
  assert.ok(recovered >= 38, String(recovered))
})
