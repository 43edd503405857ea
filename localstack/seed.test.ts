/** The seeds: what they make, and that a second run makes nothing. */
import assert from 'node:assert/strict'
import { DescribeSubnetsCommand } from '@aws-sdk/client-ec2'
import { CreateLoadBalancerCommand } from '@aws-sdk/client-elastic-load-balancing-v2'
import { after, before, describe, test } from 'node:test'
import { requires } from '../scripts/requires.ts'
import { type Emulator, startEmulator } from './emulator.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { clients } from './sdk-clients.ts'
import { seed } from './seed.ts'

describe('the seeds', { skip: requires('moto') }, () => {
  let emulator: Emulator
  let proxy: FaultProxy
  before(async () => {
    emulator = await startEmulator()
    proxy = await startFaultProxy({ upstream: emulator.url })
  })
  after(async () => {
    await proxy.close()
    await emulator.close()
  })

  test('a VPC, a subnet in each of three zones, a node group and instances spread over the zones', async () => {
    const seeded = await seed(proxy.url, { nodes: 4 })
    assert.equal(seeded.subnetIds.length, 3)
    assert.deepEqual([...new Set(seeded.instances.map(({ zone }) => zone))].sort(), [
      'eu-west-1a',
      'eu-west-1b',
      'eu-west-1c',
    ])
    assert.equal(seeded.instances.length, 4)
    for (const { id, zone, providerId } of seeded.instances) assert.equal(providerId, `aws:///${zone}/${id}`)
  })

  test('a second run finds everything and writes nothing', async () => {
    const first = await seed(proxy.quietUrl, { nodes: 4 })
    proxy.reset()
    const second = await seed(proxy.url, { nodes: 4 })
    assert.deepEqual(second, first)
    assert.equal(proxy.counts().mutating, 0)
  })

  test('more nodes later: only the missing ones are started', async () => {
    const first = await seed(proxy.quietUrl, { nodes: 4 })
    const second = await seed(proxy.quietUrl, { nodes: 6 })
    assert.equal(second.instances.length, 6)
    const ids = new Set(second.instances.map(({ id }) => id))
    assert.ok(first.instances.every(({ id }) => ids.has(id)))
  })

  test('with IPv6: a /64 for each subnet, so that a load balancer can be dual stack', async (context) => {
    const seeded = await seed(proxy.quietUrl, { clusterId: 'six', nodes: 0, ipv6: true })
    const sdk = clients(proxy.quietUrl)
    const { ec2, elbv2 } = sdk
    context.after(() => sdk.destroy())
    const { Subnets } = await ec2.send(new DescribeSubnetsCommand({ SubnetIds: seeded.subnetIds }))
    const blocks = Subnets?.map(
      ({ Ipv6CidrBlockAssociationSet }) => Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock ?? '',
    )
    assert.equal(new Set(blocks).size, 3)
    for (const block of blocks ?? []) assert.match(block, /::\/64$/)
    const input = { Name: 'six', Type: 'network', IpAddressType: 'dualstack', Subnets: seeded.subnetIds } as const
    const made = await elbv2.send(new CreateLoadBalancerCommand(input))
    assert.equal(made.LoadBalancers?.[0]?.IpAddressType, 'dualstack')
  })
})
