/** Security groups of nodes over time, in virtual time: a node of another network, node groups that are replaced, no nodes at all. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nodes } from '../../kube/resources.ts'
import { putInstance, seed } from '../../providers/aws/fake/seed.ts'
import type { Seeded } from '../../providers/aws/fake/seed.ts'
import { instanceId } from '../../providers/aws/world.ts'
import { awsNode, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const rulesOf = (world: Simulation, groupId: string) => world.aws.account.securityGroups.get(groupId)?.rules.length
const served = (world: Simulation, name: string) => async () => (await world.hostname(name)) !== undefined

/** A node whose instance stands elsewhere. */
async function addNodeIn(world: Simulation, number: number, base: Seeded) {
  putInstance(world.aws.account, base, instanceId(number), number)
  await world.client.create(nodes, awsNode(number))
}

function anotherGroup(world: Simulation): Seeded {
  const groupId = 'sg-00000000000000abc'
  const { vpcId } = world.base
  world.aws.account.securityGroups.put(groupId, {
    groupId,
    groupName: 'nodes-of-the-second-pool',
    description: 'x',
    vpcId,
    rules: [],
    tags: {},
  })
  return { ...world.base, nodeGroupId: groupId }
}

describe('security groups of nodes', () => {
  test('a node in another VPC holds nobody up: new Services are served by the others, and its group is left alone', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('first')
    await world.quiet()
    const elsewhere = seed(world.aws.account, { cluster: 'other' })
    await addNodeIn(world, 4, elsewhere)
    await world.quiet()
    await world.create('second')
    await world.until(served(world, 'second'), 'an address of the second Service', 30_000)
    await world.quiet()
    assert.equal(await world.condition('first', 'Programmed'), await world.condition('second', 'Programmed'))
    assert.match((await world.condition('second', 'Programmed')) ?? '', /^True/)
    assert.equal(rulesOf(world, elsewhere.nodeGroupId), 0)
    assert.equal(world.aws.account.loadBalancers.values().length, 2)
    await operator.stop()
  })

  test('as many nodes in one VPC as in another: a person has to say which, and both are named', async () => {
    const world = await simulate({ nodes: 1 })
    const elsewhere = seed(world.aws.account, { cluster: 'other' })
    await addNodeIn(world, 4, elsewhere)
    await world.clock.advance(60_000)
    const operator = world.start()
    await world.create('web')
    await world.quiet()
    const told = (await world.condition('web', 'Programmed')) ?? ''
    for (const word of ['VpcUnknown', world.base.vpcId, elsewhere.vpcId, 'setting vpc'])
      assert.ok(told.includes(word), told)
    await operator.stop()
  })

  test('all nodes go, then the Services: their rules go too, and nothing is left', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('web')
    await world.quiet()
    assert.ok(rulesOf(world, world.base.nodeGroupId))
    for (const number of [1, 2, 3]) await world.removeNode(number)
    await world.quiet()
    await world.remove('web')
    await world.until(async () => (await world.service('web')) === undefined, 'the Service is gone')
    await world.quiet()
    assert.equal(rulesOf(world, world.base.nodeGroupId), 0)
    assert.deepEqual(world.inventory(), [])
    await operator.stop()
  })

  test('nodes are replaced by others with another security group: also the old group ends without a rule, across a restart', async () => {
    const world = await simulate()
    const before = world.start()
    await world.create('web')
    await world.quiet()
    const second = anotherGroup(world)
    await addNodeIn(world, 4, second)
    await addNodeIn(world, 5, second)
    for (const number of [1, 2, 3]) await world.removeNode(number)
    await world.quiet()
    assert.ok(rulesOf(world, second.nodeGroupId))
    await before.stop()
    const operator = world.start()
    await world.quiet()
    await world.remove('web')
    await world.until(async () => (await world.service('web')) === undefined, 'the Service is gone')
    await world.quiet()
    assert.equal(rulesOf(world, world.base.nodeGroupId), 0)
    assert.equal(rulesOf(world, second.nodeGroupId), 0)
    assert.equal(world.aws.account.securityGroups.values().length, 2, 'those of the nodes')
    await operator.stop()
  })

  test('a Service that opens its node ports itself: ours close, also beside one that does not, and open again with the wish', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('managed')
    await world.create('own')
    await world.quiet()
    const before = rulesOf(world, world.base.nodeGroupId)
    const wish = (rules: string | null) =>
      world.patch('own', { metadata: { annotations: { 'roadstead.dev/node-rules': rules } } })
    await wish('none')
    await world.quiet(400_000, 900_000)
    assert.equal(rulesOf(world, world.base.nodeGroupId), (before ?? 0) - 1)
    await world.remove('managed')
    await world.quiet(60_000)
    assert.equal(rulesOf(world, world.base.nodeGroupId), 0)
    await wish(null)
    await world.quiet()
    assert.equal(rulesOf(world, world.base.nodeGroupId), 2)
    await operator.stop()
  })
})
