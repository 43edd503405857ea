/**
 * Slow deletes and slow replacements in virtual time: a load balancer that goes takes no new connections first, stays for its drain time
 * whoever runs meanwhile, holds up nobody, and says so; a replacement waits for healthy targets, and not for ever without a word.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { loadBalancers } from '../../crds/load-balancer.ts'
import type { Timing } from '../../providers/aws/fake/account.ts'
import { absent } from '../operator/world.ts'
import { className, counted, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const drain = (seconds: number) => ({ 'roadstead.dev/delete-drain-seconds': String(seconds) })
const timing: Partial<Timing> = { provisioningMs: 20_000, initialHealthMs: 10_000 }

async function standing(world: Simulation, name = 'web', annotations: Record<string, string> = {}) {
  await world.create(name, {}, annotations)
  await world.until(async () => (await world.hostname(name)) !== undefined, 'an address')
  await world.quiet(30_000)
}

const balancers = ({ aws }: Simulation) => aws.account.loadBalancers.values()
const listeners = ({ aws }: Simulation) => aws.account.listeners.values()
const gone =
  (world: Simulation, name = 'web') =>
  async () =>
    (await world.service(name)) === undefined

async function placement(world: Simulation, name = 'web') {
  const object = await absent(world.client.get(loadBalancers, { namespace: 'default', name }))
  return { object, placement: object?.status.placements[0] }
}

describe('a Service with delete-drain-seconds is deleted', () => {
  test('listeners go at once, the load balancer after its time, and then nothing is left', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(120))
    const targets = world.aws.account.targets.values().length
    const groups = world.aws.account.targetGroups.values().length
    await world.remove('web')
    await world.until(() => listeners(world).length === 0, 'no listener', 5000)
    const drained = await world.until(() => balancers(world).length === 0, 'no load balancer', 600_000, 250)
    assert.ok(drained >= 119_000 && drained <= 125_000, `deleted ${drained} ms after its listeners`)
    assert.ok(targets > 0 && groups > 0)
    await world.until(gone(world), 'the Service is gone')
    assert.deepEqual(world.inventory(), [])
    await operator.stop()
  })

  test('while it drains nothing but the listeners is missing, and nothing is called', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(250))
    const before = world.inventory().filter((line) => !/^(listener|load-balancer) /.test(line))
    await world.remove('web')
    await world.clock.advance(20_000)
    const kept = world.inventory().filter((line) => !line.startsWith('load-balancer '))
    const unused = (lines: readonly string[]) => lines.map((line) => line.replace('"used":true', '"used":false'))
    assert.deepEqual(kept, unused(before))
    world.aws.take()
    await world.clock.advance(200_000)
    assert.deepEqual(counted(world.aws.take()).mutating, 0)
    assert.equal(balancers(world).length, 1)
    await operator.stop()
  })

  test('people read until when: in the condition, the LoadBalancer object and one event', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(120))
    await world.remove('web')
    await world.clock.advance(10_000)
    const expected = /Draining until \d{4}-\d\d-\d\dT[\d:]+Z/
    assert.match((await world.condition('web', 'Programmed')) ?? '', expected)
    const { object, placement: row } = await placement(world)
    assert.deepEqual([object?.status.reason, row?.state, row?.reason], ['Draining', 'Releasing', 'Draining'])
    assert.match(row?.message ?? '', expected)
    const until = Date.parse(/until (\S+Z)/.exec(row?.message ?? '')?.[1] ?? '')
    await world.clock.advance(60_000)
    const told = (await world.eventsOf('web')).filter(({ reason }) => reason === 'DrainingLoadBalancer')
    assert.deepEqual([told.length, told[0]?.type], [1, 'Normal'])
    await world.until(() => balancers(world).length === 0, 'no load balancer', 600_000, 250)
    assert.ok(Math.abs(world.clock.now() - until) <= 3000, `${world.clock.now() - until} ms off`)
    await operator.stop()
  })

  test('an operator that starts in between waits for the rest, one that comes late for nothing', async () => {
    for (const downMs of [30_000, 400_000]) {
      const world = await simulate({ aws: { timing } })
      const operator = world.start()
      await standing(world, 'web', drain(120))
      await world.remove('web')
      await world.until(() => listeners(world).length === 0, 'no listener', 5000)
      const began = world.clock.now()
      await world.clock.advance(5000)
      await operator.stop()
      await world.clock.advance(downMs)
      const second = world.start()
      await world.until(() => balancers(world).length === 0, 'no load balancer', 600_000, 250)
      const took = world.clock.now() - began
      const least = Math.max(120_000, downMs + 5000)
      assert.ok(took >= least - 1000 && took <= least + 5000, `${took} ms with ${downMs} ms without an operator`)
      await world.until(gone(world), 'the Service is gone')
      assert.deepEqual(world.inventory(), [])
      await second.stop()
    }
  })

  test('it is hastened by an annotation on the Service that is being deleted', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(3600))
    await world.remove('web')
    await world.clock.advance(60_000)
    assert.equal(balancers(world).length, 1)
    await world.patch('web', { metadata: { annotations: drain(0) } })
    await world.until(gone(world), 'the Service is gone', 60_000)
    assert.deepEqual(world.inventory(), [])
    await operator.stop()
  })

  test('a class says it for all, and what the cloud was told counts when the class is gone', async () => {
    const defaults = { deleteDrainSeconds: 120 }
    const world = await simulate({ aws: { timing }, class: { defaults } })
    const operator = world.start()
    await standing(world)
    await operator.stop()
    await world.remove('web')
    await world.client.remove(loadBalancerClasses, { name: className })
    const second = world.start()
    await world.until(() => listeners(world).length === 0, 'no listener', 30_000)
    const drained = await world.until(() => balancers(world).length === 0, 'no load balancer', 600_000, 250)
    assert.ok(drained >= 119_000 && drained <= 125_000, `deleted ${drained} ms after its listeners`)
    await second.stop()
  })

  test('one that becomes ClusterIP drains, and is a load balancer again with its address when that is taken back', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(120))
    const name = await world.hostname('web')
    await world.patch('web', { spec: { type: 'ClusterIP', loadBalancerClass: null } })
    await world.until(() => listeners(world).length === 0, 'no listener', 5000)
    await world.clock.advance(30_000)
    assert.equal(balancers(world).length, 1)
    await world.patch('web', { spec: { type: 'LoadBalancer', loadBalancerClass: `roadstead.dev/${className}` } })
    await world.until(() => listeners(world).length === 1, 'a listener again', 30_000)
    await world.quiet(150_000)
    assert.equal(balancers(world)[0]?.dnsName, await world.hostname('web'))
    assert.equal(name, await world.hostname('web'))
    assert.equal(balancers(world)[0]?.tags['roadstead.dev/draining-since'], undefined)
    await operator.stop()
  })

  test('one whose finalizer somebody takes off drains all the same: the cloud remembers', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(120))
    await operator.stop()
    await world.patch('web', { metadata: { finalizers: null } })
    await world.remove('web')
    await world.until(gone(world), 'the Service is gone', 1000)
    const second = world.start()
    await world.until(() => listeners(world).length === 0, 'no listener', 60_000)
    const drained = await world.until(() => balancers(world).length === 0, 'no load balancer', 600_000, 250)
    assert.ok(drained >= 119_000 && drained <= 125_000, `deleted ${drained} ms after its listeners`)
    await second.stop()
  })

  test('20 that drain hold up nobody', async () => {
    const timeOf = async (world: Simulation, name: string) => {
      await world.create(name)
      return world.until(async () => (await world.hostname(name)) !== undefined, 'an address', 60_000, 20)
    }
    const world = await simulate()
    const operator = world.start()
    await timeOf(world, 'first')
    await world.quiet()
    const alone = await timeOf(world, 'alone')
    const names = Array.from({ length: 20 }, (_, index) => `gone${index}`)
    for (const name of names) await world.create(name, {}, drain(300))
    await world.quiet()
    for (const name of names) await world.remove(name)
    await world.quiet(1000, 20_000)
    const beside = await timeOf(world, 'beside')
    assert.ok(beside <= alone * 1.1 + 20, `${beside} ms beside those that drain, ${alone} ms alone`)
    assert.equal(balancers(world).length, 23)
    await world.until(() => balancers(world).length === 3, 'the 20 are gone')
    await operator.stop()
  })

  test('one that AWS protects keeps its listeners: nothing of it is torn down', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', { ...drain(60), 'roadstead.dev/deletion-protection': 'true' })
    await world.remove('web')
    await world.clock.advance(120_000)
    assert.deepEqual([balancers(world).length, listeners(world).length], [1, 1])
    await operator.stop()
  })

  test('one that somebody else protects keeps its listeners too', async () => {
    const world = await simulate({ aws: { timing } })
    const first = world.start()
    await standing(world, 'web', drain(60))
    await first.stop()
    const [balancer] = balancers(world)
    assert.ok(balancer)
    await world.aws.cloud.modifyLoadBalancerAttributes(
      { loadBalancerArn: balancer.arn, attributes: [{ key: 'deletion_protection.enabled', value: 'true' }] },
      new AbortController().signal,
    )
    await world.remove('web')
    const operator = world.start()
    await world.clock.advance(120_000)
    assert.deepEqual([balancers(world).length, listeners(world).length], [1, 1])
    await operator.stop()
  })
})

describe('a load balancer is replaced', () => {
  const toInternal = (world: Simulation) =>
    world.patch('web', { metadata: { annotations: { 'roadstead.dev/scheme': 'internal' } } })
  const [older, newer] = ['internet-facing', 'internal'] as const
  const of = (world: Simulation, scheme: string) => balancers(world).find((one) => one.scheme === scheme)
  const listenersOf = (world: Simulation, scheme: string) =>
    listeners(world).filter(({ loadBalancerArn }) => loadBalancerArn === of(world, scheme)?.arn).length

  test('the old one drains after the grace time, also when the operator is started anew meanwhile', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', drain(200))
    await toInternal(world)
    await world.until(async () => (await world.hostname('web')) === of(world, newer)?.dnsName, 'the new address')
    const grace = await world.until(
      () => listenersOf(world, older) === 0,
      'the old one takes nothing new',
      600_000,
      250,
    )
    assert.ok(grace >= 115_000 && grace <= 130_000, `${grace} ms of grace`)
    await world.clock.advance(10_000)
    assert.match((await world.condition('web', 'Notice')) ?? '', /Draining until/)
    assert.match((await world.condition('web', 'Programmed')) ?? '', /^True/)
    await operator.stop()
    const second = world.start()
    const drained = await world.until(() => of(world, older) === undefined, 'the old one is gone', 600_000, 250)
    assert.ok(drained >= 185_000 && drained <= 195_000, `gone ${drained} ms later`)
    await world.quiet(30_000)
    assert.equal(listenersOf(world, newer), 1)
    assert.equal(await world.condition('web', 'Notice'), undefined)
    await second.stop()
  })

  /** Instances of the nodes that the new load balancer's target groups find unhealthy. */
  const sick = (world: Simulation, numbers: readonly number[]) => {
    world.aws.account.probe = ({ id }, check) => {
      const group = world.aws.account.targetGroups.values().find(({ healthCheck }) => healthCheck === check)
      const listener = listeners(world).find(({ targetGroupArn }) => targetGroupArn === group?.arn)
      const isOld = listener?.loadBalancerArn === of(world, older)?.arn
      return !isOld && numbers.includes(Number.parseInt(id.slice(2), 16)) ? undefined : 0
    }
  }

  test('with fewer healthy targets than the old one it waits ten minutes, says so, and takes over with what it has', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world)
    const name = await world.hostname('web')
    sick(world, [2])
    await toInternal(world)
    await world.until(() => listenersOf(world, newer) === 1, 'the new one has its listener')
    await world.clock.advance(60_000)
    const told = (await world.condition('web', 'Programmed')) ?? ''
    assert.match(
      told,
      /^False WaitingForHealthyTargets: the new load balancer has 2 of the 3 healthy targets .* from \d{4}-.*Z/,
    )
    assert.equal(await world.hostname('web'), name)
    assert.match((await world.condition('web', 'Ready')) ?? '', /^True/)
    const took = await world.until(async () => (await world.hostname('web')) !== name, 'the new address', 900_000, 250)
    assert.ok(took >= 535_000 && took <= 575_000, `${took} ms after the first minute`)
    assert.match((await world.condition('web', 'Notice')) ?? '', /ReplacementLessHealthy/)
    await world.until(() => of(world, older) === undefined, 'the old one is gone', 600_000, 250)
    await operator.stop()
  })

  test('without any healthy target it never takes over: the old one serves, a warning says what to do, and 0 goes on', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world, 'web', { 'roadstead.dev/replacement-wait-seconds': '60' })
    const name = await world.hostname('web')
    sick(world, [1, 2, 3])
    await toInternal(world)
    await world.until(() => listenersOf(world, newer) === 1, 'the new one has its listener')
    await world.clock.advance(1_200_000)
    assert.match(
      (await world.condition('web', 'Programmed')) ?? '',
      /^False ReplacementUnhealthy: .*replacement-wait-seconds to 0/,
    )
    assert.equal(await world.hostname('web'), name)
    assert.equal(listenersOf(world, older), 1)
    const told = (await world.eventsOf('web')).filter(({ reason }) => reason === 'ReplacementUnhealthy')
    assert.deepEqual([told.length, told[0]?.type], [1, 'Warning'])
    await world.patch('web', { metadata: { annotations: { 'roadstead.dev/replacement-wait-seconds': '0' } } })
    await world.until(async () => (await world.hostname('web')) !== name, 'the new address', 60_000)
    await operator.stop()
  })

  test('as soon as its targets are healthy it takes over', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world)
    const name = await world.hostname('web')
    sick(world, [1, 2, 3])
    await toInternal(world)
    await world.until(() => listenersOf(world, newer) === 1, 'the new one has its listener')
    await world.clock.advance(1_200_000)
    assert.equal(await world.hostname('web'), name)
    sick(world, [])
    await world.until(async () => (await world.hostname('web')) !== name, 'the new address', 60_000)
    await operator.stop()
  })

  test('where the old one has no healthy target either there is nothing to wait for', async () => {
    const world = await simulate({ aws: { timing } })
    const operator = world.start()
    await standing(world)
    const name = await world.hostname('web')
    world.aws.account.probe = () => undefined
    await world.clock.advance(400_000)
    await toInternal(world)
    await world.until(async () => (await world.hostname('web')) !== name, 'the new address', 120_000)
    await operator.stop()
  })
})
