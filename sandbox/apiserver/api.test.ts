import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at } from './json.ts'
import { startTestApi, type TestApi } from './testing.ts'

const maps = '/api/v1/namespaces/default/configmaps'
const services = '/api/v1/namespaces/default/services'

async function made(count: number, labels: (index: number) => Record<string, string> = () => ({})): Promise<TestApi> {
  const server = startTestApi()
  for (let index = 0; index < count; index++) {
    const created = await server.send('POST', maps, { metadata: { name: `m${index}`, labels: labels(index) } })
    assert.equal(created.code, 201)
  }
  return server
}

const names = (body: unknown): unknown[] => (at(body, 'items') as unknown[]).map((item) => at(item, 'metadata', 'name'))

describe('lists', () => {
  test('pages are of one state, whatever is written in between', async () => {
    const { send } = await made(5)
    const first = await send('GET', `${maps}?limit=2`)
    assert.deepEqual(names(first.body), ['m0', 'm1'])
    assert.equal(at(first.body, 'metadata', 'remainingItemCount'), 3)
    await send('POST', maps, { metadata: { name: 'm11' } })
    await send('DELETE', `${maps}/m3`)
    const next = await send('GET', `${maps}?limit=9&continue=${String(at(first.body, 'metadata', 'continue'))}`)
    assert.deepEqual(names(next.body), ['m2', 'm3', 'm4'])
    assert.equal(at(next.body, 'metadata', 'resourceVersion'), at(first.body, 'metadata', 'resourceVersion'))
  })

  test('a token that is too old is a 410 with a token to go on inconsistently', async () => {
    const { send, api } = await made(3)
    const first = await send('GET', `${maps}?limit=1`)
    api.faults.expireHistory()
    await send('DELETE', `${maps}/m1`)
    api.faults.expireHistory()
    const late = await send('GET', `${maps}?limit=1&continue=${String(at(first.body, 'metadata', 'continue'))}`)
    assert.equal(late.code, 410)
    assert.equal(late.body['reason'], 'Expired')
    const rest = await send('GET', `${maps}?continue=${String(at(late.body, 'metadata', 'continue'))}`)
    assert.deepEqual(names(rest.body), ['m2'])
  })

  test('a state of the past is listed exactly', async () => {
    const { send } = await made(2)
    const before = await send('GET', maps)
    await send('DELETE', `${maps}/m0`)
    const version = String(at(before.body, 'metadata', 'resourceVersion'))
    const exact = await send('GET', `${maps}?resourceVersion=${version}&resourceVersionMatch=Exact`)
    assert.deepEqual(names(exact.body), ['m0', 'm1'])
  })

  test('a version of the future is a 504', async () => {
    const { send } = await made(0)
    const future = await send('GET', `${maps}?resourceVersion=99999`)
    assert.equal(future.code, 504)
    assert.equal(at(future.body, 'details', 'retryAfterSeconds'), 1)
  })

  test('label selectors choose', async () => {
    const { send } = await made(4, (index) => ({ n: String(index), even: String(index % 2 === 0) }))
    const chosen = async (selector: string) =>
      names((await send('GET', `${maps}?labelSelector=${encodeURIComponent(selector)}`)).body)
    assert.deepEqual(await chosen('even=true'), ['m0', 'm2'])
    assert.deepEqual(await chosen('even!=true,n'), ['m1', 'm3'])
    assert.deepEqual(await chosen('n in (1,2)'), ['m1', 'm2'])
    assert.deepEqual(await chosen('n notin (1,2),even'), ['m0', 'm3'])
    assert.deepEqual(await chosen('!n'), [])
    assert.deepEqual(await chosen('n>1'), ['m2', 'm3'])
  })

  test('items of built-in lists carry no kind', async () => {
    const { send } = await made(1)
    const list = await send('GET', maps)
    assert.equal(list.body['kind'], 'ConfigMapList')
    assert.equal(at(list.body, 'items', 0, 'kind'), undefined)
  })

  test('a field no kind selects by is a 400', async () => {
    const { send } = await made(0)
    const pods = await send('GET', '/api/v1/pods?fieldSelector=spec.foo=1')
    assert.deepEqual([pods.code, pods.body['message']], [400, 'field label not supported: spec.foo'])
    const other = await send('GET', `${maps}?fieldSelector=a=b`)
    const text = '"a" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert.equal(other.body['message'], text)
  })
})

