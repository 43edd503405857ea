/** The life of Services on AWS in virtual time, with AWS's phases: calls counted, moments of truth, refusals, faults. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { realistic } from '../../providers/aws/fake/account.ts'
import { measuredBuckets } from '../../providers/aws/fake/throttle.ts'
import { counted, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const hasAddress = (world: Simulation, name: string) => async () => (await world.hostname(name)) !== undefined

describe('AWS calls, caches warm', () => {
  test('the second Service with one port takes at most 10 calls, 7 of them mutating', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('first')
    await world.quiet()
    world.aws.take()
    await world.create('second')
    await world.quiet()
    const { total, mutating, byAction } = counted(world.aws.take())
    assert.ok(await world.hostname('second'))
    assert.ok(total <= 10 && mutating <= 7, JSON.stringify({ total, mutating, byAction }))
    await operator.stop()
  })

  test('a Service with three ports takes at most 16', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('first')
    await world.quiet()
    world.aws.take()
    const ports = [80, 443, 8080].map((port) => ({ name: `p${port}`, port }))
    await world.create('second', { ports })
    await world.quiet()
    const { total, byAction } = counted(world.aws.take())
    assert.ok(await world.hostname('second'))
    assert.ok(total <= 16, JSON.stringify({ total, byAction }))
    await operator.stop()
  })

  test('a node more is at most 2 calls for one Service', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('web')
    await world.quiet()
    world.aws.take()
    await world.addNode(4)
    await world.quiet()
    const { total, byAction } = counted(world.aws.take())
    assert.ok(total <= 2 && byAction.registerTargets === 1, JSON.stringify({ total, byAction }))
    await operator.stop()
  })

  test('deletion leaves nothing, also when AWS lets go of groups minutes later', async () => {
    const world = await simulate({ aws: { timing: realistic } })
    const operator = world.start()
    await world.create('web')
    await world.until(hasAddress(world, 'web'), 'an address')
    await world.quiet(30_000)
    await world.remove('web')
    await world.until(async () => (await world.service('web')) === undefined, 'the Service is gone')
    await world.quiet(30_000)
    assert.deepEqual(world.inventory(), [])
    await operator.stop()
  })
})

describe('the address', () => {
  test('is published only when listener and targets stand, and the load balancer is active', async () => {
    const world = await simulate({ aws: { timing: { provisioningMs: 150_000 } } })
    const operator = world.start()
    await world.create('web')
    const took = await world.until(hasAddress(world, 'web'), 'an address')
    assert.ok(took >= 150_000, `published after ${took} ms`)
    assert.equal(world.aws.account.listeners.values().length, 1)
    assert.equal(world.aws.account.targets.values().length, 3)
    await operator.stop()
  })
})

describe('100 Services', () => {
  const names = Array.from({ length: 100 }, (_, index) => `s${index + 1}`)
  const all = (world: Simulation) => async () => {
    const hostnames = await Promise.all(names.map((name) => world.hostname(name)))
    return hostnames.every((hostname) => hostname !== undefined)
  }
  const big = { quotas: { loadBalancers: 200 } }

  test('on 50 nodes: at most 1,000 calls and 12 s; a restart writes nothing and reads at most 220 times', async () => {
    const world = await simulate({ nodes: 50, aws: big })
    const operator = world.start()
    await world.clock.advance(2000)
    world.aws.take()
    for (const name of names) await world.create(name)
    const took = await world.until(all(world), 'all addresses', 120_000)
    const { total, byAction } = counted(world.aws.calls)
    assert.ok(total <= 1000 && took <= 12_000, JSON.stringify({ total, took, byAction }))
    assert.equal(world.aws.account.targets.values().length, 100 * 50)
    await world.quiet()
    await operator.stop()
    world.aws.take()
    const second = world.start()
    await world.quiet(60_000)
    const again = counted(world.aws.take())
    assert.ok(again.mutating === 0 && again.reads <= 220, JSON.stringify(again))
    await second.stop()
  })

  test("under AWS's buckets: no throttle answer, and at most 1.05 of the floor of 93 s", async () => {
    const world = await simulate({ nodes: 50, aws: { ...big, buckets: measuredBuckets } })
    const operator = world.start()
    await world.clock.advance(2000)
    world.aws.take()
    for (const name of names) await world.create(name)
    const took = await world.until(all(world), 'all addresses')
    const { throttled, byAction } = counted(world.aws.take())
    assert.ok(throttled === 0 && took <= 93_300 * 1.05, JSON.stringify({ throttled, took, byAction }))
    await operator.stop()
  })

  test('10 nodes, one every 3 s: at most 130 registrations and 20 reads, all in within 24 s', async () => {
    const world = await simulate({ nodes: 3, aws: { ...big, buckets: measuredBuckets } })
    const first = world.start()
    for (const name of names) await world.create(name)
    await world.until(all(world), 'all addresses')
    await world.quiet(60_000)
    await first.stop()
    // As the bench does: a process that has just looked at everything, so that no regular look falls into what is counted.
    const operator = world.start()
    await world.clock.advance(30_000)
    world.aws.take()
    for (let number = 11; number <= 20; number++) {
      if (number > 11) await world.clock.advance(3000)
      await world.addNode(number)
    }
    const registered = () => world.aws.account.targets.values().length === 100 * 13
    const took = await world.until(registered, 'all registered')
    const { reads, throttled, byAction } = counted(world.aws.take())
    const facts = JSON.stringify({ took, reads, throttled, byAction })
    assert.ok((byAction.registerTargets ?? 0) <= 130 && reads <= 20 && took <= 24_000 && throttled === 0, facts)
    await operator.stop()
  })

  test('under a quota of 60 rules per group: all are served', async () => {
    const world = await simulate({ aws: big })
    const operator = world.start()
    for (const name of names) await world.create(name)
    await world.until(all(world), 'all addresses', 300_000)
    const rules = world.aws.account.securityGroups.get(world.base.nodeGroupId)?.rules ?? []
    assert.ok(rules.length <= 60, `${rules.length} rules`)
    const opened = (port: number) =>
      rules.some(
        ({ fromPort = 0, toPort = 0, ipProtocol }) => ipProtocol === 'tcp' && fromPort <= port && port <= toPort,
      )
    for (const name of names) {
      const nodePort = (await world.service(name))?.spec.ports?.[0]?.nodePort ?? 0
      assert.ok(opened(nodePort), `${name}: ${nodePort} is closed`)
    }
    await operator.stop()
  })
})

describe('slow deletes', () => {
  test('20 that wait for minutes hold up nobody', async () => {
    const timeOf = async (world: Simulation, name: string) => {
      await world.create(name)
      return world.until(hasAddress(world, name), 'an address', 60_000, 20)
    }
    const world = await simulate({ aws: { timing: { interfaceMs: 300_000, releaseMs: 300_000 } } })
    const operator = world.start()
    await timeOf(world, 'first')
    await world.quiet()
    const alone = await timeOf(world, 'alone')
    const names = Array.from({ length: 20 }, (_, index) => `gone${index}`)
    for (const name of names) await world.create(name)
    await world.quiet()
    for (const name of names) await world.remove(name)
    await world.quiet(1000, 20_000)
    const beside = await timeOf(world, 'beside')
    assert.ok(beside <= alone * 1.1 + 20, `${beside} ms beside the deletes, ${alone} ms alone`)
    await world.until(
      async () => (await Promise.all(names.map((name) => world.service(name)))).every((each) => each === undefined),
      'all are gone',
    )
    for (const name of ['first', 'alone', 'beside']) await world.remove(name)
    await world.until(() => world.inventory().length === 0, 'nothing is left', 900_000, 1000)
    await operator.stop()
  })
})

describe('bad nodes', () => {
  test('one without a providerID or with an unknown instance blocks nobody', async () => {
    const world = await simulate()
    const { aws } = world
    await world.addNode(7, { spec: { providerID: '' } })
    await world.addNode(8)
    aws.account.instances.remove([...aws.account.instances.values()].at(-1)?.instanceId ?? '')
    const operator = world.start()
    await world.create('web')
    await world.until(hasAddress(world, 'web'), 'an address', 60_000)
    assert.equal(aws.account.targets.values().length, 3)
    await world.addNode(9)
    await world.until(() => aws.account.targets.values().length === 4, 'the good node is registered', 60_000)
    await operator.stop()
  })

  test('all NotReady: the targets stay', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('web')
    await world.quiet()
    world.aws.take()
    const { nodes } = await import('../../kube/resources.ts')
    for (const number of [1, 2, 3]) {
      const body = { status: { conditions: [{ type: 'Ready', status: 'False' }] } }
      await world.client.patch(nodes, { name: `n${number}` }, { type: 'merge', body })
    }
    await world.quiet()
    assert.equal(counted(world.aws.take()).mutating, 0)
    assert.equal(world.aws.account.targets.values().length, 3)
    await operator.stop()
  })
})
