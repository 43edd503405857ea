import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ApiError, isApiError } from '../../kube/client.ts'
import { configMaps } from '../../kube/resources.ts'
import { startTestApi } from './testing.ts'

const object = (name: string) => ({ metadata: { namespace: 'default', name } })

describe('faults', () => {
  test('refuse as many requests as said, and only those that match', async () => {
    const { api, client } = startTestApi()
    api.faults.add({ kind: 'refuse', code: 429, retryAfterSeconds: 3 }, { path: '/configmaps', method: 'GET' }, 2)
    for (let count = 0; count < 2; count++) {
      await assert.rejects(client.list(configMaps, 'default'), (error: ApiError) => {
        return isApiError(error, 429) && error.retryAfterSeconds === 3
      })
    }
    await client.list(configMaps, 'default')
  })

  test('a dropped reply leaves the write done', async () => {
    const { api, client } = startTestApi()
    api.faults.add({ kind: 'drop-reply' }, { method: 'POST' }, 1)
    await assert.rejects(client.create(configMaps, object('a')), /socket hang up/)
    assert.equal((await client.get(configMaps, { namespace: 'default', name: 'a' })).metadata.name, 'a')
  })

  test('a request that hangs ends with its caller', async () => {
    const { api, client } = startTestApi()
    api.faults.add({ kind: 'hang' })
    const stop = new AbortController()
    const pending = client.list(configMaps, 'default', {}, stop.signal)
    stop.abort()
    await assert.rejects(pending)
  })

  test('watches are cut gracefully or as a broken connection', async () => {
    const { api, client } = startTestApi()
    const follow = async () => {
      for await (const _ of client.watch(configMaps, 'default')) assert.fail('no event was expected')
      return 'ended'
    }
    const graceful = follow()
    await new Promise((resolve) => setImmediate(resolve))
    api.faults.cutWatches('graceful')
    assert.equal(await graceful, 'ended')
    const broken = follow()
    await new Promise((resolve) => setImmediate(resolve))
    api.faults.cutWatches('reset')
    await assert.rejects(broken, /socket hang up/)
  })

  test('held watches go on where they stopped', async () => {
    const { api, client } = startTestApi()
    const seen: string[] = []
    const stop = new AbortController()
    const following = (async () => {
      for await (const event of client.watch(configMaps, 'default', {}, stop.signal)) {
        if (event.type === 'ADDED') seen.push(event.object.metadata.name ?? '')
        if (seen.length === 2) stop.abort()
      }
    })()
    const release = api.faults.holdWatches()
    await client.create(configMaps, object('a'))
    await client.create(configMaps, object('b'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(seen, [])
    release()
    await following
    assert.deepEqual(seen, ['a', 'b'])
  })
})
