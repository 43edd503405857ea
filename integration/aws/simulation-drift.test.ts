/**
 * What people change by hand is put back: within ten minutes whenever it happens between two looks, and by every restart; what is theirs
 * stays. All of it in the reads that a look may cost.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { counted, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const { signal } = new AbortController()
const minuteMs = 60_000
/** Issue: healed within so long by default. */
const healedMs = 10 * minuteMs
/** A look at the latest: --drift-interval. */
const lookMs = 3 * minuteMs

interface Damage {
  act: (world: Simulation) => unknown
  /** A restart reads it at its first look; attributes are read at the second and, of listeners, at the third. */
  restartMs: number
}

const atOnce = 30_000

function balancerArn({ aws }: Simulation): string {
  return aws.account.loadBalancers.values()[0]?.arn ?? ''
}

function targetGroupArn({ aws }: Simulation): string {
  return aws.account.targetGroups.values()[0]?.arn ?? ''
}

function emptied({ aws }: Simulation, groupIds: readonly string[]): void {
  for (const id of groupIds) {
    const group = aws.account.securityGroups.get(id)
    assert.ok(group !== undefined && group.rules.length > 0)
    aws.account.securityGroups.put(id, { ...group, rules: [] })
  }
}

const damages: Readonly<Record<string, Damage>> = {
  'a listener is deleted': {
    restartMs: atOnce,
    act({ aws }) {
      const [listener] = aws.account.listeners.values()
      return aws.cloud.deleteListener({ listenerArn: listener?.arn ?? '' }, signal)
    },
  },
  'a target is deregistered': {
    restartMs: atOnce + minuteMs,
    act({ aws }) {
      const [target] = aws.account.targets.values().filter(({ deregisteredAt }) => deregisteredAt === undefined)
      assert.ok(target)
      const { targetGroupArn: arn, id, port } = target
      return aws.cloud.deregisterTargets({ targetGroupArn: arn, targets: [{ id, port }] }, signal)
    },
  },
  'a foreign target is registered': {
    restartMs: atOnce,
    act({ aws }) {
      const [target] = aws.account.targets.values()
      assert.ok(target)
      return aws.cloud.registerTargets(
        { targetGroupArn: target.targetGroupArn, targets: [{ id: target.id, port: 9 }] },
        signal,
      )
    },
  },
  'the health check is changed': {
    restartMs: atOnce,
    act: (world) =>
      world.aws.cloud.modifyTargetGroup(
        { targetGroupArn: targetGroupArn(world), healthCheckIntervalSeconds: 30 },
        signal,
      ),
  },
  'the rules of the load balancer are emptied': {
    restartMs: atOnce,
    act(world) {
      const own = world.aws.account.securityGroups
        .values()
        .filter(({ tags }) => tags['roadstead.dev/resource'] === 'security-group')
      emptied(
        world,
        own.map(({ groupId }) => groupId),
      )
    },
  },
  'the rules of the nodes are emptied': {
    restartMs: atOnce,
    act: (world) => emptied(world, [world.base.nodeGroupId]),
  },
  'an attribute of the load balancer that nobody asked for is changed': {
    restartMs: lookMs + atOnce,
    act: (world) =>
      world.aws.cloud.modifyLoadBalancerAttributes(
        {
          loadBalancerArn: balancerArn(world),
          attributes: [{ key: 'load_balancing.cross_zone.enabled', value: 'true' }],
        },
        signal,
      ),
  },
  'an attribute of the target group that was asked for is changed': {
    restartMs: lookMs + atOnce,
    act: (world) =>
      world.aws.cloud.modifyTargetGroupAttributes(
        {
          targetGroupArn: targetGroupArn(world),
          attributes: [{ key: 'deregistration_delay.timeout_seconds', value: '1234' }],
        },
        signal,
      ),
  },
  'an attribute of the listener that nobody asked for is changed': {
    restartMs: 2 * lookMs + atOnce,
    act: ({ aws }) =>
      aws.cloud.modifyListenerAttributes(
        {
          listenerArn: aws.account.listeners.values()[0]?.arn ?? '',
          attributes: [{ key: 'tcp.idle_timeout.seconds', value: '60' }],
        },
        signal,
      ),
  },
  'the load balancer and its listeners are deleted': {
    restartMs: 5 * minuteMs,
    act: (world) => world.aws.cloud.deleteLoadBalancer({ loadBalancerArn: balancerArn(world) }, signal),
  },
}

async function standing() {
  const world = await simulate()
  const operator = world.start()
  await world.create('web', {}, { 'roadstead.dev/drain-seconds': '20' })
  await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
  // Beyond the time in which something new counts as not visible yet.
  await world.clock.advance(15 * minuteMs)
  return { world, operator }
}

/** Lines of what is draining pass by themselves. */
const lines = ({ inventory }: Simulation) => inventory().filter((line) => !line.startsWith('draining'))

describe('drift', () => {
  for (const [title, { act, restartMs }] of Object.entries(damages)) {
    test(`${title}: put back within 10 minutes, whenever it happens, and by a restart`, async () => {
      const { world, operator } = await standing()
      const before = lines(world)
      const isHealed = () => JSON.stringify(lines(world)) === JSON.stringify(before)
      assert.ok(isHealed())
      for (let phase = 0; phase < 8; phase++) {
        await world.clock.advance(phase * 77_000)
        await act(world)
        assert.ok(!isHealed())
        await world.until(isHealed, `healed, phase ${phase}`, healedMs, 1000)
      }
      await operator.stop()
      await act(world)
      const second = world.start()
      await world.until(isHealed, 'healed by a restart', restartMs, 1000)
      await world.until(
        async () => (await world.condition('web', 'Programmed'))?.startsWith('True') === true,
        'the status',
      )
      await second.stop()
    })
  }

  test('looking for all of it costs at most 2.2 reads per Service and look, and writes nothing', async (context) => {
    const world = await simulate({ aws: { quotas: { loadBalancers: 200 } } })
    const operator = world.start()
    const names = Array.from({ length: 100 }, (_, index) => `web-${index}`)
    for (const name of names) await world.create(name)
    for (const name of names) await world.until(async () => (await world.hostname(name)) !== undefined, name)
    await world.clock.advance(30 * minuteMs)
    world.aws.take()
    const looks = 24
    // A look comes after 75 to 100 % of the interval.
    await world.clock.advance(looks * lookMs * 0.875)
    const { reads, mutating } = counted(world.aws.take())
    const perLook = reads / names.length / looks
    context.diagnostic(`${perLook} reads per Service and look`)
    assert.ok(perLook <= 2.2, `${perLook} reads per Service and look`)
    assert.equal(mutating, 0)
    await operator.stop()
  })

  test('what others added stays: a rule of theirs, a tag, a listener attribute of no concern', async () => {
    const { world, operator } = await standing()
    const { aws, base } = world
    const rule = { ipProtocol: 'tcp', fromPort: 22, toPort: 22, ipRanges: [{ cidrIp: '10.0.0.0/8' }] }
    await aws.cloud.authorizeSecurityGroupIngress({ groupId: base.nodeGroupId, ipPermissions: [rule] }, signal)
    const [loadBalancer] = aws.account.loadBalancers.values()
    const tags = [{ key: 'cost-centre', value: '7' }]
    await aws.cloud.addTags({ resourceArns: [loadBalancer?.arn ?? ''], tags }, signal)
    const after = world.inventory()
    aws.take()
    await world.clock.advance(1_200_000)
    assert.deepEqual(world.inventory(), after)
    assert.equal(counted(aws.take()).mutating, 0)
    await operator.stop()
  })
})
