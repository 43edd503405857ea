import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at } from '../json.ts'
import { startTestApi, type TestApi } from '../testing.ts'

const map = '/api/v1/namespaces/default/configmaps/a'
const yaml = { 'content-type': 'application/apply-patch+yaml' }
const merge = { 'content-type': 'application/merge-patch+json' }

const config = (data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a' },
  data,
})

function applied({ send }: TestApi, manager: string, data: Record<string, string>, force = false) {
  return send('PATCH', `${map}?fieldManager=${manager}&force=${force}`, config(data), yaml)
}

function owners(body: unknown): Record<string, unknown> {
  const entries = (at(body, 'metadata', 'managedFields') ?? []) as Record<string, unknown>[]
  return Object.fromEntries(
    entries.map((entry) => [`${String(entry['manager'])} ${String(entry['operation'])}`, entry['fieldsV1']]),
  )
}

describe('server-side apply', () => {
  test('creates, and the manager owns what it sent', async () => {
    const made = await applied(startTestApi(), 'one', { x: '1' })
    assert.equal(made.code, 201)
    assert.deepEqual(owners(made.body), { 'one Apply': { 'f:data': { 'f:x': {} } } })
  })

  test('removes what the manager no longer mentions and nobody else owns', async () => {
    const server = startTestApi()
    await applied(server, 'one', { x: '1', y: '1' })
    await applied(server, 'two', { y: '1' })
    const after = await applied(server, 'one', {})
    assert.deepEqual(at(after.body, 'data'), { y: '1' })
  })

  test('refuses to change the field of another, unless forced', async () => {
    const server = startTestApi()
    await applied(server, 'one', { x: '1' })
    const refused = await applied(server, 'two', { x: '2' })
    assert.equal(refused.code, 409)
    assert.equal(refused.body['message'], 'Apply failed with 1 conflict: conflict with "one": .data.x')
    assert.deepEqual(at(refused.body, 'details', 'causes'), [
      { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.x' },
    ])
    const forced = await applied(server, 'two', { x: '2' }, true)
    assert.deepEqual(owners(forced.body), { 'two Apply': { 'f:data': { 'f:x': {} } } })
  })

  test('an ordinary write takes over what it changes', async () => {
    const server = startTestApi()
    await applied(server, 'one', { x: '1', y: '1' })
    const patched = await server.send('PATCH', `${map}?fieldManager=edit`, { data: { x: '9' } }, merge)
    assert.deepEqual(owners(patched.body), {
      'one Apply': { 'f:data': { 'f:y': {} } },
      'edit Update': { 'f:data': { 'f:x': {} } },
    })
    const refused = await applied(server, 'one', { x: '1' })
    assert.equal(refused.body['message'], 'Apply failed with 1 conflict: conflict with "edit" using v1: .data.x')
  })

  test('the same configuration again makes no new version', async () => {
    const server = startTestApi()
    const first = await applied(server, 'one', { x: '1' })
    const again = await applied(server, 'one', { x: '1' })
    assert.equal(at(again.body, 'metadata', 'resourceVersion'), at(first.body, 'metadata', 'resourceVersion'))
  })

  test('list items are owned by their keys', async () => {
    const { send } = startTestApi()
    const path = '/api/v1/namespaces/default/services/s?fieldManager=one'
    const service = (ports: object[]) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's' },
      spec: { ports },
    })
    const made = await send(
      'PATCH',
      path,
      service([
        { port: 80, name: 'a' },
        { port: 81, name: 'b' },
      ]),
      yaml,
    )
    const key = 'k:{"port":80,"protocol":"TCP"}'
    assert.deepEqual(at(owners(made.body), 'one Apply', 'f:spec', 'f:ports', key), {
      '.': {},
      'f:name': {},
      'f:port': {},
    })
    const fewer = await send('PATCH', path, service([{ port: 81, name: 'b' }]), yaml)
    assert.deepEqual(
      (at(fewer.body, 'spec', 'ports') as object[]).map((port) => at(port, 'port')),
      [81],
    )
  })

  test('needs a field manager', async () => {
    const { send } = startTestApi()
    const refused = await send('PATCH', map, config({}), yaml)
    assert.equal(
      refused.body['message'],
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
  })
})
