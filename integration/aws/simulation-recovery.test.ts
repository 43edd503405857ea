/**
 * How soon it is noticed that a cause has gone, and how little is asked meanwhile: permissions, quotas, outages; in virtual time, so that
 * an hour of refusal costs a second.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Action } from '../../providers/aws/cloud.ts'
import { cloudErrorOf } from '../../providers/aws/errors.ts'
import { ofAction } from '../../providers/aws/fake/faults.ts'
import { counted, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const minuteMs = 60_000

function refuse({ aws }: Simulation, action: Action, code: string): () => void {
  const fault = { match: ofAction(action), error: cloudErrorOf(code, 'no'), times: Infinity }
  aws.faults.list.push(fault)
  return () => void aws.faults.list.splice(aws.faults.list.indexOf(fault), 1)
}

async function served(world: Simulation, names: readonly string[], limitMs = 600_000): Promise<number> {
  const all = async () => {
    for (const name of names) if ((await world.hostname(name)) === undefined) return false
    return true
  }
  return world.until(all, `an address for ${names.join(', ')}`, limitMs)
}

describe('recovery', () => {
  for (const { code, action, reason, noticedMs, attemptsAnHour } of [
    {
      code: 'AccessDenied',
      action: 'createLoadBalancer',
      reason: 'PermissionDenied',
      noticedMs: 75_000,
      attemptsAnHour: 80,
    },
    {
      code: 'UnauthorizedOperation',
      action: 'createSecurityGroup',
      reason: 'PermissionDenied',
      noticedMs: 75_000,
      attemptsAnHour: 80,
    },
    {
      code: 'TooManyLoadBalancers',
      action: 'createLoadBalancer',
      reason: 'QuotaExceeded',
      noticedMs: 150_000,
      attemptsAnHour: 45,
    },
  ] as const) {
    test(`${code} for an hour: one attempt a minute or two, one event, and over soon after it is lifted`, async () => {
      const world = await simulate()
      const operator = world.start()
      await world.create('neighbour')
      await served(world, ['neighbour'])
      const lift = refuse(world, action, code)
      await world.create('web')
      await world.clock.advance(30_000)
      assert.match((await world.condition('web', 'Programmed')) ?? '', new RegExp(`False ${reason}: .*${code}`))
      world.aws.take()
      await world.clock.advance(60 * minuteMs)
      const { byAction } = counted(world.aws.take())
      const attempts = byAction[action] ?? 0
      assert.ok(attempts >= 20 && attempts <= attemptsAnHour, `${attempts} attempts in an hour`)
      const warned = (await world.eventsOf('web')).filter((event) => event.reason === reason)
      assert.deepEqual(
        warned.map(({ count = 1 }) => count),
        [1],
      )
      assert.match((await world.condition('neighbour', 'Programmed')) ?? '', /^True/)
      lift()
      const tookMs = await served(world, ['web'])
      assert.ok(tookMs <= noticedMs + 10_000, `${tookMs} ms`)
      await operator.stop()
    })
  }

  test('a permission that is granted within the first minute is noticed within seconds', async () => {
    const world = await simulate()
    const operator = world.start()
    const lift = refuse(world, 'createLoadBalancer', 'AccessDenied')
    await world.create('web')
    await world.clock.advance(15_000)
    lift()
    const tookMs = await served(world, ['web'])
    assert.ok(tookMs <= 25_000, `${tookMs} ms`)
    await operator.stop()
  })

  test('fifty Services without a permission do not come back all at once', async () => {
    const world = await simulate()
    const operator = world.start()
    refuse(world, 'createLoadBalancer', 'AccessDenied')
    const names = Array.from({ length: 50 }, (_, index) => `web-${index}`)
    for (const name of names) await world.create(name)
    await world.clock.advance(10 * minuteMs)
    world.aws.take()
    let most = 0
    for (let second = 0; second < 120; second += 5) {
      await world.clock.advance(5000)
      most = Math.max(most, counted(world.aws.take()).byAction.createLoadBalancer ?? 0)
    }
    assert.ok(most > 0 && most <= 20, `${most} attempts within 5 s`)
    await operator.stop()
  })

  for (const outageMinutes of [2, 60]) {
    test(`AWS is away for ${outageMinutes} minutes: all is made and removed within 45 s after it`, async () => {
      const world = await simulate()
      const operator = world.start()
      for (const name of ['web', 'going']) await world.create(name)
      await served(world, ['web', 'going'])
      await world.quiet(20_000)
      const hostname = await world.hostname('web')
      world.aws.faults.interrupt(0, 'not-done')
      await world.create('late')
      await world.remove('going')
      await world.clock.advance(outageMinutes * minuteMs)
      assert.equal(await world.hostname('web'), hostname)
      assert.match((await world.condition('late', 'Programmed')) ?? '', /^False CloudUnavailable/)
      if (outageMinutes > 20)
        assert.match((await world.condition('web', 'Programmed')) ?? '', /^False CloudUnavailable/)
      assert.notEqual(await world.service('going'), undefined)
      world.aws.faults.reconnect()
      const tookMs = await served(world, ['late'])
      const goneMs = tookMs + (await world.until(async () => (await world.service('going')) === undefined, 'gone'))
      assert.ok(tookMs <= 45_000 && goneMs <= 60_000, `${tookMs} ms, ${goneMs} ms`)
      await world.until(
        async () => (await world.condition('web', 'Programmed'))?.startsWith('True') === true,
        'web',
        minuteMs,
      )
      await operator.stop()
    })
  }
})
