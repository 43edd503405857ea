/** What AWS does to the operator: quotas, missing permissions, outages, lost replies; from a seed. Changes by hand: simulation-drift. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isApiError } from '../../kube/client.ts'
import { CloudError } from '../../providers/contract.ts'
import { cloudErrorOf } from '../../providers/aws/errors.ts'
import { realistic } from '../../providers/aws/fake/account.ts'
import { ofAction } from '../../providers/aws/fake/faults.ts'
import { seededRandom } from '../operator/seeded-random.ts'
import { counted, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const { signal } = new AbortController()

async function standing(options: Parameters<typeof simulate>[0] = {}) {
  const world = await simulate(options)
  const operator = world.start()
  await world.create('web')
  await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
  await world.quiet(20_000)
  return { world, operator }
}

describe('refusals', () => {
  const refuse = (world: Simulation, action: Parameters<typeof ofAction>[0], code: string, message: string) =>
    world.aws.faults.list.push({ match: ofAction(action), error: cloudErrorOf(code, message), times: Infinity })

  test('a quota, a missing permission: said in a condition, others unaffected, recovery by itself', async () => {
    for (const [action, code, reason] of [
      ['createLoadBalancer', 'TooManyLoadBalancers', 'QuotaExceeded'],
      ['createTargetGroup', 'TooManyTargetGroups', 'QuotaExceeded'],
      ['createListener', 'AccessDenied', 'PermissionDenied'],
      ['createSecurityGroup', 'UnauthorizedOperation', 'PermissionDenied'],
    ] as const) {
      const { world, operator } = await standing()
      refuse(world, action, code, 'no')
      await world.create('late')
      await world.clock.advance(60_000)
      const { conditions = [] } = (await world.service('late'))?.status ?? {}
      assert.ok(
        conditions.some((condition) => condition.reason === reason),
        `${code}: ${JSON.stringify(conditions)}`,
      )
      const { conditions: others = [] } = (await world.service('web'))?.status ?? {}
      assert.ok(others.every((condition) => condition.reason !== reason))
      world.aws.faults.list.splice(0)
      await world.until(async () => (await world.hostname('late')) !== undefined, `recovery from ${code}`)
      await operator.stop()
    }
  })

  test('AWS is away for two minutes: nothing is taken away, and then all is made', async () => {
    const { world, operator } = await standing()
    const hostname = await world.hostname('web')
    world.aws.faults.interrupt(0, 'not-done')
    await world.create('late')
    await world.clock.advance(120_000)
    assert.equal(await world.hostname('web'), hostname)
    world.aws.faults.reconnect()
    await world.until(async () => (await world.hostname('late')) !== undefined, 'recovery')
    await operator.stop()
  })

  test('deletion protection that somebody else set stays, and is named', async () => {
    const { world, operator } = await standing()
    const [loadBalancer] = world.aws.account.loadBalancers.values()
    const loadBalancerArn = loadBalancer?.arn ?? ''
    const protect = (value: string) =>
      world.aws.cloud.modifyLoadBalancerAttributes(
        { loadBalancerArn, attributes: [{ key: 'deletion_protection.enabled', value }] },
        signal,
      )
    await protect('true')
    await world.remove('web')
    await world.clock.advance(120_000)
    assert.equal(world.aws.account.loadBalancers.values().length, 1)
    assert.equal(world.aws.account.listeners.values().length, 1, 'its listeners stay')
    const { conditions = [] } = (await world.service('web'))?.status ?? {}
    assert.ok(
      conditions.some(({ message }) => /protection/.test(message)),
      JSON.stringify(conditions),
    )
    await protect('false')
    await world.until(async () => (await world.service('web')) === undefined, 'the Service is gone', 1_200_000, 1000)
    assert.deepEqual(world.inventory(), [])
    await operator.stop()
  })
})

describe('anything at all', () => {
  for (let seed = 1; seed <= 12; seed++) {
    test(`seed ${seed}: AWS ends with what the Services ask for`, async () => {
      const random = seededRandom(seed)
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
      const world = await simulate({ seed, aws: { timing: { ...realistic, provisioningMs: 30_000 } } })
      const port = () => ({ name: `p${Math.floor(random() * 1000)}`, port: pick([80, 443, 53]) })
      /** One listener for both protocols: the nodes have to have one port for both as well. */
      const both = (name: string) => {
        const nodePort = 30_000 + name.charCodeAt(0)
        return [
          { name: 'udp', port: 53, protocol: 'UDP', nodePort },
          { name: 'tcp', port: 53, nodePort },
        ]
      }
      const edits: ((name: string) => Promise<unknown>)[] = [
        (name) => world.create(name),
        (name) => world.remove(name),
        (name) => world.patch(name, { spec: { ports: [port()] } }),
        (name) => world.patch(name, { spec: { ports: both(name) } }),
        (name) => world.patch(name, { spec: { externalTrafficPolicy: pick(['Local', 'Cluster']) } }),
        (name) => world.patch(name, { spec: { loadBalancerSourceRanges: pick([null, ['10.0.0.0/8']]) } }),
        (name) => world.patch(name, { spec: { type: 'ClusterIP', externalTrafficPolicy: null } }),
        (name) => world.patch(name, { spec: { type: 'LoadBalancer', loadBalancerClass: 'roadstead.dev/aws' } }),
        (name) =>
          world.patch(name, { metadata: { annotations: { 'roadstead.dev/cross-zone': pick(['true', null]) } } }),
        (name) => world.patch(name, { metadata: { annotations: { 'roadstead.dev/tags': pick(['a=b', null]) } } }),
      ]
      const start = () =>
        world.start(random() < 0.6 ? { at: 1 + Math.floor(random() * 60), when: pick(['before', 'after']) } : undefined)
      let operator = start()
      for (let step = 0; step < 20; step++) {
        await pick(edits)(pick(['a', 'b', 'c'])).catch((error: unknown) => {
          if (!isApiError(error)) throw error
        })
        if (random() < 0.3) {
          const error = new CloudError('unavailable', 'lost', { code: 'ConnectionLost' })
          world.aws.faults.list.push({ error, times: 1, afterwards: random() < 0.5 })
        }
        await world.clock.advance(Math.floor(random() * 8) * 2500)
        if (operator.crashed) {
          await operator.stop()
          operator = start()
        }
      }
      await operator.stop()
      world.aws.faults.list.splice(0)
      const last = world.start()
      await world.quiet(400_000, 3_600_000)
      const { services } = await import('../../kube/resources.ts')
      const { items } = await world.client.list(services, 'default')
      const wanted = items.filter(({ spec }) => spec.type === 'LoadBalancer')
      const { account } = world.aws
      assert.equal(account.loadBalancers.values().length, wanted.length)
      const numbers = wanted.flatMap(({ spec }) => [...new Set((spec.ports ?? []).map((each) => each.port))])
      const listening = account.listeners.values().map((each) => each.port)
      assert.deepEqual(listening.toSorted(byNumber), numbers.toSorted(byNumber))
      assert.equal(account.targetGroups.values().length, numbers.length)
      for (const { metadata, spec, status } of items) {
        const ours = spec.type === 'LoadBalancer'
        assert.equal((status?.loadBalancer?.ingress ?? []).length, ours ? 1 : 0, `${metadata.name}`)
        assert.deepEqual(metadata.finalizers ?? [], ours ? ['roadstead.dev/load-balancer'] : [])
      }
      if (wanted.length === 0) assert.deepEqual(world.inventory(), [])
      await last.stop()
      world.aws.take()
      const another = world.start()
      await world.quiet(60_000)
      await another.stop()
      assert.deepEqual(counted(world.aws.take()).mutating, 0)
    })
  }
})

function byNumber(a: number, b: number): number {
  return a - b
}
