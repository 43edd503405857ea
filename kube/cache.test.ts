import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type Change, createCache } from './cache.ts'
import { keyFor, keyOf, nameFromKey } from './key.ts'
import type { KubeObject } from './objects.ts'
import { compareResourceVersions } from './resource-version.ts'
import { versioned } from './scripted-client.ts'

function start(indexes?: Record<string, (object: KubeObject) => readonly string[]>) {
  const errors: unknown[] = []
  const cache = createCache<KubeObject>({ indexes, onListenerError: (error) => errors.push(error) })
  const changes: Change<KubeObject>[] = []
  cache.onChange((change) => changes.push(change))
  return { cache, changes, errors, kinds: () => changes.map(({ kind }) => kind) }
}

const labelled = (name: string, version: number, labels: Record<string, string>): KubeObject => {
  const object = versioned(name, version)
  return { ...object, metadata: { ...object.metadata, labels } }
}

describe('the cache', () => {
  test('tells what was before and what is after', () => {
    const { cache, changes } = start()
    const [one, two] = [versioned('a', 1), versioned('a', 2)]
    cache.upsert(one)
    cache.upsert(two)
    cache.remove(versioned('a', 3))
    assert.deepEqual(changes, [
      { kind: 'added', key: 'default/a', after: one },
      { kind: 'updated', key: 'default/a', before: one, after: two },
      { kind: 'removed', key: 'default/a', before: two },
    ])
    assert.equal(cache.size, 0)
  })

  test('is silent when an object comes in the version it holds', () => {
    const { cache, kinds } = start()
    cache.upsert(versioned('a', 1))
    cache.upsert(versioned('a', 1))
    cache.replace([versioned('a', 1)], '5')
    assert.deepEqual(kinds(), ['added'])
  })

  test('tells the same name with a new UID as a removal and an addition', () => {
    const { cache, changes } = start()
    cache.replace([versioned('a', 1, 'first')], '1')
    cache.replace([versioned('a', 9, 'second')], '9')
    cache.upsert(versioned('a', 12, 'third'))
    assert.deepEqual(
      changes.map(({ kind, before, after }) => [kind, before?.metadata.uid, after?.metadata.uid]),
      [
        ['added', undefined, 'first'],
        ['removed', 'first', undefined],
        ['added', undefined, 'second'],
        ['removed', 'second', undefined],
        ['added', undefined, 'third'],
      ],
    )
  })

  test('keeps, when replaced, what it holds in a version newer than the list', () => {
    const { cache, kinds } = start()
    cache.upsert(versioned('written-by-us', 20))
    cache.upsert(versioned('changed-by-us', 21))
    cache.upsert(versioned('gone', 3))
    cache.replace([versioned('changed-by-us', 10)], '15')
    assert.deepEqual([...cache.keys()], ['default/written-by-us', 'default/changed-by-us'])
    assert.equal(cache.at('default/changed-by-us')?.metadata.resourceVersion, '21')
    assert.deepEqual(kinds(), ['added', 'added', 'added', 'removed'])
  })

  test('finds objects by index, through additions, changes and removals', () => {
    const { cache } = start({ app: ({ metadata }) => Object.values(metadata.labels ?? {}) })
    const names = (value: string) => cache.indexed('app', value).map(({ metadata }) => metadata.name)
    cache.upsert(labelled('a', 1, { app: 'web', tier: 'front' }))
    cache.upsert(labelled('b', 2, { app: 'web' }))
    assert.deepEqual(names('web'), ['a', 'b'])
    cache.upsert(labelled('a', 3, { app: 'db', tier: 'front' }))
    assert.deepEqual([names('web'), names('db'), names('front')], [['b'], ['a'], ['a']])
    cache.remove(versioned('a', 4))
    assert.deepEqual([names('db'), names('front')], [[], []])
  })

  test('shows the new state, also by index, to the listener of the change', () => {
    const { cache } = start({ name: ({ metadata }) => [metadata.name ?? ''] })
    let found: KubeObject[] = []
    cache.onChange(() => {
      found = cache.indexed('name', 'a')
    })
    cache.upsert(versioned('a', 1))
    assert.equal(found.length, 1)
  })

  test('refuses an index that was not declared', () => {
    assert.throws(() => start().cache.indexed('node', 'n1'), /no index node/)
  })

  test('goes on when a listener throws, and reports it', () => {
    const { cache, errors } = start()
    let calls = 0
    cache.onChange(() => {
      throw new Error('broken listener')
    })
    const cancel = cache.onChange(() => calls++)
    cache.upsert(versioned('a', 1))
    cancel()
    cache.upsert(versioned('b', 1))
    assert.deepEqual([calls, errors.length, cache.size], [1, 2, 2])
  })

  test('holds, whatever lists and events came, exactly the newest state, and its index agrees', () => {
    const object = fc.record({ name: fc.constantFrom('a', 'b', 'c'), version: fc.integer({ min: 1, max: 30 }) })
    const step = fc.oneof(
      fc.record({ upsert: object }),
      fc.record({ remove: object }),
      fc.record({
        list: fc.uniqueArray(object, { selector: ({ name }) => name }),
        at: fc.integer({ min: 1, max: 30 }),
      }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { cache, changes } = start({ all: () => ['x'] })
        for (const next of steps) {
          const before = new Map(
            [...cache.values()].map((held) => [keyOf(held), Number(held.metadata.resourceVersion)]),
          )
          if ('upsert' in next) cache.upsert(versioned(next.upsert.name, next.upsert.version))
          else if ('remove' in next) cache.remove(versioned(next.remove.name, next.remove.version))
          else
            cache.replace(
              next.list.map(({ name, version }) => versioned(name, version)),
              String(next.at),
            )
          for (const held of cache.values()) {
            const version = Number(held.metadata.resourceVersion)
            assert.ok(version >= (before.get(keyOf(held)) ?? 0), 'moved back')
          }
        }
        const replayed = new Map<string, KubeObject>()
        for (const { key, after } of changes) {
          if (after) replayed.set(key, after)
          else replayed.delete(key)
        }
        assert.deepEqual(replayed, new Map([...cache.keys()].map((key) => [key, cache.at(key)])))
        assert.deepEqual(new Set(cache.indexed('all', 'x')), new Set(cache.values()))
      }),
    )
  })
})

describe('resource versions', () => {
  test('are ordered as decimal numbers of any length', () => {
    assert.ok((compareResourceVersions('9', '10') ?? 0) < 0)
    assert.ok((compareResourceVersions('18446744073709551616', '18446744073709551615') ?? 0) > 0)
    assert.equal(compareResourceVersions('7', '7'), 0)
  })

  test('that are no decimal numbers have no order', () => {
    for (const odd of ['', 'abc', '1.5', '007', undefined]) assert.equal(compareResourceVersions(odd, '5'), undefined)
  })
})

test('keys name an object as kubectl does, and back', () => {
  assert.equal(keyOf(versioned('web', 1)), 'default/web')
  assert.equal(keyOf({ metadata: { name: 'node-1' } }), 'node-1')
  assert.deepEqual(nameFromKey('default/web'), { namespace: 'default', name: 'web' })
  assert.deepEqual(nameFromKey('node-1'), { name: 'node-1' })
  assert.equal(keyFor({ namespace: '', name: 'x' }), 'x')
})
