import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Change, createCache } from './cache.ts'
import { ApiError } from './client.ts'
import { silent } from './log.ts'
import type { KubeObject } from './objects.ts'
import { createReflector, type ReflectorEvent, type ReflectorOptions } from './reflector.ts'
import { services } from './resources.ts'
import { listOf, type Script, scriptedClient, versioned } from './scripted-client.ts'
import { createVirtualClock, settled } from './virtual-clock.ts'

/** A reflector of a script, in virtual time; `random` is 0.5, so waiting times are exactly the backoff's. */
function start(script: Script, more: Partial<ReflectorOptions<KubeObject>> = {}) {
  const clock = createVirtualClock()
  const client = scriptedClient(script)
  const cache = createCache<KubeObject>()
  const changes: Change<KubeObject>[] = []
  cache.onChange((change) => changes.push(change))
  const events: ReflectorEvent[] = []
  const reflector = createReflector<KubeObject>({
    client,
    type: services,
    store: cache,
    clock,
    random: () => 0.5,
    log: silent,
    onEvent: (event) => events.push(event),
    ...more,
  })
  const stopping = new AbortController()
  const running = reflector.run(stopping.signal)
  const seen = () => changes.map(({ kind, key }) => `${kind} ${key.split('/')[1]}`)
  const held = () => [...cache.values()].map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
  const stop = async () => {
    stopping.abort()
    await running
  }
  return { clock, client, cache, events, reflector, seen, held, stop, watch: () => client.watches.at(-1) }
}

const refusal = (code: number, retryAfterSeconds?: number) =>
  new ApiError(`HTTP ${code}`, { code, reason: 'Test', ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) })
const gone = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (9)' }

describe('the reflector lists', () => {
  test('page by page, and watches from the version of the list', async () => {
    const r = start({
      list: (call) => (call === 0 ? listOf(7, [versioned('a', 3)], 'more') : listOf(7, [versioned('b', 5)])),
    })
    await settled()
    assert.deepEqual(r.client.lists, [{ limit: 20 }, { limit: 500, continue: 'more' }])
    assert.deepEqual(r.held(), ['a@3', 'b@5'])
    assert.equal(r.watch()?.options.resourceVersion, '7')
    assert.equal(r.watch()?.options.allowBookmarks, true)
    await r.stop()
  })

  test('in shorter pages when the objects are large', async () => {
    const large = versioned('a', 3)
    large.metadata.annotations = { notes: 'x'.repeat(10_000) }
    const r = start({ list: (call) => listOf(7, [large], call === 0 ? 'more' : undefined) })
    await settled()
    assert.deepEqual(r.client.lists[1], { limit: 26, continue: 'more' })
    await r.stop()
  })

  test('with its selectors, and watches with the same', async () => {
    const r = start({ list: () => listOf(1, []) }, { labelSelector: 'a=b', fieldSelector: 'metadata.name=x' })
    await settled()
    assert.deepEqual(r.client.lists[0], { limit: 20, labelSelector: 'a=b', fieldSelector: 'metadata.name=x' })
    assert.equal(r.watch()?.options.labelSelector, 'a=b')
    assert.equal(r.watch()?.options.fieldSelector, 'metadata.name=x')
    await r.stop()
  })

  test('without pages when the continue token has expired halfway', async () => {
    const pages = [
      listOf(7, [versioned('a', 3)], 'more'),
      refusal(410),
      listOf(9, [versioned('a', 3), versioned('b', 9)]),
    ]
    const r = start({ list: (call) => pages[call] ?? refusal(500) })
    await settled()
    assert.deepEqual(r.client.lists.at(-1), {})
    assert.deepEqual(r.held(), ['a@3', 'b@9'])
    await r.stop()
  })

  test('again for ever when lists fail, waiting longer and longer up to the limit', async () => {
    const r = start({ list: (call) => (call < 40 ? refusal(500) : listOf(1, [versioned('a', 1)])) })
    await r.clock.advance(20 * 60_000)
    const waits = r.events.flatMap((event) => (event.kind === 'failed' ? event.retryInMs : []))
    assert.deepEqual(waits.slice(0, 9), [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000])
    assert.equal(waits[39], 30000)
    assert.deepEqual(r.held(), ['a@1'])
    await r.stop()
  })

  test('after exactly the time that Retry-After asks for, at the least', async () => {
    const r = start({ list: (call) => (call === 0 ? refusal(429, 7) : listOf(1, [])) })
    await r.clock.advance(6999)
    assert.equal(r.client.lists.length, 1)
    await r.clock.advance(1000)
    assert.equal(r.client.lists.length, 2)
    await r.stop()
  })

  test('spread in time: the waiting time depends on the random source', async () => {
    for (const [random, expected] of [
      [0, 100],
      [1, 300],
    ] as const) {
      const r = start({ list: () => refusal(500) }, { random: () => random })
      await settled()
      assert.equal(r.events.find((event) => event.kind === 'failed')?.retryInMs, expected)
      await r.stop()
    }
  })

  test('through a transform, and keeps an object whole on which the transform fails', async () => {
    const r = start(
      { list: () => listOf(1, [versioned('good', 1), versioned('odd', 1)]) },
      {
        transform: ({ metadata }) => {
          if (metadata.name === 'odd') throw new Error('unexpected')
          return { metadata: { ...metadata, annotations: { seen: 'yes' } } }
        },
      },
    )
    await settled()
    assert.deepEqual(r.cache.at('default/good')?.metadata.annotations, { seen: 'yes' })
    assert.equal(r.cache.at('default/odd')?.metadata.annotations, undefined)
    await r.stop()
  })

  test('again after an hour, so that an event that was lost heals', async () => {
    const r = start({ list: (call) => (call === 0 ? listOf(5, [versioned('ghost', 1)]) : listOf(6, [])) })
    await r.clock.advance(3_600_001)
    r.watch()?.end()
    await r.clock.advance(1000)
    assert.deepEqual(r.seen(), ['added ghost', 'removed ghost'])
    await r.stop()
  })
})

