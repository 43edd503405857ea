import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at } from '../json.ts'
import { startTestApi, type TestApi } from '../testing.ts'
import type { WatchStream } from '../watch.ts'

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const widgets = '/apis/example.com/v1/namespaces/default/widgets'
const merge = { 'content-type': 'application/merge-patch+json' }

function definition(properties: object, more: object = {}): object {
  const spec = { type: 'object', properties }
  const status = { type: 'object', properties: { ready: { type: 'boolean' } } }
  return {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'widgets', kind: 'Widget' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec, status } } },
          ...more,
        },
      ],
    },
  }
}

async function serving(properties: object, more: object = {}): Promise<TestApi> {
  const server = startTestApi()
  const made = await server.send('POST', definitions, definition(properties, more))
  assert.equal(made.code, 201, String(made.body['message']))
  return server
}

const widget = (spec: object, name = 'w') => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
})

async function judged(properties: object, spec: object): Promise<string> {
  const { send } = await serving(properties)
  return String((await send('POST', widgets, widget(spec))).body['message'])
}

describe('a CustomResourceDefinition', () => {
  test('is established and served at once', async () => {
    const { send } = await serving({})
    const { body } = await send('GET', `${definitions}/widgets.example.com`)
    const conditions = at(body, 'status', 'conditions') as { type: string; status: string }[]
    assert.deepEqual(
      conditions.map(({ type, status }) => `${type}=${status}`),
      ['NamesAccepted=True', 'Established=True'],
    )
    assert.equal((await send('GET', widgets)).code, 200)
    assert.equal((await send('GET', '/apis/example.com/v1')).code, 200)
  })

  test('takes its objects and its paths along', async () => {
    const { send } = await serving({})
    await send('POST', widgets, widget({}))
    await send('DELETE', `${definitions}/widgets.example.com`)
    assert.equal((await send('GET', widgets)).code, 404)
    assert.equal((await send('GET', `${definitions}/widgets.example.com`)).code, 404)
    await send('POST', definitions, definition({}))
    assert.deepEqual((await send('GET', widgets)).body['items'], [])
  })

  test('ends the watches of its objects', async () => {
    const { send } = await serving({})
    await send('POST', widgets, widget({}))
    const { response } = await send('GET', `${widgets}?watch=1`)
    assert.equal(response.body.kind, 'watch')
    const { stream } = response.body as { stream: WatchStream }
    await send('DELETE', `${definitions}/widgets.example.com`)
    const seen: string[] = []
    for (let frame = stream.next(); frame; frame = stream.next()) seen.push(frame.type)
    assert.deepEqual(seen, ['ADDED', 'DELETED'])
    assert.ok(stream.ended)
  })

  test('waits for objects that have finalizers', async () => {
    const { send } = await serving({})
    const held = widget({})
    await send('POST', widgets, { ...held, metadata: { name: 'w', finalizers: ['example.com/x'] } })
    await send('DELETE', `${definitions}/widgets.example.com`)
    assert.equal((await send('GET', `${definitions}/widgets.example.com`)).code, 200)
    await send('PATCH', `${widgets}/w`, { metadata: { finalizers: null } }, merge)
    assert.equal((await send('GET', `${definitions}/widgets.example.com`)).code, 404)
  })

  test('is refused without a structural schema, with the wrong name, without a storage version', async () => {
    const { send } = startTestApi()
    const bad = {
      metadata: { name: 'x.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Cluster',
        names: { plural: 'xs', kind: 'X' },
        versions: [{ name: 'v1', served: true, storage: false }],
      },
    }
    const { code, body } = await send('POST', definitions, bad)
    assert.equal(code, 422)
    const fields = (at(body, 'details', 'causes') as { field: string }[]).map(({ field }) => field)
    assert.deepEqual(fields.slice(0, 3), ['metadata.name', 'spec.versions[0].schema.openAPIV3Schema', 'spec.versions'])
  })
})

describe('a custom resource', () => {
  test('gets defaults and loses what the schema does not know', async () => {
    const { send } = await serving({ size: { type: 'integer', default: 2 } })
    const made = await send('POST', widgets, widget({ colour: 'red' }))
    assert.deepEqual(at(made.body, 'spec'), { size: 2 })
    assert.deepEqual(made.response.warnings, ['unknown field "spec.colour"'])
  })

  test('keeps unknown fields where the schema says so', async () => {
    const free = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    const { send } = await serving({ free })
    const made = await send('POST', widgets, widget({ free: { a: { b: 1 } } }))
    assert.deepEqual(at(made.body, 'spec', 'free'), { a: { b: 1 } })
  })

  test('is judged in the words of the real server', async () => {
    const head = 'Widget.example.com "w" is invalid: '
    const size = { size: { type: 'integer', maximum: 5 } }
    assert.equal(
      await judged(size, { size: 9 }),
      `${head}spec.size: Invalid value: 9: spec.size in body should be less than or equal to 5`,
    )
    assert.equal(
      await judged(size, { size: 'x' }),
      `${head}spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"`,
    )
    const mode = { mode: { type: 'string', enum: ['a', 'b'] } }
    assert.equal(
      await judged(mode, { mode: 'z' }),
      `${head}spec.mode: Unsupported value: "z": supported values: "a", "b"`,
    )
    const list = { list: { type: 'array', maxItems: 1, items: { type: 'string' } } }
    assert.equal(await judged(list, { list: ['a', 'b'] }), `${head}spec.list: Too many: 2: must have at most 1 item`)
  })

  test('counts generations and keeps spec and status apart', async () => {
    const { send } = await serving({ size: { type: 'integer' } })
    await send('POST', widgets, widget({ size: 1 }))
    const status = await send('PATCH', `${widgets}/w/status`, { status: { ready: true }, spec: { size: 9 } }, merge)
    assert.equal(at(status.body, 'spec', 'size'), 1)
    assert.equal(at(status.body, 'metadata', 'generation'), 1)
    const spec = await send('PATCH', `${widgets}/w`, { status: { ready: false }, spec: { size: 2 } }, merge)
    assert.equal(at(spec.body, 'status', 'ready'), true)
    assert.equal(at(spec.body, 'metadata', 'generation'), 2)
  })

  test('takes no strategic merge patch', async () => {
    const { send } = await serving({})
    await send('POST', widgets, widget({}))
    const refused = await send(
      'PATCH',
      `${widgets}/w`,
      {},
      { 'content-type': 'application/strategic-merge-patch+json' },
    )
    assert.equal(refused.code, 415)
  })

  test('shows the columns of its definition', async () => {
    const columns = [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }]
    const { send } = await serving({ size: { type: 'integer' } }, { additionalPrinterColumns: columns })
    await send('POST', widgets, widget({ size: 3 }))
    const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' }
    const table = await send('GET', widgets, undefined, accept)
    assert.deepEqual(at(table.body, 'rows', 0, 'cells'), ['w', 3])
  })
})
