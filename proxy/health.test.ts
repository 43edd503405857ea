import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { createHealth } from './health.ts'

describe('health', () => {
  const setup = () => {
    const clock = createVirtualClock()
    return { clock, health: createHealth(clock, 30_000) }
  }

  test('a node without rules is alive and gets no traffic', () => {
    const { health } = setup()
    assert.deepEqual([health.healthz().code, health.livez().code], [503, 200])
  })

  test('rules of a previous run are good enough', () => {
    const { health } = setup()
    health.inherited()
    assert.equal(health.healthz().code, 200)
  })

  test('a change that waits for longer than two sync periods makes it unhealthy, its write makes it healthy', async () => {
    const { clock, health } = setup()
    health.wrote()
    health.waiting(clock.now())
    await clock.advance(60_000)
    assert.equal(health.healthz().code, 200)
    await clock.advance(1)
    assert.deepEqual([health.healthz().code, health.livez().code, health.serving()], [503, 503, false])
    health.waiting(undefined)
    health.wrote()
    assert.equal(health.healthz().code, 200)
  })

  test('a node that is being removed fails /healthz, not /livez, and goes on serving', () => {
    const { health } = setup()
    health.wrote()
    health.setEligible(false)
    assert.deepEqual([health.healthz().code, health.livez().code, health.serving()], [503, 200, true])
    assert.equal(health.healthz().body.nodeEligible, false)
    assert.equal('nodeEligible' in health.livez().body, false)
  })
})
