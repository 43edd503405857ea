import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createApi } from '../sandbox/apiserver/api.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import { createEventRecorder, referenceTo } from './event-recorder.ts'
import { silent } from './log.ts'
import type { ObjectReference } from './objects.ts'
import { events, nodes, services } from './resources.ts'
import { createVirtualClock } from './virtual-clock.ts'

const web: ObjectReference = { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'web', uid: 'u1' }

function start() {
  const clock = createVirtualClock()
  const api = createApi({ clock, random: () => 0.5 })
  const client = inProcessClient(api)
  const warnings: string[] = []
  const log = { ...silent, warn: (_fields: object, message: string) => warnings.push(message) }
  const recorder = createEventRecorder({ client, component: 'roadstead', clock, random: () => 0.5, log })
  const written = async () => {
    await recorder.flush()
    return (await client.list(events, undefined)).items
  }
  const lines = async () => (await written()).map(({ count, message }) => `${count}x ${message}`)
  return { clock, api, client, recorder, warnings, written, lines }
}

describe('the event recorder', () => {
  test('writes an Event as kubectl describe shows it', async () => {
    const r = start()
    r.recorder.event(web, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer')
    const [event] = await r.written()
    assert.match(event?.metadata.name ?? '', /^web\.[0-9a-f]{16}$/)
    assert.equal(event?.metadata.namespace, 'default')
    assert.deepEqual(event?.involvedObject, web)
    assert.deepEqual(
      [event?.type, event?.reason, event?.count, event?.source],
      ['Normal', 'EnsuredLoadBalancer', 1, { component: 'roadstead' }],
    )
    assert.equal(event?.firstTimestamp, '2026-01-01T00:00:00Z')
  })

  test('raises the count of identical occurrences', async () => {
    const r = start()
    for (let i = 0; i < 4; i += 1) {
      r.recorder.event(web, 'Warning', 'SyncLoadBalancerFailed', 'quota')
      await r.clock.advance(5000)
    }
    const all = await r.written()
    assert.deepEqual(
      all.map(({ count, firstTimestamp, lastTimestamp }) => [count, firstTimestamp, lastTimestamp]),
      [[4, '2026-01-01T00:00:00Z', '2026-01-01T00:00:15Z']],
    )
  })

  test('keeps different reasons, messages, types and objects apart', async () => {
    const r = start()
    r.recorder.event(web, 'Normal', 'A', 'one')
    r.recorder.event(web, 'Normal', 'A', 'two')
    r.recorder.event(web, 'Normal', 'B', 'one')
    r.recorder.event(web, 'Warning', 'A', 'one')
    r.recorder.event({ ...web, uid: 'u2' }, 'Normal', 'A', 'one')
    assert.equal((await r.written()).length, 5)
  })

  test('combines many messages of one reason into one Event', async () => {
    const r = start()
    for (let i = 0; i < 20; i += 1) r.recorder.event(web, 'Warning', 'Failed', `try ${i}`)
    const lines = await r.lines()
    assert.equal(lines.length, 10)
    assert.equal(lines.at(-1), '11x (combined from similar events): try 19')
  })

  test('lets one object cause 25 Events at once, then one in five minutes, and does not touch others', async () => {
    const r = start()
    for (let i = 0; i < 60; i += 1) r.recorder.event(web, 'Normal', 'Same', 'same')
    r.recorder.event({ ...web, name: 'other', uid: 'u9' }, 'Normal', 'Same', 'same')
    assert.deepEqual(await r.lines(), ['1x same', '25x same'])
    await r.clock.advance(300_000)
    r.recorder.event(web, 'Normal', 'Same', 'same')
    r.recorder.event(web, 'Normal', 'Same', 'same')
    assert.deepEqual(await r.lines(), ['1x same', '26x same'])
  })

  test('makes a new Event when the old one has expired', async () => {
    const r = start()
    r.recorder.event(web, 'Normal', 'A', 'one')
    const [first] = await r.written()
    await r.client.remove(events, { namespace: 'default', name: first?.metadata.name ?? '' })
    await r.clock.advance(1000)
    r.recorder.event(web, 'Normal', 'A', 'one')
    assert.deepEqual(await r.lines(), ['2x one'])
  })

  test('puts Events of cluster-scoped objects into default', async () => {
    const r = start()
    r.recorder.event(referenceTo(nodes, { metadata: { name: 'node-1' } }), 'Normal', 'A', 'one')
    assert.equal((await r.written())[0]?.metadata.namespace, 'default')
  })

  test('shortens long names and messages to what the API takes', async () => {
    const r = start()
    r.recorder.event({ ...web, name: 'n'.repeat(253) }, 'Normal', 'A', 'm'.repeat(5000))
    const [event] = await r.written()
    assert.equal(event?.metadata.name?.length, 253)
    assert.equal(event?.message?.length, 1024)
  })

  test('tries again when the server is away, and keeps the order', async () => {
    const r = start()
    r.api.faults.add({ kind: 'refuse', code: 503, retryAfterSeconds: 2 }, {}, 2)
    r.recorder.event(web, 'Normal', 'A', 'one')
    r.recorder.event(web, 'Normal', 'A', 'two')
    await r.clock.advance(60_000)
    assert.deepEqual(await r.lines(), ['1x one', '1x two'])
  })

  test('gives an Event up after five tries, and goes on with the next', async () => {
    const r = start()
    r.api.faults.add({ kind: 'refuse', code: 500 }, {}, 5)
    r.recorder.event(web, 'Normal', 'A', 'lost')
    r.recorder.event(web, 'Normal', 'A', 'kept')
    await r.clock.advance(60_000)
    assert.deepEqual(await r.lines(), ['1x kept'])
    assert.deepEqual(r.warnings, ['event not written'])
  })

  test('does not try a refusal again, and never throws', async () => {
    const r = start()
    r.recorder.event({ ...web, namespace: 'no-such-namespace' }, 'Normal', 'A', 'one')
    assert.deepEqual(await r.lines(), [])
    assert.deepEqual(r.warnings, ['event not written'])
  })

  test('stops while it waits for the server, and leaves no timer', async () => {
    const r = start()
    r.api.faults.add({ kind: 'refuse', code: 500 })
    r.recorder.event(web, 'Normal', 'A', 'one')
    await r.clock.advance(10)
    await r.recorder.stop()
    r.recorder.event(web, 'Normal', 'A', 'two')
    assert.equal(r.clock.pending, 0)
    assert.equal(referenceTo(services, { metadata: { name: 'a', uid: 'u' } }).kind, 'Service')
  })
})
