import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { createNodeWaves } from './node-waves.ts'

function setup(placements: number) {
  const clock = createVirtualClock()
  const woken: string[] = []
  const state = { collecting: false }
  const waves = createNodeWaves({
    clock,
    collecting: () => state.collecting,
    keys: () => Array.from({ length: placements }, (_, n) => `p${n}`),
    wake: (_, key) => woken.push(key),
  })
  return { clock, woken, state, waves }
}

test('a few placements follow at once', () => {
  const { clock, woken, waves } = setup(18)
  waves.start('aws')
  assert.equal(woken.length, 18)
  assert.equal(clock.pending, 0)
})

test('of many, three go ahead and all follow when no node has come for a moment', async () => {
  const { clock, woken, waves } = setup(100)
  waves.start('aws')
  assert.equal(woken.length, 3)
  await clock.advance(2000)
  assert.equal(woken.length, 3)
  await clock.advance(500)
  assert.equal(woken.length, 103)
})

test('nodes that come one after the other are one wave', async () => {
  const { clock, woken, state, waves } = setup(100)
  for (let node = 0; node < 10; node++) {
    waves.start('aws')
    await clock.advance(2000)
    state.collecting = true
    await clock.advance(1000)
    state.collecting = false
  }
  await clock.advance(3000)
  assert.equal(woken.length, 10 * 3 + 100)
})

test('nodes that never cease to come hold nobody up for ever', async () => {
  const { clock, woken, waves } = setup(100)
  for (let node = 0; node < 25; node++) {
    waves.start('aws')
    await clock.advance(2000)
  }
  assert.ok(woken.length >= 100 + 3 * 20, String(woken.length))
})

test('stopped, nothing is left', () => {
  const { clock, waves } = setup(100)
  waves.start('aws')
  waves.stop()
  assert.equal(clock.pending, 0)
})
