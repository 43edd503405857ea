/**
 * Each trap of @kubernetes/client-node's ListWatch (its src/cache.ts and watch.ts, 2.0.x) as a test that our informer passes, on real
 * sockets: a list that fails once, 429, 500 and resets end it for good; no pages, bookmarks or transform; a key without UID;
 * a stale list moves the cache back; a stop during a list leaves a watch behind; connections leak (its issue #494).
 */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { startInformer } from './informer.ts'
import { silent } from './log.ts'
import type { KubeObject } from './objects.ts'
import type { ReflectorEvent } from './reflector.ts'
import { services } from './resources.ts'
import { listOf, versioned } from './scripted-client.ts'
import { json, type ScriptedRequest, scriptedServer, until } from './scripted-server.ts'
import { createVirtualClock } from './virtual-clock.ts'

interface Answers {
  list: (call: number, response: ServerResponse, request: ScriptedRequest) => void
  /** Default: the watch stays open. */
  watch?: (call: number, response: ServerResponse, request: ScriptedRequest) => void
}

/** An informer of a scripted server, with pauses of about a millisecond. */
async function start(
  answers: Answers,
  options: { clock?: Clock; transform?: (object: KubeObject) => KubeObject } = {},
) {
  let lists = 0
  const watches: ServerResponse[] = []
  const clock = options.clock ?? systemClock
  const server = await scriptedServer(
    (request, response) => {
      if (!request.query.has('watch')) return answers.list(lists++, response, request)
      watches.push(response)
      if (answers.watch) return answers.watch(watches.length - 1, response, request)
      response.writeHead(200).flushHeaders()
    },
    { clock },
  )
  const events: ReflectorEvent[] = []
  const stopping = new AbortController()
  const informer = startInformer<KubeObject>({
    client: server.client,
    type: services,
    clock,
    random: () => 0.5,
    log: silent,
    tuning: { backoff: { initialMs: 1, maxMs: 4, factor: 2, jitter: 1 } },
    onEvent: (event) => events.push(event),
    signal: stopping.signal,
    ...(options.transform && { transform: options.transform }),
  })
  const changes: string[] = []
  informer.cache.onChange(({ kind, before, after }) => changes.push(`${kind} ${(after ?? before)?.metadata.uid}`))
  const held = () => [...informer.cache.values()].map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)
  return {
    server,
    informer,
    watches,
    events,
    changes,
    held,
    signal: stopping.signal,
    lists: () => lists,
    [Symbol.asyncDispose]: async () => {
      await informer.stop()
      await server.close()
    },
  }
}

