/** ServiceCIDRs of API servers that have none, forbid them, are away for a while, or get them later. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiError } from '../kube/client.ts'
import { scriptedClient } from '../kube/scripted-client.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { parseCidr } from './rules/addresses.ts'
import { followServiceCidrs } from './service-cidrs.ts'

const given = [parseCidr('10.96.0.0/16')].flatMap((range) => range ?? [])
const minute = 60_000

/** An API server that answers with these codes, the last one for ever; 200 is a list with one object. */
function setup(...codes: number[]) {
  const clock = createVirtualClock()
  const client = scriptedClient({
    list(call) {
      const code = codes[Math.min(call, codes.length - 1)] ?? 500
      if (code !== 200) return new ApiError(`answer ${code}`, { code, reason: 'Test' })
      const metadata = { name: 'kubernetes', resourceVersion: '1' }
      return { metadata: { resourceVersion: '1' }, items: [{ metadata, spec: { cidrs: ['fd00:96::/112'] } }] }
    },
  })
  const seen = { changes: 0, said: [] as string[], known: false }
  const say = (_: object, line: string) => void seen.said.push(line)
  const cidrs = followServiceCidrs({
    client,
    clock,
    random: () => 0.5,
    log: { debug: () => {}, info: say, warn: say, error: say },
    given,
    onChange: () => void seen.changes++,
  })
  void cidrs.known.then(() => (seen.known = true))
  return { clock, lists: client.lists, cidrs, seen, texts: () => cidrs.current().map(({ text }) => text) }
}

describe('ServiceCIDRs', () => {
  for (const code of [404, 403]) {
    test(`that are answered with ${code} are not waited for; what was given counts`, async () => {
      const { clock, lists, cidrs, seen, texts } = setup(code)
      await clock.advance(0)
      assert.equal(seen.known, true)
      assert.deepEqual(texts(), ['10.96.0.0/16'])
      assert.equal(lists.length, 1)
      await cidrs.stop()
    })

    test(`that come, or may be read, after answers of ${code} are followed within minutes`, async () => {
      const { clock, cidrs, seen, texts } = setup(code, code, 503, 200)
      await clock.advance(14 * minute)
      assert.deepEqual(texts(), ['10.96.0.0/16'])
      await clock.advance(minute)
      assert.deepEqual(texts(), ['10.96.0.0/16', 'fd00:96::/112'])
      assert.equal(seen.changes, 1)
      await cidrs.stop()
      assert.equal(clock.pending, 0)
    })
  }

  test('that stay away cost a request every five minutes and one line', async () => {
    const { clock, lists, cidrs, seen } = setup(404)
    await clock.advance(60 * minute)
    assert.equal(lists.length, 13)
    assert.equal(seen.said.length, 1)
    await cidrs.stop()
  })

  test('are asked for again within two seconds while the API server is away', async () => {
    const { clock, lists, cidrs, seen } = setup(503)
    await clock.advance(5 * minute)
    const before = lists.length
    await clock.advance(2000)
    assert.ok(lists.length > before)
    assert.equal(seen.known, false)
    await cidrs.stop()
  })

  test('are complete when they are known', async () => {
    const { clock, cidrs, texts } = setup(503, 200)
    await clock.advance(1000)
    await cidrs.known
    assert.deepEqual(texts(), ['10.96.0.0/16', 'fd00:96::/112'])
    await cidrs.stop()
  })

  test('stop being asked for', async () => {
    const { clock, lists, cidrs } = setup(503)
    await clock.advance(100)
    await cidrs.stop()
    await clock.advance(minute)
    assert.equal(lists.length, 1)
  })
})
