import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { builtinSchema } from '../schema/openapi.ts'
import { anything } from '../schema/schema.ts'
import { strategicPatch } from './strategic.ts'

const service = builtinSchema('', 'v1', 'Service') ?? anything
const pod = builtinSchema('', 'v1', 'Pod') ?? anything
const deployment = builtinSchema('apps', 'v1', 'Deployment') ?? anything

type Fields = Record<string, unknown>

describe('strategic merge patch', () => {
  test('merges Service ports by port', () => {
    const current = { spec: { ports: [{ port: 80, name: 'a', nodePort: 30001 }, { port: 81 }] } }
    const patched = strategicPatch(current, { spec: { ports: [{ port: 80, name: 'b' }] } }, service)
    assert.deepEqual(patched, { spec: { ports: [{ port: 80, name: 'b', nodePort: 30001 }, { port: 81 }] } })
  })

  test('merges conditions by type', () => {
    const current = { status: { conditions: [{ type: 'A', status: 'False' }] } }
    const patch = {
      status: {
        conditions: [
          { type: 'A', status: 'True' },
          { type: 'B', status: 'True' },
        ],
      },
    }
    const patched = strategicPatch(current, patch, service) as { status: { conditions: Fields[] } }
    const byType = Object.fromEntries(patched.status.conditions.map((one) => [one['type'], one['status']]))
    assert.deepEqual(byType, { A: 'True', B: 'True' })
  })

  test('treats finalizers as a set, with explicit deletions', () => {
    const current = { metadata: { finalizers: ['a/x', 'b/x'] } }
    const added = strategicPatch(current, { metadata: { finalizers: ['b/x', 'c/x'] } }, service)
    assert.deepEqual([...((added['metadata'] as Fields)['finalizers'] as string[])].sort(), ['a/x', 'b/x', 'c/x'])
    const removed = strategicPatch(current, { metadata: { '$deleteFromPrimitiveList/finalizers': ['a/x'] } }, service)
    assert.deepEqual(removed, { metadata: { finalizers: ['b/x'] } })
  })

  test('deletes and replaces list items as directed', () => {
    const current = {
      spec: {
        containers: [
          { name: 'a', image: '1' },
          { name: 'b', image: '2' },
        ],
      },
    }
    const gone = strategicPatch(current, { spec: { containers: [{ name: 'a', $patch: 'delete' }] } }, pod)
    assert.deepEqual(gone, { spec: { containers: [{ name: 'b', image: '2' }] } })
    const all = strategicPatch(current, { spec: { containers: [{ $patch: 'replace' }, { name: 'c' }] } }, pod)
    assert.deepEqual(all, { spec: { containers: [{ name: 'c' }] } })
  })

  test('replaces a map and keeps only retained keys when told', () => {
    const current = { spec: { selector: { a: '1', b: '2' } } }
    const replaced = strategicPatch(current, { spec: { selector: { $patch: 'replace', c: '3' } } }, service)
    assert.deepEqual(replaced, { spec: { selector: { c: '3' } } })
    const strategy = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }
    const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }
    assert.deepEqual(strategicPatch(strategy, patch, deployment), { spec: { strategy: { type: 'Recreate' } } })
  })

  test('orders a list as told', () => {
    const current = { spec: { containers: [{ name: 'a' }, { name: 'b' }] } }
    const patch = {
      spec: {
        '$setElementOrder/containers': [{ name: 'b' }, { name: 'c' }, { name: 'a' }],
        containers: [{ name: 'c', image: 'x' }],
      },
    }
    const patched = strategicPatch(current, patch, pod) as { spec: { containers: Fields[] } }
    assert.deepEqual(
      patched.spec.containers.map((one) => one['name']),
      ['b', 'c', 'a'],
    )
  })

  test('a list item without its key is refused', () => {
    const current = { spec: { ports: [{ port: 80 }] } }
    assert.throws(() => strategicPatch(current, { spec: { ports: [{ name: 'x' }] } }, service), {
      message: 'map: map[name:x] does not contain declared merge key: port',
    })
  })

  test('changes neither argument', () => {
    const current = { spec: { ports: [{ port: 80 }] } }
    const patch = { spec: { ports: [{ port: 80, name: 'x' }], $retainKeys: ['ports'] } }
    const copies = structuredClone([current, patch])
    strategicPatch(current, patch, service)
    assert.deepEqual([current, patch], copies)
  })
})
