import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at, textAt } from './json.ts'
import { startTestApi, type TestApi } from './testing.ts'
import { frameObject, type WatchStream } from './watch.ts'

const maps = '/api/v1/namespaces/default/configmaps'
const merge = { 'content-type': 'application/merge-patch+json' }

async function open({ send }: TestApi, query: string): Promise<WatchStream> {
  const { response } = await send('GET', `${maps}?watch=1${query}`)
  assert.equal(response.body.kind, 'watch')
  return (response.body as { stream: WatchStream }).stream
}

/** What is waiting, as `TYPE name@version`. */
function waiting(stream: WatchStream): string[] {
  const seen: string[] = []
  for (let frame = stream.next(); frame; frame = stream.next()) {
    const object = frameObject(frame, stream)
    seen.push(frame.type === 'ERROR' ? `ERROR ${String(at(object, 'code'))}` : `${frame.type} ${nameIn(object)}`)
  }
  return seen
}

function nameIn(object: unknown): string {
  return textAt(object, 'metadata', 'name')
}

/** A clock that only moves when told. */
function handClock() {
  let now = 1_700_000_000_000
  const timers: { at: number; run: () => void }[] = []
  return {
    now: () => now,
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        const index = timers.indexOf(timer)
        if (index >= 0) timers.splice(index, 1)
      }
    },
    pending: () => timers.length,
    advance(ms: number) {
      now += ms
      for (const timer of timers.filter((due) => due.at <= now)) {
        timers.splice(timers.indexOf(timer), 1)
        timer.run()
      }
    },
  }
}

describe('a watch', () => {
  test('starts with the present state when no version is given', async () => {
    const server = startTestApi()
    await server.send('POST', maps, { metadata: { name: 'a' } })
    const stream = await open(server, '')
    await server.send('POST', maps, { metadata: { name: 'b' } })
    assert.deepEqual(waiting(stream), ['ADDED a', 'ADDED b'])
    stream.end()
  })

  test('goes on from a version', async () => {
    const server = startTestApi()
    const made = await server.send('POST', maps, { metadata: { name: 'a' } })
    await server.send('PATCH', `${maps}/a`, { data: { x: '1' } }, merge)
    await server.send('DELETE', `${maps}/a`)
    const stream = await open(server, `&resourceVersion=${String(at(made.body, 'metadata', 'resourceVersion'))}`)
    assert.deepEqual(waiting(stream), ['MODIFIED a', 'DELETED a'])
    stream.end()
  })

  test('shows objects that enter and leave a selection', async () => {
    const server = startTestApi()
    const stream = await open(server, '&labelSelector=on%3Dyes')
    await server.send('POST', maps, { metadata: { name: 'a' } })
    assert.deepEqual(waiting(stream), [])
    await server.send('PATCH', `${maps}/a`, { metadata: { labels: { on: 'yes' } } }, merge)
    await server.send('PATCH', `${maps}/a`, { data: { x: '1' } }, merge)
    const left = await server.send('PATCH', `${maps}/a`, { metadata: { labels: { on: 'no' } } }, merge)
    const frames = [stream.next(), stream.next(), stream.next()]
    assert.deepEqual(
      frames.map((frame) => frame?.type),
      ['ADDED', 'MODIFIED', 'DELETED'],
    )
    const last = frames[2] && frameObject(frames[2], stream)
    assert.equal(at(last, 'metadata', 'labels', 'on'), 'yes', 'the last matching state')
    assert.equal(at(last, 'metadata', 'resourceVersion'), at(left.body, 'metadata', 'resourceVersion'))
    await server.send('DELETE', `${maps}/a`)
    assert.deepEqual(waiting(stream), [])
    stream.end()
  })

  test('ends with 410 when its version is forgotten', async () => {
    const server = startTestApi()
    await server.send('POST', maps, { metadata: { name: 'a' } })
    await server.send('POST', maps, { metadata: { name: 'b' } })
    server.api.faults.expireHistory()
    const stream = await open(server, '&resourceVersion=3')
    assert.deepEqual(waiting(stream), ['ERROR 410'])
    assert.ok(stream.ended)
  })

  test('ends with 410 when it falls out of the history window', async () => {
    const server = startTestApi({ historyEvents: 64 })
    const stream = await open(server, '&resourceVersion=5')
    for (let index = 0; index < 200; index++) {
      await server.send('POST', maps, { metadata: { name: `m${index}` } })
    }
    assert.deepEqual(waiting(stream), ['ERROR 410'])
  })

  test('sends bookmarks when asked, and ends at its timeout', async () => {
    const clock = handClock()
    const server = startTestApi({ clock })
    const stream = await open(server, '&resourceVersion=5&allowWatchBookmarks=true&timeoutSeconds=100')
    clock.advance(60_000)
    const frame = stream.next()
    assert.equal(frame?.type, 'BOOKMARK')
    assert.equal(at(frame && frameObject(frame, stream), 'metadata', 'resourceVersion'), '5')
    clock.advance(40_000)
    assert.ok(stream.ended)
    assert.equal(clock.pending(), 0, 'no timer is left')
  })

  test('closes its initial events with a bookmark', async () => {
    const server = startTestApi()
    await server.send('POST', maps, { metadata: { name: 'a' } })
    const query = '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const stream = await open(server, query)
    assert.deepEqual(waiting(stream), ['ADDED a', 'BOOKMARK '])
    stream.end()
  })

  test('of one name sees only that object', async () => {
    const server = startTestApi()
    const stream = await open(server, '&fieldSelector=metadata.name%3Db')
    await server.send('POST', maps, { metadata: { name: 'a' } })
    await server.send('POST', maps, { metadata: { name: 'b' } })
    assert.deepEqual(waiting(stream), ['ADDED b'])
    stream.end()
  })
})
