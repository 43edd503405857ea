/** What is found out about the nodes: VPC and security groups, with bad nodes among them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal } from '../conformance-world.ts'
import type { CloudError } from '../contract.ts'
import { createDiscovery } from './discovery.ts'
import { createFakeAws } from './fake.ts'
import { putInstance, seed } from './fake/seed.ts'

const instance = (number: number) => `i-${String(number).padStart(17, '0')}`
const node = (number: number) => ({
  name: `node-${number}`,
  providerId: `aws:///eu-central-1a/${instance(number)}`,
  addresses: [],
})

function scene(known: number) {
  const aws = createFakeAws({ now: () => 0 })
  const base = seed(aws.account)
  for (let number = 1; number <= known; number++) putInstance(aws.account, base, instance(number), number % 3)
  const discovery = createDiscovery({ cloud: aws.cloud, now: () => 0 })
  return { aws, base, discovery, calls: () => aws.take().map(({ action }) => action) }
}

describe('discovery', () => {
  test('the VPC and the group are those of the nodes, for one call', async () => {
    const { base, discovery, calls } = scene(3)
    discovery.nodes([1, 2, 3].map(node))
    assert.equal(await discovery.vpcId(signal()), base.vpcId)
    assert.deepEqual((await discovery.nodeGroupIds(signal())).groupIds, [base.nodeGroupId])
    assert.deepEqual(calls(), ['describeInstances'])
  })

  test('an instance that AWS does not know, and a node that is none, hide nobody', async () => {
    const { base, discovery } = scene(40)
    const strangers = [41, 42].map(node)
    const odd = { name: 'hybrid', providerId: 'eks-hybrid:///x', addresses: [] }
    discovery.nodes([...Array.from({ length: 40 }, (_node, index) => node(index + 1)), ...strangers, odd])
    assert.deepEqual((await discovery.nodeGroupIds(signal())).groupIds, [base.nodeGroupId])
  })

  test('of several groups the tagged one; without a tag the candidates are listed', async () => {
    const { aws, base, discovery } = scene(1)
    const { groupId } = await aws.cloud.createSecurityGroup(
      { groupName: 'extra', description: 'x', vpcId: base.vpcId, tagSpecifications: [] },
      signal(),
    )
    const held = aws.account.instances.get(instance(1))
    assert.ok(held)
    const securityGroups = [base.nodeGroupId, groupId].map((id) => ({ groupId: id, groupName: id }))
    aws.account.instances.put(instance(1), { ...held, securityGroups })
    discovery.nodes([node(1)])
    assert.deepEqual((await discovery.nodeGroupIds(signal())).groupIds, [base.nodeGroupId])
    await aws.cloud.deleteTags({ resources: [base.nodeGroupId], tags: [{ key: 'kubernetes.io/cluster/c1' }] }, signal())
    discovery.forgetNodes()
    const { groupIds, unresolved } = await discovery.nodeGroupIds(signal())
    assert.deepEqual(groupIds, [])
    assert.ok(unresolved[0]?.includes(groupId) && unresolved[0].includes('node-security-groups'))
  })

  test('without nodes the VPC has to be given', async () => {
    const { discovery } = scene(0)
    await assert.rejects(discovery.vpcId(signal()), (error: CloudError) => error.reason === 'VpcUnknown')
  })
})
