import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { createApi } from '../sandbox/apiserver/api.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import { startInformer } from './informer.ts'
import { keyOf } from './key.ts'
import { silent } from './log.ts'
import type { ConfigMap } from './objects.ts'
import { configMaps } from './resources.ts'
import { createVirtualClock } from './virtual-clock.ts'

const name = fc.constantFrom('a', 'b', 'c')
const how = fc.constantFrom('graceful' as const, 'reset' as const)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write: name }) },
  { weight: 3, arbitrary: fc.record({ remove: name }) },
  { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 1, max: 5000 }) }) },
  fc.record({ cut: how }),
  fc.record({
    refuse: fc.constantFrom(429 as const, 500 as const, 503 as const),
    times: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ expire: fc.constant(true) }),
  fc.record({ hold: fc.boolean() }),
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

describe('the informer of a failing server', () => {
  test('shows in the end what the server holds, and its changes tell the whole story without ever going back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => live(steps)),
      { numRuns: 150 },
    )
  })
})

async function live(steps: readonly Step[]): Promise<void> {
  const clock = createVirtualClock()
  const api = createApi({ clock, random: () => 0.5 })
  const client = inProcessClient(api)
  const informer = startInformer<ConfigMap>({
    client: inProcessClient(api, 'informer'),
    type: configMaps,
    namespace: 'default',
    clock,
    random: () => 0.5,
    log: silent,
  })
  const story = new Map<string, ConfigMap>()
  informer.cache.onChange(({ kind, key, before, after }) => {
    assert.equal(story.get(key), before, `${kind} of ${key} does not follow what was told`)
    if (before && after) assert.equal(before.metadata.uid, after.metadata.uid)
    if (after) story.set(key, after)
    else story.delete(key)
  })
  let release = () => {}
  for (const [at, next] of steps.entries()) {
    if ('write' in next || 'remove' in next) {
      await write(next, String(at))
    } else if ('cut' in next) {
      api.faults.cutWatches(next.cut)
    } else if ('refuse' in next) {
      api.faults.add({ kind: 'refuse', code: next.refuse }, { method: 'GET' }, next.times)
    } else if ('expire' in next) {
      api.faults.expireHistory()
    } else if ('hold' in next) {
      release()
      release = next.hold ? api.faults.holdWatches() : () => {}
    } else {
      await clock.advance(next.pass)
    }
  }
  release()
  api.faults.clear()
  await clock.advance(10 * 60_000)
  const { items } = await client.list(configMaps, 'default')
  const versions = (objects: Iterable<ConfigMap>) =>
    new Map([...objects].map((object) => [keyOf(object), `${object.metadata.uid} ${object.metadata.resourceVersion}`]))
  assert.deepEqual(versions(informer.cache.values()), versions(items))
  assert.deepEqual(versions(story.values()), versions(items))
  await informer.stop()

  async function write(next: { write: string } | { remove: string }, value: string): Promise<void> {
    const metadata = { namespace: 'default', name: 'write' in next ? next.write : next.remove }
    if ('remove' in next) {
      await client.remove(configMaps, metadata).catch(() => {})
      return
    }
    const object = { metadata, data: { value } }
    await client.replace(configMaps, object).catch(() => client.create(configMaps, object).catch(() => {}))
  }
}
