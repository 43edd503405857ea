/** What the inventory promises: own writes are known at once, lag is borne, what is not sure is read again, drift is found. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { owner, signal } from '../../conformance-world.ts'
import { CloudError } from '../../contract.ts'
import { actions } from '../cloud.ts'
import { createFakeAws } from '../fake.ts'
import type { FakeAwsOptions } from '../fake.ts'
import { putInstance, seed } from '../fake/seed.ts'
import { createInventory } from './inventory.ts'
import { pairsOf } from './records.ts'
import { ownerTags } from '../tags.ts'

const lookMs = 300_000
const instance = 'i-00000000000000001'
const check = {
  healthCheckProtocol: 'TCP',
  healthCheckPort: 'traffic-port',
  healthCheckIntervalSeconds: 10,
  healthCheckTimeoutSeconds: 10,
  healthyThresholdCount: 3,
  unhealthyThresholdCount: 3,
} as const

function scene(options: FakeAwsOptions = {}) {
  let time = 1_800_000_000_000
  const now = () => time
  const aws = createFakeAws({ now, random: () => 1, ...options })
  const base = seed(aws.account)
  putInstance(aws.account, base, instance, 0)
  time += 60_000
  const inventory = createInventory({ cloud: aws.cloud, now, lookMs })
  const tags = (key: string) => pairsOf(ownerTags(owner, key))
  return {
    aws,
    base,
    inventory,
    later: (ms: number) => (time += ms),
    owned: () => inventory.owned(owner, signal()),
    reads: () =>
      aws
        .take()
        .filter(({ action }) => !actions[action].mutating)
        .map(({ action }) => action),
    makeGroup: async (name = 'rs-shop-web-1') => {
      const { targetGroups } = await inventory.cloud.createTargetGroup(
        {
          name,
          protocol: 'TCP',
          port: 30_080,
          vpcId: base.vpcId,
          targetType: 'instance',
          ...check,
          tags: tags('target-group/80'),
        },
        signal(),
      )
      return targetGroups[0]?.targetGroupArn ?? ''
    },
  }
}

describe('inventory', () => {
  test('what was made is seen without a read', async () => {
    const { makeGroup, owned, reads } = scene()
    await owned()
    reads()
    await makeGroup()
    const { targetGroups } = await owned()
    assert.deepEqual(
      targetGroups.map(({ group }) => group.targetGroupName),
      ['rs-shop-web-1'],
    )
    assert.deepEqual(reads(), [])
  })

  test('what AWS does not show yet is not forgotten, and its NotFound is a matter of time', async () => {
    const { aws, makeGroup, owned, inventory, later } = scene()
    await owned()
    aws.account.timing = { ...aws.account.timing, elbLagMs: 20_000 }
    const arn = await makeGroup()
    inventory.stale('targetGroups')
    assert.equal((await owned()).targetGroups.length, 1)
    aws.faults.list.push({
      match: ({ action }) => action === 'registerTargets',
      error: new CloudError('not-found', 'no such group', { code: 'TargetGroupNotFound' }),
      times: 2,
    })
    const register = () =>
      inventory.cloud.registerTargets({ targetGroupArn: arn, targets: [{ id: instance, port: 30_080 }] }, signal())
    await assert.rejects(register(), (error) => error instanceof CloudError && error.kind === 'not-visible')
    later(120_000)
    await assert.rejects(register(), (error) => error instanceof CloudError && error.kind === 'not-found')
  })

  test('a create whose answer was lost is found by the next look', async () => {
    const { aws, makeGroup, owned } = scene()
    await owned()
    aws.faults.interrupt(1, 'done')
    await assert.rejects(makeGroup(), CloudError)
    aws.faults.reconnect()
    assert.equal((await owned()).targetGroups.length, 1)
  })

  test('a delete is proven by a list that does not show the object any more', async () => {
    const { makeGroup, owned, inventory, reads, later } = scene()
    await owned()
    const arn = await makeGroup()
    await inventory.cloud.deleteTargetGroup({ targetGroupArn: arn }, signal())
    later(1000)
    reads()
    assert.deepEqual((await owned()).targetGroups, [])
    assert.deepEqual(reads(), ['describeTargetGroups'])
  })

  test('targets that somebody registered or took out are seen within three looks', async () => {
    const { aws, makeGroup, owned, inventory, later } = scene()
    await owned()
    const arn = await makeGroup()
    const targets = [{ id: instance, port: 30_080 }]
    await inventory.cloud.registerTargets({ targetGroupArn: arn, targets }, signal())
    const seen = async () =>
      (await owned()).targetGroups[0]?.health?.value.filter(({ targetHealth }) => targetHealth.state !== 'draining')
        .length
    assert.equal(await seen(), 1)
    later(lookMs)
    await owned()
    await aws.cloud.deregisterTargets({ targetGroupArn: arn, targets }, signal())
    later(lookMs)
    await owned()
    later(lookMs)
    await owned()
    later(lookMs)
    assert.equal(await seen(), 0)
  })

  test('a health check that somebody changed is seen at the next look', async () => {
    const { aws, makeGroup, owned, later } = scene()
    await owned()
    const arn = await makeGroup()
    later(lookMs)
    await aws.cloud.modifyTargetGroup({ targetGroupArn: arn, healthCheckIntervalSeconds: 30 }, signal())
    assert.equal((await owned()).targetGroups[0]?.group.healthCheckIntervalSeconds, 30)
  })

  test('attributes are read at once where the mark says that some were set, else at a later look', async () => {
    const { aws, base, owned, reads, later } = scene()
    const make = (name: string, attributes: boolean) =>
      aws.cloud.createTargetGroup(
        {
          name,
          protocol: 'TCP',
          port: 30_080,
          vpcId: base.vpcId,
          targetType: 'instance',
          ...check,
          tags: pairsOf(
            ownerTags(owner, 'target-group/80', attributes ? { attributes: { 'stickiness.enabled': 'true' } } : {}),
          ),
        },
        signal(),
      )
    await make('rs-plain', false)
    await make('rs-set', true)
    reads()
    await owned()
    assert.equal(reads().filter((action) => action === 'describeTargetGroupAttributes').length, 1)
    later(lookMs)
    await owned()
    assert.equal(reads().filter((action) => action === 'describeTargetGroupAttributes').length, 2)
  })

  test('many looks at once share the reads of lists', async () => {
    const { owned, reads } = scene()
    reads()
    await Promise.all([owned(), owned(), owned()])
    assert.deepEqual(reads().sort(), ['describeLoadBalancers', 'describeSecurityGroups', 'describeTargetGroups'])
  })

  test('one that has gone between the list and its tags does not hide the others', async () => {
    const { aws, makeGroup, inventory, owned } = scene()
    await makeGroup()
    await makeGroup('rs-shop-web-2')
    const fresh = createInventory({ cloud: inventory.cloud, now: () => aws.account.now(), lookMs })
    let once = true
    aws.faults.list.push({
      match: ({ action, input }) =>
        action === 'describeTags' && once && (input['resourceArns'] as string[]).length === 2 && !(once = false),
      error: new CloudError('not-found', 'gone', { code: 'TargetGroupNotFound' }),
      times: 1,
    })
    assert.equal((await fresh.owned(owner, signal())).targetGroups.length, 2)
    assert.equal((await owned()).targetGroups.length, 2)
  })
})
