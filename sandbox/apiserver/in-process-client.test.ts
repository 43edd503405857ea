import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isApiError } from '../../kube/client.ts'
import type { ConfigMap } from '../../kube/objects.ts'
import { configMaps, namespaces } from '../../kube/resources.ts'
import { createApi } from './api.ts'
import { inProcessClient } from './in-process-client.ts'

function settings(name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name }, data }
}

const start = () => inProcessClient(createApi())

describe('the in-process client', () => {
  test('creates, reads, patches, replaces and removes', async () => {
    const client = start()
    const made = await client.create(configMaps, settings('a', { x: '1' }))
    assert.ok(made.metadata.uid && made.metadata.resourceVersion && made.metadata.creationTimestamp)
    const at = { namespace: 'default', name: 'a' }
    const patched = await client.patch(configMaps, at, { type: 'merge', body: { data: { y: '2', x: null } } })
    assert.deepEqual(patched.data, { y: '2' })
    await assert.rejects(client.replace(configMaps, made), (error) => isApiError(error, 409))
    await client.replace(configMaps, { ...patched, data: { z: '3' } })
    assert.deepEqual((await client.get(configMaps, at)).data, { z: '3' })
    await client.remove(configMaps, at)
    await assert.rejects(client.get(configMaps, at), /configmaps "a" not found/)
  })

  test('hands out copies', async () => {
    const client = start()
    const made = await client.create(configMaps, settings('a', { x: '1' }))
    made.data = { changed: 'outside' }
    assert.deepEqual((await client.get(configMaps, { namespace: 'default', name: 'a' })).data, { x: '1' })
  })

  test('has the four namespaces from the start', async () => {
    const list = await start().list(namespaces, undefined)
    assert.deepEqual(
      list.items.map((item) => item.metadata.name),
      ['default', 'kube-node-lease', 'kube-public', 'kube-system'],
    )
  })

  test('watches from a list on', async () => {
    const client = start()
    const list = await client.list(configMaps, 'default')
    const version = list.metadata.resourceVersion as string
    const stop = new AbortController()
    const seen: string[] = []
    const watching = (async () => {
      for await (const event of client.watch(configMaps, 'default', { resourceVersion: version }, stop.signal)) {
        seen.push(event.type)
        if (seen.length === 3) stop.abort()
      }
    })()
    await client.create(configMaps, settings('a'))
    await client.replace(configMaps, settings('a', { x: '1' }))
    await client.remove(configMaps, { namespace: 'default', name: 'a' })
    await watching
    assert.deepEqual(seen, ['ADDED', 'MODIFIED', 'DELETED'])
  })
})
