/** The annotation subnets over a load balancer's life, in virtual time: by name, exchanged inside a zone, taken back; the hostname stays. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { actions } from '../../providers/aws/cloud.ts'
import { simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const wish = (subnets: string | null) => ({ metadata: { annotations: { 'roadstead.dev/subnets': subnets } } })

async function scene(subnets?: (ids: readonly string[]) => string) {
  const world = await simulate()
  const ids = world.base.publicSubnetIds
  const [a = '', b = '', c = ''] = ids
  for (const [id, name] of [
    [a, 'pub a'],
    [b, 'pub b'],
    [c, 'pub c'],
  ] as const)
    named(world, id, name)
  const others = [a, b, c].map((id, index) => another(world, id, `other ${'abc'[index]}`))
  let operator = world.start()
  await world.create('web', {}, subnets ? { 'roadstead.dev/subnets': subnets([...ids, ...others]) } : {})
  await world.quiet()
  const hostname = await world.hostname('web')
  return {
    world,
    own: [a, b, c] as const,
    others,
    becomes: async (subnets: string | null, expected: readonly string[]) => {
      await world.patch('web', wish(subnets))
      await world.quiet()
      assert.match((await world.condition('web', 'Programmed')) ?? '', /^True/)
      assert.deepEqual(subnetsOf(world), [...expected].sort())
      assert.equal(await world.hostname('web'), hostname)
      world.aws.take()
    },
    restart: async () => {
      await operator.stop()
      operator = world.start()
      await world.quiet()
    },
    end: async () => {
      await world.remove('web')
      await world.quiet()
      assert.deepEqual(world.inventory(), [])
      await operator.stop()
    },
  }
}

function named(world: Simulation, id: string, name: string) {
  const subnet = world.aws.account.subnets.get(id)
  assert.ok(subnet)
  world.aws.account.subnets.put(id, { ...subnet, tags: [...subnet.tags, { key: 'Name', value: name }] })
}

/** A second one in the same zone, without a tag for load balancers. */
function another(world: Simulation, id: string, name: string): string {
  const subnet = world.aws.account.subnets.get(id)
  assert.ok(subnet)
  const subnetId = `${id.slice(0, -3)}fff${id.at(-1)}`.slice(0, 24)
  world.aws.account.subnets.put(subnetId, { ...subnet, subnetId, tags: [{ key: 'Name', value: name }] })
  return subnetId
}

const subnetsOf = (world: Simulation) =>
  world.aws.account.loadBalancers
    .values()
    .flatMap(({ mappings }) => mappings.map(({ subnetId }) => subnetId))
    .sort()

describe('subnets that are asked for', () => {
  test('by name: another name is another subnet, and without the wish those of a new load balancer are back', async () => {
    const {
      own: [a, b, c],
      others,
      becomes,
      end,
    } = await scene()
    await becomes('pub a,pub b', [a, b])
    await becomes('pub b, pub c', [b, c])
    await becomes('other c,pub b', [others[2] ?? '', b])
    await becomes(null, [a, b, c])
    await becomes(`${a},${b}`, [a, b])
    await becomes(null, [a, b, c])
    await end()
  })

  test('one that does not exist is named, and the load balancer stays where it is', async () => {
    const { world, own, becomes, end } = await scene()
    for (const subnet of ['pub x', 'subnet-0123456789abcdef0']) {
      await world.patch('web', wish(`pub a,${subnet}`))
      await world.quiet()
      const told = (await world.condition('web', 'Programmed')) ?? ''
      assert.ok(told.startsWith('False SubnetUnsuitable') && told.includes(subnet), told)
      assert.deepEqual(subnetsOf(world), [...own].sort())
    }
    await becomes(null, own)
    await end()
  })

  test('exchanged inside their zones, some of them and all at once', async () => {
    const {
      own: [a, b],
      others: [otherA = '', otherB = ''],
      becomes,
      end,
    } = await scene()
    await becomes(`${a},${b}`, [a, b])
    await becomes(`${otherA},${b}`, [otherA, b])
    await becomes(`${a},${otherB}`, [a, otherB])
    await end()
  })

  test('the only one cannot be exchanged inside its zone: it is said what to do', async () => {
    const {
      world,
      others,
      becomes,
      own: [a, b],
      end,
    } = await scene(([first = '']) => first)
    await world.patch('web', wish(others[0] ?? ''))
    await world.quiet()
    assert.match(
      (await world.condition('web', 'Programmed')) ?? '',
      /^False SubnetUnsuitable: .*only subnet.*another zone/,
    )
    await becomes(`${others[0]},${b}`, [others[0] ?? '', b])
    await becomes(`${a},${b}`, [a, b])
    await end()
  })

  test('after a wish there is silence, also of a restarted operator', async () => {
    const {
      world,
      becomes,
      restart,
      own: [a, b],
      end,
    } = await scene()
    await becomes('pub a,pub b', [a, b])
    await restart()
    assert.deepEqual(
      world.aws.take().filter(({ action }) => actions[action].mutating),
      [],
    )
    await end()
  })
})
