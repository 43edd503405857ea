/**
 * What a Service says though it is served: nodes that get no traffic, node groups that cannot be told, annotations without effect. One
 * condition with stable words, one event for each matter, nothing written while nothing changes.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nodes } from '../../kube/resources.ts'
import { putInstance } from '../../providers/aws/fake/seed.ts'
import { instanceId } from '../../providers/aws/world.ts'
import { awsNode, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const { signal } = new AbortController()
const minuteMs = 60_000

async function served(world: Simulation, name = 'web', annotations: Record<string, string> = {}): Promise<void> {
  await world.create(name, {}, annotations)
  await world.until(async () => (await world.hostname(name)) !== undefined, `an address for ${name}`)
  await world.quiet(20_000)
}

const notice = (world: Simulation, name = 'web') => world.condition(name, 'Notice')

async function eventsBy(world: Simulation, reason: string, name = 'web'): Promise<number> {
  const found = (await world.eventsOf(name)).filter((event) => event.reason === reason)
  return found.reduce((sum, { count = 1 }) => sum + count, 0)
}

/** Two restarts and an hour of looks: neither another word nor another event. */
async function staysAsItIs(world: Simulation, running: { stop(): Promise<void> }): Promise<void> {
  const before = await world.service('web')
  const events = async () => (await world.eventsOf('web')).map(({ reason, count = 1 }) => `${reason} ${count}`)
  const told = await events()
  let operator = running
  for (let restart = 0; restart < 2; restart++) {
    await world.clock.advance(30 * minuteMs)
    await operator.stop()
    operator = world.start()
  }
  await world.clock.advance(5 * minuteMs)
  assert.equal((await world.service('web'))?.metadata.resourceVersion, before?.metadata.resourceVersion)
  assert.deepEqual(await events(), told)
  await operator.stop()
}

const registered = ({ aws }: Simulation) => aws.account.targets.values().map(({ id }) => id)

describe('a bad node blocks nobody and is named', () => {
  test('an instance that AWS does not know', async () => {
    const world = await simulate()
    await world.client.create(nodes, awsNode(9))
    const operator = world.start()
    await served(world)
    assert.deepEqual(registered(world).toSorted(), [1, 2, 3].map(instanceId))
    assert.match((await world.condition('web', 'Programmed')) ?? '', /^True/)
    assert.match(
      (await notice(world)) ?? '',
      new RegExp(`^True InstanceRefused: no traffic for node n9 \\(${instanceId(9)}\\)`),
    )
    assert.equal(await eventsBy(world, 'InstanceRefused'), 1)
    await staysAsItIs(world, operator)
  })

  test('an instance that AWS learns of a while after its node: registered soon, and named no more', async () => {
    const world = await simulate()
    const operator = world.start()
    await served(world)
    await world.client.create(nodes, awsNode(9))
    await world.until(async () => /n9/.test((await notice(world)) ?? ''), 'the notice', 30_000)
    await world.clock.advance(30_000)
    putInstance(world.aws.account, world.base, instanceId(9), 9)
    const tookMs = await world.until(() => registered(world).includes(instanceId(9)), 'registered')
    assert.ok(tookMs <= 2 * minuteMs, `${tookMs} ms`)
    await world.until(async () => (await notice(world)) === undefined, 'no notice any more', minuteMs)
    await operator.stop()
  })

  test('a node without a providerID, one of another cloud, one that is no instance; over when they are gone', async () => {
    const world = await simulate()
    await world.client.create(nodes, awsNode(7, { metadata: {}, spec: { providerID: '' } }))
    await world.client.create(nodes, awsNode(8, { spec: { providerID: 'gce://project/zone/x' } }))
    await world.client.create(nodes, awsNode(9, { spec: { providerID: 'aws:///eu-central-1a/not-an-instance' } }))
    const operator = world.start()
    await served(world)
    assert.deepEqual(registered(world).toSorted(), [1, 2, 3].map(instanceId))
    const said = (await notice(world)) ?? ''
    assert.match(said, /no traffic for node n9: spec\.providerID names no EC2 instance/)
    assert.match(said, /no traffic for node n7, n8: spec\.providerID is of no cloud of this operator \(aws\)/)
    assert.deepEqual([await eventsBy(world, 'NodeWithoutInstance'), await eventsBy(world, 'NodeWithoutCloud')], [1, 1])
    for (const number of [7, 8, 9]) await world.removeNode(number)
    await world.until(async () => (await notice(world)) === undefined, 'no notice any more', minuteMs)
    assert.match((await world.condition('web', 'Programmed')) ?? '', /^True/)
    await operator.stop()
  })

  test('a node that comes later without a providerID is said within seconds, in every Service once', async () => {
    const world = await simulate()
    const operator = world.start()
    await served(world)
    await served(world, 'other')
    await world.client.create(nodes, awsNode(7, { spec: { providerID: '' } }))
    for (const name of ['web', 'other']) {
      await world.until(async () => /n7/.test((await notice(world, name)) ?? ''), 'the notice', 30_000)
      assert.equal(await eventsBy(world, 'NodeWithoutCloud', name), 1)
    }
    await staysAsItIs(world, operator)
  })
})