const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`

describe('the informer goes on', () => {
  const failures: [string, (response: ServerResponse) => void][] = [
    ['a 500', (response) => json(response, { kind: 'Status', code: 500 }, 500)],
    ['a 429', (response) => json(response, { kind: 'Status', code: 429 }, 429)],
    ['a 503 of a proxy', (response) => response.writeHead(503).end('no healthy upstream')],
    ['a reset', (response) => response.socket?.resetAndDestroy()],
    [
      'an answer that is cut',
      (response) => response.writeHead(200).write('{"items":[', () => response.socket?.destroy()),
    ],
    ['an answer that is garbage', (response) => response.writeHead(200).end('<html>')],
  ]
  for (const [name, fail] of failures) {
    test(`after ${name} to the list`, async () => {
      await using i = await start({
        list: (call, response) => (call < 3 ? fail(response) : json(response, listOf(1, [versioned('a', 1)]))),
      })
      await i.informer.synced
      assert.deepEqual(i.held(), ['a@1'])
      assert.equal(i.lists(), 4)
    })

    test(`after ${name} to the watch`, async () => {
      await using i = await start({
        list: (_call, response) => json(response, listOf(1, [])),
        watch: (call, response) => {
          if (call < 3) fail(response)
          else response.writeHead(200).write(line('ADDED', versioned('a', 2)))
        },
      })
      await until(() => i.informer.cache.size === 1)
      assert.equal(i.lists(), 1)
    })
  }

  test('after a watch that is reset in the middle of an event, from the last whole one', async () => {
    await using i = await start({
      list: (_call, response) => json(response, listOf(1, [])),
      watch: (call, response) => {
        response.writeHead(200)
        if (call > 0) response.write(line('ADDED', versioned('b', 3)))
        else
          response.write(line('ADDED', versioned('a', 2)) + '{"type":"ADDED","obj', () =>
            setImmediate(() => response.socket?.destroy()),
          )
      },
    })
    await until(() => i.informer.cache.size === 2)
    assert.deepEqual(i.held(), ['a@2', 'b@3'])
    assert.match(i.server.requests.at(-1) ?? '', /resourceVersion=2/)
  })

  test('after a connection that is half-open: nothing comes, not even a bookmark, for 90 seconds', async () => {
    const clock = createVirtualClock()
    await using i = await start({ list: (_call, response) => json(response, listOf(1, [])) }, { clock })
    await until(() => i.watches.length === 1)
    await clock.advance(80_000)
    i.watches[0]?.write(line('BOOKMARK', { metadata: { resourceVersion: '70' } }))
    await until(() => i.events.length > 0 && i.server.requests.length === 2)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await clock.advance(80_000)
    assert.equal(i.watches.length, 1)
    await clock.advance(11_000)
    await until(() => i.events.some(({ kind }) => kind === 'failed'))
    await clock.advance(10)
    await until(() => i.watches.length === 2)
    assert.match(i.server.requests.at(-1) ?? '', /resourceVersion=70/)
  })
})

describe('the informer asks', () => {
  test('for pages and bookmarks, and keeps only what the transform leaves', async () => {
    await using i = await start(
      {
        list: (_call, response, { query }) =>
          json(
            response,
            listOf(1, [versioned(query.get('continue') ?? 'first', 1)], query.has('continue') ? '' : 'second'),
          ),
      },
      { transform: ({ metadata }) => ({ metadata: { ...metadata, annotations: { transformed: 'yes' } } }) },
    )
    await i.informer.synced
    await until(() => i.watches.length === 1)
    i.watches[0]?.write(line('ADDED', versioned('third', 2)))
    await until(() => i.informer.cache.size === 3)
    assert.deepEqual(i.held(), ['first@1', 'second@1', 'third@2'])
    assert.match(i.server.requests[2] ?? '', /allowWatchBookmarks=true/)
    for (const object of i.informer.cache.values()) assert.ok(object.metadata.annotations)
  })
})

describe('the informer tells the truth', () => {
  test('a name that was deleted and made again between two lists is a removal and an addition', async () => {
    await using i = await start({
      list: (call, response) =>
        json(response, call === 0 ? listOf(1, [versioned('a', 1, 'old')]) : listOf(9, [versioned('a', 8, 'new')])),
      watch: (call, response) => {
        response.writeHead(200).flushHeaders()
        if (call === 0) response.write(line('ERROR', { kind: 'Status', code: 410, reason: 'Expired' }))
      },
    })
    await until(() => i.changes.length === 3)
    assert.deepEqual(i.changes, ['added old', 'removed old', 'added new'])
  })

  test('a stale list from a lagging server does not move the cache back', async () => {
    await using i = await start({
      list: (call, response) =>
        json(
          response,
          [listOf(10, [versioned('a', 9)]), listOf(4, [versioned('a', 3)])][call] ?? listOf(12, [versioned('a', 11)]),
        ),
      watch: (call, response) => {
        response.writeHead(200).flushHeaders()
        if (call === 0) response.write(line('ERROR', { kind: 'Status', code: 410, reason: 'Expired' }))
      },
    })
    const seen: string[] = []
    i.informer.cache.onChange(({ after }) => seen.push(after?.metadata.resourceVersion ?? 'gone'))
    await until(() => i.watches.length === 2)
    assert.deepEqual(seen, ['9', '11'])
  })

  test('what we wrote ourselves is in the cache before the watch tells, and cannot come back from the dead', async () => {
    await using i = await start({ list: (_call, response) => json(response, listOf(10, [versioned('a', 9)])) })
    await i.informer.synced
    i.informer.learn(versioned('a', 11))
    assert.deepEqual(i.held(), ['a@11'])
    await until(() => i.watches.length === 1)
    i.watches[0]?.write(line('MODIFIED', versioned('a', 11)) + line('DELETED', versioned('a', 12)))
    await until(() => i.informer.cache.size === 0)
    i.informer.learn(versioned('a', 11))
    assert.deepEqual(i.held(), [])
  })
})

describe('the informer stops and leaves nothing behind', () => {
  const moments: [string, Answers][] = [
    ['during a list that hangs', { list: () => {} }],
    [
      'during a list that is half sent',
      { list: (_call, response) => void response.writeHead(200).write('{"items":[') },
    ],
    ['during a watch without an answer', { list: (_call, response) => json(response, listOf(1, [])), watch: () => {} }],
    ['during a watch', { list: (_call, response) => json(response, listOf(1, [])) }],
    ['between failures', { list: (_call, response) => json(response, {}, 500) }],
  ]
  for (const [moment, answers] of moments) {
    test(moment, async () => {
      await using i = await start(answers)
      const last = answers.watch || moment.endsWith('a watch') ? () => i.watches.length === 1 : () => i.lists() > 0
      await until(last)
      await i.informer.stop()
      const requests = i.server.requests.length
      i.server.client.close()
      await until(() => i.server.open.size === 0, 'every socket to be closed')
      assert.equal(i.server.requests.length, requests)
      assert.deepEqual(getEventListeners(i.signal, 'abort'), [])
    })
  }

  test('however often a watch is cut: never more than one connection', async () => {
    let most = 0
    await using i = await start({
      list: (_call, response) => json(response, listOf(1, [])),
      watch: (_call, response) => {
        most = Math.max(most, i.server.open.size)
        response
          .writeHead(200)
          .write(line('BOOKMARK', { metadata: { resourceVersion: '1' } }), () => response.destroy())
      },
    })
    await until(() => i.watches.length > 20)
    assert.ok(most <= 2, `${most} connections at once`)
  })
})
