/**
 * While AWS's first health checks of new targets are under way nothing is wrong: no warning, no advice, and what serves stays Ready. After some
 * minutes without an end the advice comes.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { realistic } from '../../providers/aws/fake/account.ts'
import { simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const minuteMs = 60_000
const two = [
  { name: 'http', port: 80 },
  { name: 'https', port: 443 },
]

/** Every different text of the condition Ready until one begins with `last`. */
async function readyUntil(world: Simulation, last: string): Promise<string[]> {
  const seen: string[] = []
  const arrived = async () => {
    const now = (await world.condition('web', 'Ready')) ?? ''
    if (now !== '' && now !== seen.at(-1)) seen.push(now)
    return now.startsWith(last)
  }
  await world.until(arrived, `Ready is ${last}; it was ${seen.join(' | ')}`, 15 * minuteMs, 500)
  return seen
}

const warnings = async (world: Simulation) =>
  (await world.eventsOf('web')).filter(({ type }) => type === 'Warning').map(({ reason }) => reason)

describe('first health checks', () => {
  test('of a new Service: said as such until its targets are healthy, without advice or a warning', async () => {
    const world = await simulate({ aws: { timing: realistic } })
    const operator = world.start()
    await world.create('web')
    const texts = await readyUntil(world, 'True Ready')
    const reasons = texts.map((text) => text.split(/[ :]/)[1])
    assert.deepEqual(reasons, ['NotServing', 'TargetsInitial', 'Ready'])
    assert.match(texts[1] ?? '', /first health checks/)
    assert.deepEqual(await warnings(world), [])
    await operator.stop()
  })

  test('of a port that a serving Service gets: it stays Ready, and the port is named until it is healthy', async () => {
    const world = await simulate({ aws: { timing: realistic } })
    const operator = world.start()
    await world.create('web', { ports: two.slice(0, 1) })
    await readyUntil(world, 'True Ready')
    await world.clock.advance(minuteMs)
    await world.patch('web', { spec: { ports: two } })
    await world.until(() => world.aws.account.listeners.values().length === 2, 'the second listener')
    const texts: string[] = []
    for (let at = 0; at < 5 * minuteMs; at += 500) {
      await world.clock.advance(500)
      const text = (await world.condition('web', 'Ready')) ?? ''
      if (text !== texts.at(-1)) texts.push(text)
    }
    assert.ok(
      texts.every((text) => text.startsWith('True Ready')),
      texts.join(' | '),
    )
    assert.ok(
      texts.some((text) => /first health checks of port 443/.test(text)),
      texts.join(' | '),
    )
    assert.equal(texts.at(-1), 'True Ready: the load balancer serves')
    assert.deepEqual(await warnings(world), [])
    await operator.stop()
  })

  test('that do not end: after five minutes there is advice, which a restart leaves as it is', async () => {
    const world = await simulate({ aws: { timing: { ...realistic, initialHealthMs: 3_600_000 } } })
    const operator = world.start()
    await world.create('web')
    await world.until(
      async () => (await world.condition('web', 'Ready'))?.includes('TargetsInitial') === true,
      'checks',
    )
    const before = world.clock.now()
    await readyUntil(world, 'False NoHealthyTargets: no target is healthy in aws: check')
    const took = world.clock.now() - before
    assert.ok(took >= 4.5 * minuteMs && took <= 6 * minuteMs, `${took} ms`)
    await operator.stop()
    const version = (await world.service('web'))?.metadata.resourceVersion
    const second = world.start()
    await world.clock.advance(3 * minuteMs)
    assert.equal((await world.service('web'))?.metadata.resourceVersion, version)
    await second.stop()
  })
})