describe('writes', () => {
  test('a stale resourceVersion is a conflict in the words of the real server', async () => {
    const { send } = await made(1)
    const old = (await send('GET', `${maps}/m0`)).body
    await send('PATCH', `${maps}/m0`, { data: { a: '1' } }, { 'content-type': 'application/merge-patch+json' })
    const refused = await send('PUT', `${maps}/m0`, old)
    assert.equal(refused.code, 409)
    assert.equal(
      refused.body['message'],
      'Operation cannot be fulfilled on configmaps "m0": the object has been modified; please apply your changes to the latest version and try again',
    )
  })

  test('a write that changes nothing makes no new version', async () => {
    const { send } = await made(1)
    const before = (await send('GET', `${maps}/m0`)).body
    const after = await send('PUT', `${maps}/m0`, before)
    assert.equal(at(after.body, 'metadata', 'resourceVersion'), at(before, 'metadata', 'resourceVersion'))
  })

  test('a dry run answers as if and changes nothing', async () => {
    const { send } = await made(0)
    const answer = await send('POST', `${maps}?dryRun=All`, { metadata: { generateName: 'x-' } })
    assert.equal(answer.code, 201)
    assert.match(String(at(answer.body, 'metadata', 'name')), /^x-[a-z0-9]{5}$/)
    assert.deepEqual(names((await send('GET', maps)).body), [])
  })

  test('unknown fields are refused, warned of or dropped as asked', async () => {
    const { send } = await made(0)
    const body = { metadata: { name: 'x' }, spec: { ports: [{ port: 80, foo: 1 }] }, bar: 2 }
    const strict = await send('POST', `${services}?fieldValidation=Strict`, body)
    assert.equal(
      strict.body['message'],
      'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.ports[0].foo", unknown field "bar"',
    )
    const warned = await send('POST', services, body)
    assert.deepEqual(warned.response.warnings, ['unknown field "spec.ports[0].foo"', 'unknown field "bar"'])
    assert.equal(at(warned.body, 'spec', 'ports', 0, 'foo'), undefined)
  })

  test('a wrong type is refused in the words of the decoder', async () => {
    const { send } = await made(0)
    const refused = await send('POST', services, { metadata: { name: 'x' }, spec: { ports: [{ port: '80' }] } })
    assert.equal(refused.code, 400)
    assert.equal(
      refused.body['message'],
      'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32',
    )
  })

  test('status and spec are written apart', async () => {
    const { send } = await made(0)
    await send('POST', services, { metadata: { name: 's' }, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } })
    const type = { 'content-type': 'application/merge-patch+json' }
    const ingress = [{ ip: '203.0.113.1' }]
    const both = { spec: { ports: [{ port: 81 }] }, status: { loadBalancer: { ingress } } }
    const spec = await send('PATCH', `${services}/s`, both, type)
    assert.equal(at(spec.body, 'spec', 'ports', 0, 'port'), 81)
    assert.deepEqual(at(spec.body, 'status'), { loadBalancer: {} })
    const status = await send('PATCH', `${services}/s/status`, { ...both, spec: { ports: [{ port: 82 }] } }, type)
    assert.equal(at(status.body, 'spec', 'ports', 0, 'port'), 81)
    assert.equal(at(status.body, 'status', 'loadBalancer', 'ingress', 0, 'ip'), '203.0.113.1')
  })
})

describe('secrets', () => {
  test('take text, answer base64, and stay when immutable', async () => {
    const { send } = startTestApi()
    const secrets = '/api/v1/namespaces/default/secrets'
    const made = await send('POST', secrets, { metadata: { name: 's' }, stringData: { a: 'b' }, immutable: true })
    assert.deepEqual([at(made.body, 'data'), made.body['type']], [{ a: 'Yg==' }, 'Opaque'])
    const type = { 'content-type': 'application/merge-patch+json' }
    const refused = await send('PATCH', `${secrets}/s`, { stringData: { a: 'c' } }, type)
    assert.match(String(refused.body['message']), /data: Forbidden: field is immutable when `immutable` is set/)
  })
})

describe('deletes', () => {
  test('finalizers keep an object until the last is gone', async () => {
    const { send } = await made(0)
    await send('POST', maps, { metadata: { name: 'f', finalizers: ['example.com/a'] } })
    const marked = await send('DELETE', `${maps}/f`)
    assert.ok(at(marked.body, 'metadata', 'deletionTimestamp'))
    const type = { 'content-type': 'application/merge-patch+json' }
    const added = await send(
      'PATCH',
      `${maps}/f`,
      { metadata: { finalizers: ['example.com/a', 'example.com/b'] } },
      type,
    )
    assert.equal(added.code, 422)
    await send('PATCH', `${maps}/f`, { metadata: { finalizers: null } }, type)
    assert.equal((await send('GET', `${maps}/f`)).code, 404)
  })

  test('a Pod on a node waits for its kubelet', async () => {
    const { send } = await made(0)
    const pods = '/api/v1/namespaces/default/pods'
    const spec = { nodeName: 'n', terminationGracePeriodSeconds: 7, containers: [{ name: 'c', image: 'i' }] }
    assert.equal((await send('POST', pods, { metadata: { name: 'p' }, spec })).code, 201)
    const marked = await send('DELETE', `${pods}/p`)
    assert.equal(at(marked.body, 'metadata', 'deletionGracePeriodSeconds'), 7)
    assert.equal((await send('GET', `${pods}/p`)).code, 200)
    await send('DELETE', `${pods}/p`, { gracePeriodSeconds: 0 })
    assert.equal((await send('GET', `${pods}/p`)).code, 404)
  })

  test('a precondition that does not hold is a conflict', async () => {
    const { send } = await made(1)
    const refused = await send('DELETE', `${maps}/m0`, { preconditions: { uid: 'other' } })
    assert.equal(refused.code, 409)
    assert.match(String(refused.body['message']), /the UID in the precondition \(other\) does not match/)
  })

  test('a Terminating namespace takes nothing new and goes when finalized', async () => {
    const { send } = await made(0)
    await send('POST', '/api/v1/namespaces', { metadata: { name: 'n' } })
    await send('DELETE', '/api/v1/namespaces/n')
    const refused = await send('POST', '/api/v1/namespaces/n/configmaps', { metadata: { name: 'x' } })
    assert.equal(refused.code, 403)
    assert.equal(at(refused.body, 'details', 'causes', 0, 'reason'), 'NamespaceTerminating')
    await send('PUT', '/api/v1/namespaces/n/finalize', { metadata: { name: 'n' }, spec: { finalizers: [] } })
    assert.equal((await send('GET', '/api/v1/namespaces/n')).code, 404)
  })

  test('default stays', async () => {
    const { send } = await made(0)
    const refused = await send('DELETE', '/api/v1/namespaces/default')
    assert.equal(refused.body['message'], 'namespaces "default" is forbidden: this namespace may not be deleted')
  })
})
