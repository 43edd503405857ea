import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
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
    await clock.advance(59_999)
    assert.equal(health.healthz().code, 200)
    await clock.advance(1)
    assert.deepEqual([health.healthz().code, health.livez().code, health.serving()], [503, 503, false])
    health.waiting(undefined)
    health.wrote()
    assert.equal(health.healthz().code, 200)
  })

  test("the body is kube-proxy's", async () => {
    const { clock, health } = setup()
    assert.deepEqual(health.livez().body, {
      lastUpdated: '2026-01-01T00:00:00.000Z',
      currentTime: '2026-01-01T00:00:00.000Z',
      healthy: true,
    })
    await clock.advance(1000)
    health.wrote()
    await clock.advance(1000)
    const each = (healthy: boolean) => ({ lastUpdated: '2026-01-01T00:00:01.000Z', healthy })
    assert.deepEqual(health.healthz().body, {
      lastUpdated: '2026-01-01T00:00:02.000Z',
      currentTime: '2026-01-01T00:00:02.000Z',
      nodeEligible: true,
      healthy: true,
      status: { IPv4: each(true), IPv6: each(true) },
    })
    health.waiting(clock.now() - 60_000)
    assert.deepEqual(health.healthz().body, {
      lastUpdated: '2026-01-01T00:00:01.000Z',
      currentTime: '2026-01-01T00:00:02.000Z',
      nodeEligible: true,
      healthy: false,
      status: { IPv4: each(false), IPv6: each(false) },
    })
  })

  test('the body speaks of the families that the node serves', () => {
    const health = createHealth(createVirtualClock(), 30_000, ['ip'])
    health.wrote()
    assert.deepEqual(Object.keys(health.healthz().body.status ?? {}), ['IPv4'])
    assert.deepEqual(Object.keys(health.livez().body.status ?? {}), ['IPv4'])
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
