/** Deletion protection holds a Service that is being deleted until nobody wishes it any more: on the Service, in its class, or in AWS by hand. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { className, simulate } from './simulated.ts'
import type { Simulation, SimulationOptions } from './simulated.ts'

const protection = 'roadstead.dev/deletion-protection'
const minuteMs = 60_000

/** A Service that was deleted a while ago and whose load balancer is protected. */
async function held(annotations: Record<string, string>, options: SimulationOptions = {}) {
  const world = await simulate(options)
  const operator = world.start()
  await world.create('web', {}, annotations)
  await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
  await world.quiet(20_000)
  await world.remove('web')
  await world.clock.advance(4 * minuteMs)
  assert.equal(world.aws.account.loadBalancers.values().length, 1)
  assert.equal(world.aws.account.listeners.values().length, 1, 'its listeners stay')
  return { world, operator }
}

const annotate = (world: Simulation, value: string | null) =>
  world.patch('web', { metadata: { annotations: { [protection]: value } } })

const goes = async (world: Simulation) => {
  await world.until(async () => (await world.service('web')) === undefined, 'the Service is gone', 10 * minuteMs, 500)
  assert.deepEqual(world.inventory(), [])
}

describe('deletion protection of a Service that is being deleted', () => {
  test('taken off the Service: its load balancer goes; until then the message says that', async () => {
    const { world, operator } = await held({ [protection]: 'true' })
    assert.match(
      (await world.condition('web', 'Programmed')) ?? '',
      /roadstead\.dev\/deletion-protection.*set it to "false" on the Service, also while it is being deleted/,
    )
    await annotate(world, null)
    await goes(world)
    await operator.stop()
  })

  test('also by a process that has not seen the wish', async () => {
    const { world, operator } = await held({ [protection]: 'true' })
    await operator.stop()
    await annotate(world, 'false')
    const second = world.start()
    await goes(world)
    await second.stop()
  })

  test('of the class: the word of the Service goes before it, and so does another word of the class', async () => {
    const parameters = { 'deletion-protection': 'true' }
    const first = await held({}, { parameters })
    await first.world.clock.advance(10 * minuteMs)
    assert.equal(first.world.aws.account.loadBalancers.values().length, 1)
    await annotate(first.world, 'false')
    await goes(first.world)
    await first.operator.stop()

    const second = await held({}, { parameters })
    const body = { spec: { clouds: [{ name: 'aws' }] } }
    await second.world.client.patch(loadBalancerClasses, { name: className }, { type: 'merge', body })
    await goes(second.world)
    await second.operator.stop()
  })

  test('set by hand: no word of the Service touches it, and the message says where it is switched off', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('web')
    await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
    await world.quiet(20_000)
    const loadBalancerArn = world.aws.account.loadBalancers.values()[0]?.arn ?? ''
    const protect = (value: string) =>
      world.aws.cloud.modifyLoadBalancerAttributes(
        { loadBalancerArn, attributes: [{ key: 'deletion_protection.enabled', value }] },
        new AbortController().signal,
      )
    await protect('true')
    await world.remove('web')
    await world.clock.advance(4 * minuteMs)
    await annotate(world, 'false')
    await world.clock.advance(10 * minuteMs)
    assert.equal(world.aws.account.loadBalancers.values().length, 1)
    assert.match(
      (await world.condition('web', 'Programmed')) ?? '',
      /somebody .* in AWS.*aws elbv2 modify-load-balancer-attributes/,
    )
    await protect('false')
    await goes(world)
    await operator.stop()
  })
})