describe('the reflector watches', () => {
  test('and follows additions, changes and removals', async () => {
    const r = start({ list: () => listOf(5, [versioned('a', 3)]) })
    await settled()
    r.watch()?.push('ADDED', versioned('b', 6))
    r.watch()?.push('MODIFIED', versioned('a', 7))
    r.watch()?.push('DELETED', versioned('b', 8))
    await settled()
    assert.deepEqual(r.seen(), ['added a', 'added b', 'updated a', 'removed b'])
    assert.deepEqual(r.held(), ['a@7'])
    await r.stop()
  })

  test('on from the last event when the server ends the stream, without a new list', async () => {
    const r = start({ list: () => listOf(5, []) })
    await r.clock.advance(60_000)
    r.watch()?.push('ADDED', versioned('a', 8))
    r.watch()?.end()
    await settled()
    assert.equal(r.client.watches.length, 2)
    assert.equal(r.watch()?.options.resourceVersion, '8')
    assert.equal(r.client.lists.length, 1)
    await r.stop()
  })

  test('on from the last bookmark', async () => {
    const r = start({ list: () => listOf(5, []) })
    await r.clock.advance(60_000)
    r.watch()?.push('BOOKMARK', { kind: 'Service', metadata: { resourceVersion: '90' } })
    r.watch()?.fail(new Error('read ECONNRESET'))
    await r.clock.advance(1000)
    assert.equal(r.watch()?.options.resourceVersion, '90')
    assert.deepEqual(r.seen(), [])
    await r.stop()
  })

  test('after a new list when an ERROR event says 410', async () => {
    const r = start({ list: (call) => listOf(5 + call, [versioned(`list${call}`, 5)]) })
    await r.clock.advance(60_000)
    r.watch()?.push('ERROR', gone)
    await r.clock.advance(1000)
    assert.equal(r.client.lists.length, 2)
    assert.deepEqual(r.seen(), ['added list0', 'added list1', 'removed list0'])
    await r.stop()
  })

  test('after a new list when the watch is refused with HTTP 410', async () => {
    const r = start({ list: (call) => listOf(5 + call, []), watch: (call) => (call === 0 ? refusal(410) : undefined) })
    await r.clock.advance(1000)
    assert.equal(r.client.lists.length, 2)
    assert.equal(r.watch()?.options.resourceVersion, '6')
    await r.stop()
  })

  test('with growing pauses when every version it gets is gone at once', async () => {
    const r = start({ list: () => listOf(5, []), watch: () => refusal(410) })
    await r.clock.advance(10 * 60_000)
    assert.ok(r.client.lists.length < 40, `${r.client.lists.length} lists in ten minutes`)
    await r.stop()
  })

  test('again after a 403, a 500 and a reset, from where it was', async () => {
    const failures = [refusal(403), refusal(500), new Error('socket hang up')]
    const r = start({ list: () => listOf(5, []), watch: (call) => failures[call] })
    await r.clock.advance(10_000)
    assert.equal(r.client.watches.length, 4)
    assert.equal(r.client.lists.length, 1)
    await r.stop()
  })

  test('again after the time of Retry-After', async () => {
    const r = start({ list: () => listOf(5, []), watch: (call) => (call === 0 ? refusal(503, 20) : undefined) })
    await r.clock.advance(19_999)
    assert.equal(r.client.watches.length, 1)
    await r.clock.advance(2001)
    assert.equal(r.client.watches.length, 2)
    await r.stop()
  })

  test('without spinning when the server ends every watch at once', async () => {
    const r = start({ list: () => listOf(5, []) })
    for (let i = 0; i < 1200; i += 1) {
      r.watch()?.push('BOOKMARK', { metadata: { resourceVersion: '5' } })
      r.watch()?.end()
      await r.clock.advance(500)
    }
    assert.ok(r.client.watches.length < 40, `${r.client.watches.length} watches in ten minutes`)
    await r.stop()
  })

  test('with the first pause again once a watch has lived', async () => {
    const r = start({ list: () => listOf(5, []), watch: (call) => (call < 6 ? refusal(500) : undefined) })
    await r.clock.advance(60_000)
    r.watch()?.fail(new Error('reset'))
    await settled()
    const last = r.events.findLast((event) => event.kind === 'failed')
    assert.deepEqual([last?.attempt, last?.retryInMs], [1, 200])
    await r.stop()
  })
})

