/**
 * Things that people delete under the operator: security groups, subnets. The right words, others unaffected, and over without a restart;
 * and what is missing for good ends in a condition, not in silent tries.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { realistic } from '../../providers/aws/fake/account.ts'
import { putInstance } from '../../providers/aws/fake/seed.ts'
import { instanceId } from '../../providers/aws/world.ts'
import { counted, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const { signal } = new AbortController()
const minuteMs = 60_000

async function standing(options: Parameters<typeof simulate>[0] = {}) {
  const world = await simulate(options)
  const operator = world.start()
  for (const name of ['web', 'neighbour']) await served(world, name)
  await world.clock.advance(3 * minuteMs)
  return { world, operator }
}

async function served(world: Simulation, name: string, annotations: Record<string, string> = {}): Promise<void> {
  await world.create(name, {}, annotations)
  await world.until(async () => (await world.hostname(name)) !== undefined, `an address for ${name}`)
}

async function programmed(world: Simulation, name: string): Promise<string> {
  return (await world.condition(name, 'Programmed')) ?? ''
}

async function unaffected(world: Simulation, name: string, hostname: string | undefined): Promise<void> {
  assert.equal(await world.hostname(name), hostname)
  assert.match(await programmed(world, name), /^True/)
  const warned = (await world.eventsOf(name)).filter(({ type }) => type === 'Warning')
  assert.deepEqual(
    warned.map(({ message }) => message),
    [],
  )
}

describe('a security group is deleted by hand', () => {
  test('that of a load balancer: made again and put back within 10 minutes, without a restart', async () => {
    const { world, operator } = await standing()
    const { aws, base } = world
    const [hostname, neighbour] = [await world.hostname('web'), await world.hostname('neighbour')]
    const before = world.inventory()
    const balancer = aws.account.loadBalancers.values().find(({ dnsName }) => dnsName === hostname)
    assert.ok(balancer)
    const own = balancer.securityGroups.filter((id) => aws.account.securityGroups.get(id)?.groupName.includes('web'))
    assert.equal(own.length, 1)
    const others = balancer.securityGroups.filter((id) => !own.includes(id))
    await aws.cloud.setSecurityGroups(
      { loadBalancerArn: balancer.arn, securityGroups: [...others, base.nodeGroupId] },
      signal,
    )
    await world.clock.advance(minuteMs / 2)
    await aws.cloud.deleteSecurityGroup({ groupId: own[0] ?? '' }, signal)
    const healed = () => JSON.stringify(world.inventory()) === JSON.stringify(before)
    await world.until(healed, 'healed', 10 * minuteMs, 1000)
    await unaffected(world, 'neighbour', neighbour)
    assert.equal(await world.hostname('web'), hostname)
    await operator.stop()
  })

  test('that of the nodes, for another one: its rules stand there within 10 minutes, without a restart', async () => {
    const { world, operator } = await standing()
    const { aws, base } = world
    const neighbour = await world.hostname('neighbour')
    const wanted = aws.account.securityGroups.get(base.nodeGroupId)?.rules.length ?? 0
    assert.ok(wanted > 0)
    const { groupId } = await aws.cloud.createSecurityGroup(
      { groupName: 'new-nodes', description: 'x', vpcId: base.vpcId, tagSpecifications: [] },
      signal,
    )
    for (const number of [1, 2, 3])
      putInstance(aws.account, { ...base, nodeGroupId: groupId }, instanceId(number), number)
    await aws.cloud.deleteSecurityGroup({ groupId: base.nodeGroupId }, signal)
    const standsThere = () => aws.account.securityGroups.get(groupId)?.rules.length === wanted
    await world.until(standsThere, 'the rules in the new group', 10 * minuteMs, 1000)
    await served(world, 'late')
    await unaffected(world, 'neighbour', neighbour)
    assert.equal(await world.condition('web', 'Notice'), undefined)
    await operator.stop()
  })

  test('one that a Service names: told by id for as long as it lasts, others are served, over when it is corrected', async () => {
    const { world, operator } = await standing()
    const neighbour = await world.hostname('neighbour')
    await world.create('odd', {}, { 'roadstead.dev/security-groups': 'sg-0123456789abcdef0' })
    await world.clock.advance(20_000)
    assert.match(await programmed(world, 'odd'), /^False SecurityGroupNotFound: .*sg-0123456789abcdef0/)
    world.aws.take()
    await world.clock.advance(60 * minuteMs)
    const attempts = counted(world.aws.take()).byAction.createLoadBalancer ?? 0
    assert.ok(attempts >= 40 && attempts <= 90, `${attempts} attempts in an hour`)
    assert.match(await programmed(world, 'odd'), /^False SecurityGroupNotFound/)
    const told = (await world.eventsOf('odd')).filter(({ type }) => type === 'Warning')
    assert.deepEqual(
      told.map(({ reason, count = 1 }) => [reason, count]),
      [['SecurityGroupNotFound', 1]],
    )
    await unaffected(world, 'neighbour', neighbour)
    await world.patch('odd', { metadata: { annotations: { 'roadstead.dev/security-groups': null } } })
    await world.until(async () => (await world.hostname('odd')) !== undefined, 'an address', minuteMs)
    await operator.stop()
  })
})

describe('a subnet is deleted by hand', () => {
  const internal = { 'roadstead.dev/scheme': 'internal' }

  test('that the operator still remembers: the next Service is served in the others within seconds', async () => {
    const { world, operator } = await standing()
    const { aws, base } = world
    await served(world, 'inside', internal)
    await world.remove('inside')
    await world.until(async () => (await world.service('inside')) === undefined, 'gone', 30 * minuteMs, 1000)
    const neighbour = await world.hostname('neighbour')
    await served(world, 'again')
    const [doomed = '', ...rest] = base.privateSubnetIds
    aws.account.subnets.remove(doomed)
    await world.create('late', {}, internal)
    const tookMs = await world.until(async () => (await world.hostname('late')) !== undefined, 'late', 2 * minuteMs)
    assert.ok(tookMs <= 20_000, `${tookMs} ms`)
    const internals = aws.account.loadBalancers.values().filter(({ scheme }) => scheme === 'internal')
    assert.deepEqual(
      internals.map(({ mappings }) => mappings.map(({ subnetId }) => subnetId).toSorted()),
      [rest.toSorted()],
    )
    await unaffected(world, 'neighbour', neighbour)
    await operator.stop()
  })

  test('the last one of its kind: told, others are served, over within three minutes of a new one', async () => {
    const { world, operator } = await standing()
    const { aws, base } = world
    const neighbour = await world.hostname('neighbour')
    // A subnet with machines in it cannot be deleted.
    for (const number of [1, 2, 3])
      putInstance(aws.account, { ...base, privateSubnetIds: base.publicSubnetIds }, instanceId(number), number)
    const held = base.privateSubnetIds.flatMap((id) => aws.account.subnets.get(id) ?? [])
    for (const { subnetId } of held) aws.account.subnets.remove(subnetId)
    await world.create('late', {}, internal)
    await world.clock.advance(10 * minuteMs)
    assert.match(await programmed(world, 'late'), /^False NoSubnet/)
    await unaffected(world, 'neighbour', neighbour)
    for (const subnet of held) aws.account.subnets.put(subnet.subnetId, subnet)
    const tookMs = await world.until(async () => (await world.hostname('late')) !== undefined, 'late', 12 * minuteMs)
    assert.ok(tookMs <= 3 * minuteMs, `${tookMs} ms`)
    await operator.stop()
  })
})

describe('what AWS does not show yet', () => {
  test("is nobody's concern: no warning in the making and unmaking of ten Services under the lag of AWS", async () => {
    const world = await simulate({ aws: { timing: realistic }, seed: 3 })
    const operator = world.start()
    const names = Array.from({ length: 10 }, (_, index) => `web-${index}`)
    for (const name of names) await world.create(name)
    for (const name of names)
      await world.until(async () => (await world.hostname(name)) !== undefined, name, 15 * minuteMs, 1000)
    const told: string[] = []
    for (const name of names)
      for (const { type, reason, message } of await world.eventsOf(name))
        if (type === 'Warning' && reason !== 'NoHealthyTargets') told.push(`${name} ${reason} ${message}`)
    assert.deepEqual(told, [])
    await operator.stop()
  })

  test('for good is said: the VPC of the nodes, when no instance tells it', async () => {
    const world = await simulate({ nodes: 0 })
    const operator = world.start()
    await world.create('web')
    await world.clock.advance(5 * minuteMs)
    assert.match(await programmed(world, 'web'), /^False VpcUnknown: .*give the setting vpc/)
    const told = (await world.eventsOf('web')).filter(({ type }) => type === 'Warning')
    assert.ok(told.every(({ count = 1 }) => count === 1))
    await world.addNode(1)
    const tookMs = await world.until(async () => (await world.hostname('web')) !== undefined, 'served', 5 * minuteMs)
    assert.ok(tookMs <= minuteMs, `${tookMs} ms`)
    await operator.stop()
  })
})
