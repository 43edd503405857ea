/** ServiceCIDRs of API servers that have none, forbid them, or are away for a while. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiError, type KubeClient } from '../kube/client.ts'
import { silent } from '../kube/log.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { parseCidr } from './addresses.ts'
import { followServiceCidrs } from './service-cidrs.ts'

const given = [parseCidr('10.96.0.0/16')].flatMap((range) => range ?? [])

function setup(...codes: number[]) {
  const clock = createVirtualClock()
  const asked: number[] = []
  const list = () => {
    const code = codes[Math.min(asked.length, codes.length - 1)] ?? 500
    asked.push(code)
    return Promise.reject(new ApiError(`answer ${code}`, { code, reason: 'Test' }))
  }
  const client = { list } as unknown as KubeClient
  const cidrs = followServiceCidrs({
    client,
    clock,
    random: () => 0,
    log: silent,
    given,
    onChange: () => assert.fail('nothing changed'),
  })
  return { clock, asked, cidrs }
}

describe('ServiceCIDRs', () => {
  for (const code of [404, 403]) {
    test(`that are answered with ${code} are not waited for; what was given counts`, async () => {
      const { asked, cidrs } = setup(code)
      await cidrs.known
      assert.deepEqual(cidrs.current(), given)
      assert.deepEqual(asked, [code])
      await cidrs.stop()
    })
  }

  test('are asked for again while the API server is away', async () => {
    const { clock, asked, cidrs } = setup(503, 503, 404)
    await clock.advance(900)
    assert.deepEqual(asked, [503])
    await clock.advance(3000)
    await cidrs.known
    assert.deepEqual(asked, [503, 503, 404])
    await cidrs.stop()
  })

  test('stop being asked for', async () => {
    const { clock, asked, cidrs } = setup(503)
    await clock.advance(100)
    await cidrs.stop()
    await clock.advance(60_000)
    assert.deepEqual(asked, [503])
  })
})