describe('the reflector never goes back', () => {
  test('to a list older than what it has seen', async () => {
    const lists = [listOf(5, [versioned('a', 3)]), listOf(4, [versioned('a', 2), versioned('removed-long-ago', 1)])]
    const r = start({ list: (call) => lists[call] ?? listOf(30, [versioned('a', 25)]) })
    await r.clock.advance(60_000)
    r.watch()?.push('MODIFIED', versioned('a', 20))
    r.watch()?.push('ERROR', gone)
    await r.clock.advance(300)
    assert.equal(r.client.lists.length, 2)
    assert.deepEqual(r.held(), ['a@20'])
    await r.clock.advance(5000)
    assert.deepEqual(r.held(), ['a@25'])
    assert.deepEqual(r.seen(), ['added a', 'updated a', 'updated a'])
    await r.stop()
  })

  test('to an event older than the object it holds', async () => {
    const r = start({ list: () => listOf(10, [versioned('a', 10)]) })
    await settled()
    r.watch()?.push('MODIFIED', versioned('a', 9))
    r.watch()?.push('DELETED', versioned('a', 9))
    await settled()
    assert.deepEqual(r.held(), ['a@10'])
    assert.equal(r.reflector.position.resourceVersion, '10')
    await r.stop()
  })

  test('unless the server has had nothing newer for five minutes: it was restored from a backup', async () => {
    const r = start({
      list: (call) =>
        call === 0
          ? listOf(900, [versioned('a', 800), versioned('kept', 20)])
          : listOf(40, [versioned('kept', 10), versioned('b', 30)]),
    })
    await r.clock.advance(60_000)
    r.watch()?.push('ERROR', gone)
    await r.clock.advance(299_000)
    assert.deepEqual(r.held(), ['a@800', 'kept@20'])
    await r.clock.advance(60_000)
    assert.deepEqual(r.seen(), ['added a', 'added kept', 'updated kept', 'added b', 'removed a'])
    assert.equal(r.watch()?.options.resourceVersion, '40')
    await r.stop()
  })

  test('when it is left without a word: a short list shows whether the server is behind', async () => {
    const lists = [
      listOf(50, []),
      listOf(60, [], 'more'),
      listOf(30, []),
      listOf(30, []),
      listOf(70, [versioned('a', 65)]),
    ]
    const r = start({ list: (call) => lists[call] ?? refusal(500) })
    await r.clock.advance(90_000)
    r.watch()?.fail(new Error('nothing received for 90 s'))
    await r.clock.advance(90_000)
    assert.deepEqual(r.client.lists.slice(1), [{ limit: 1 }])
    r.watch()?.fail(new Error('nothing received for 90 s'))
    await r.clock.advance(5000)
    assert.deepEqual(r.client.lists.slice(2), [{ limit: 1 }, { limit: 20 }, { limit: 20 }])
    assert.deepEqual(r.held(), ['a@65'])
    await r.stop()
  })

  test('silently: a bookmark behind what it has seen makes it list again until the server has caught up', async () => {
    const lists = [listOf(50, []), listOf(30, []), listOf(51, [versioned('a', 51)])]
    const r = start({ list: (call) => lists[call] ?? refusal(500) })
    await r.clock.advance(60_000)
    r.watch()?.push('BOOKMARK', { metadata: { resourceVersion: '30' } })
    await r.clock.advance(5000)
    assert.deepEqual(r.held(), ['a@51'])
    assert.equal(r.watch()?.options.resourceVersion, '51')
    await r.stop()
  })
})

describe('the reflector stops', () => {
  test('during a list that hangs', async () => {
    const r = start({ list: () => new Promise(() => {}) })
    await settled()
    await r.stop()
    assert.equal(r.client.watches.length, 0)
    assert.equal(r.clock.pending, 0)
  })

  test('during a watch, and closes it', async () => {
    const r = start({ list: () => listOf(1, []) })
    await settled()
    await r.stop()
    assert.equal(r.watch()?.closed, true)
    assert.equal(r.clock.pending, 0)
  })

  test('during a pause, and leaves no timer', async () => {
    const r = start({ list: () => refusal(500) })
    await settled()
    assert.equal(r.clock.pending, 1)
    await r.stop()
    assert.equal(r.clock.pending, 0)
  })

  test('before it began', async () => {
    const client = scriptedClient({ list: () => listOf(1, []) })
    const options = {
      client,
      type: services,
      store: createCache(),
      clock: createVirtualClock(),
      random: () => 0,
      log: silent,
    }
    await createReflector(options).run(AbortSignal.abort())
    assert.equal(client.lists.length, 0)
  })
})
