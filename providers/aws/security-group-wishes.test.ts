import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, pass, signal, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { CloudError } from '../contract.ts'
import { fakeAwsWorld } from './world.ts'
import type { AwsWorld } from './world.ts'

const wish = (groups: string): SpecChanges => ({ parameters: { 'security-groups': groups } })

/** A group of the user's with this Name tag; its id. */
async function group({ aws, base }: AwsWorld, name: string): Promise<string> {
  const { groupId } = await aws.cloud.createSecurityGroup(
    {
      groupName: `group-${aws.account.securityGroups.values().length}`,
      description: 'theirs',
      vpcId: base.vpcId,
      tagSpecifications: [{ resourceType: 'security-group', tags: [{ key: 'Name', value: name }] }],
    },
    signal(),
  )
  return groupId
}

const carried = ({ aws: { account } }: AwsWorld) =>
  account.loadBalancers
    .values()
    .flatMap(({ securityGroups }) => securityGroups)
    .filter((id) => account.securityGroups.get(id)?.description === 'theirs')
    .sort()

const changes = (world: AwsWorld) => world.aws.take().filter(({ action }) => action === 'setSecurityGroups').length

describe('security groups of the user', () => {
  test('are named by id or by Name tag, at creation and in an edit', async () => {
    const world = fakeAwsWorld()
    const [front, back] = [await group(world, 'the front'), await group(world, 'back')]
    await converge(world, specOf(world, wish(`the front,${back}`)))
    assert.deepEqual(carried(world), [front, back].sort())
    await converge(world, specOf(world, wish('back')))
    assert.deepEqual(carried(world), [back])
    await converge(world, specOf(world))
    assert.deepEqual(carried(world), [])
  })

  test('a name that stands costs no write, after a restart neither, and what replaced it by hand goes', async () => {
    const world = fakeAwsWorld()
    const front = await group(world, 'front')
    const other = await group(world, 'other')
    await converge(world, specOf(world, wish('front')))
    changes(world)
    assert.deepEqual(await pass(await world.restart(), specOf(world, wish('front'))), [])
    assert.equal(changes(world), 0)
    const [balancer] = world.aws.account.loadBalancers.values()
    const securityGroups = (balancer?.securityGroups ?? []).map((id) => (id === front ? other : id))
    await world.aws.cloud.setSecurityGroups({ loadBalancerArn: balancer?.arn ?? '', securityGroups }, signal())
    await world.restart()
    await converge(world, specOf(world, wish('front')))
    assert.deepEqual(carried(world), [front])
  })

  test('a name that is missing, or that several groups have, is told with what to do', async () => {
    const world = fakeAwsWorld()
    const refused = async (name: string, message: RegExp) =>
      assert.rejects(
        pass(world.provider, specOf(world, wish(name))),
        (error) =>
          error instanceof CloudError && error.reason === 'SecurityGroupNotFound' && message.test(error.message),
      )
    await refused('front', /names front: no security group of the VPC has this Name tag/)
    const ids = [await group(world, 'front'), await group(world, 'front')]
    await refused('front', new RegExp(`several .*${ids.toSorted().join('|')}.*give the id`))
  })
})