describe('the security group of some nodes cannot be told', () => {
  test('the nodes, the candidates and the tag are named, the others are served, over when a group is tagged', async () => {
    const world = await simulate()
    const { aws, base } = world
    const groups: { groupId: string; groupName: string }[] = []
    for (const groupName of ['one', 'two']) {
      const { groupId } = await aws.cloud.createSecurityGroup(
        { groupName, description: 'x', vpcId: base.vpcId, tagSpecifications: [] },
        signal,
      )
      groups.push({ groupId, groupName })
    }
    const held = aws.account.instances.get(instanceId(3))
    assert.ok(held)
    aws.account.instances.put(instanceId(3), { ...held, securityGroups: groups })
    const operator = world.start()
    await served(world)
    const said = (await notice(world)) ?? ''
    assert.match(said, /^True NodeSecurityGroupUnknown: no rules for node n3: /)
    for (const { groupId, groupName } of groups) assert.ok(said.includes(`${groupId} (${groupName})`), said)
    assert.match(said, /tag exactly one with kubernetes\.io\/cluster\//)
    assert.equal(await eventsBy(world, 'NodeSecurityGroupUnknown'), 1)
    const tags = [{ key: 'kubernetes.io/cluster/c1', value: 'owned' }]
    await aws.cloud.createTags({ resources: [groups[0]?.groupId ?? ''], tags }, signal)
    const tookMs = await world.until(async () => (await notice(world)) === undefined, 'no notice', 11 * minuteMs, 1000)
    assert.ok(tookMs <= 10 * minuteMs)
    assert.equal(aws.account.securityGroups.get(groups[0]?.groupId ?? '')?.rules.length, 2)
    await operator.stop()
  })
})

describe('annotations of other controllers on one of our Services', () => {
  const elb = 'service.beta.kubernetes.io/aws-load-balancer-'

  test('are named with their equivalents in a condition and one event, and the Service is served', async () => {
    const world = await simulate()
    const operator = world.start()
    await served(world, 'web', {
      [`${elb}cross-zone-load-balancing-enabled`]: 'true',
      [`${elb}type`]: 'external',
      [`${elb}name`]: 'mine',
    })
    const said = (await notice(world)) ?? ''
    assert.match(said, /^True ForeignAnnotations: /)
    assert.ok(said.includes(`${elb}cross-zone-load-balancing-enabled: use roadstead.dev/cross-zone: "true"`), said)
    assert.ok(said.includes(`${elb}type: not needed: `) && said.includes(`${elb}name: no equivalent: `), said)
    assert.equal(await eventsBy(world, 'ForeignAnnotations'), 1)
    await staysAsItIs(world, operator)
    const second = world.start()
    const gone = Object.fromEntries(
      ['cross-zone-load-balancing-enabled', 'type', 'name'].map((key) => [elb + key, null]),
    )
    await world.patch('web', { metadata: { annotations: gone } })
    await world.until(async () => (await notice(world)) === undefined, 'no notice', minuteMs)
    await second.stop()
  })
})
