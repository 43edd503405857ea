import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiError } from '../kube/client.ts'
import { startInformer } from '../kube/informer.ts'
import { silent } from '../kube/log.ts'
import { services } from '../kube/resources.ts'
import { listOf, scriptedClient, versioned } from '../kube/scripted-client.ts'
import { createVirtualClock, settled } from '../kube/virtual-clock.ts'
import { apiBackoff } from './api-backoff.ts'

describe('after an API server was away for a minute', () => {
  for (const luck of [0, 0.5, 0.999]) {
    test(`the next Service is seen within 2 s (random ${luck})`, async () => {
      const clock = createVirtualClock()
      let away = false
      let version = 1
      const gone = () => (away ? new Error('ECONNREFUSED') : undefined)
      const client = scriptedClient({
        list: () => gone() ?? listOf(version, [versioned('a', 1), ...(version > 1 ? [versioned('b', version)] : [])]),
        watch: () => gone(),
      })
      const informer = startInformer({
        client,
        type: services,
        clock,
        random: () => luck,
        log: silent,
        tuning: { backoff: apiBackoff },
      })
      await settled()
      await clock.advance(5000)
      away = true
      client.watches.at(-1)?.fail(new Error('ECONNRESET'))
      await clock.advance(60_000)
      const tries = client.watches.length + client.lists.length
      assert.ok(tries < 70, `${tries} attempts`)
      away = false
      version = 2
      const back = clock.now()
      while (client.watches.at(-1)?.closed && clock.now() < back + 10_000) await clock.advance(50)
      assert.ok(clock.now() - back <= 2000, `${clock.now() - back} ms`)
      client.watches.at(-1)?.push('ADDED', versioned('b', 2))
      await settled()
      assert.equal(informer.cache.size, 2)
      await informer.stop()
    })
  }

  test('a server that says when to come again is obeyed', async () => {
    const clock = createVirtualClock()
    const busy = new ApiError('busy', { code: 429, reason: 'TooManyRequests', retryAfterSeconds: 9 })
    const client = scriptedClient({ list: () => busy })
    const informer = startInformer({
      client,
      type: services,
      clock,
      random: () => 0,
      log: silent,
      tuning: { backoff: apiBackoff },
    })
    await settled()
    await clock.advance(8999)
    assert.equal(client.lists.length, 1)
    await clock.advance(1)
    assert.equal(client.lists.length, 2)
    await informer.stop()
  })
})
