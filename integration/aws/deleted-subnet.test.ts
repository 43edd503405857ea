/**
 * Subnets that somebody deletes while the operator still remembers them, over the real SDK: told by name, others are served, and over by
 * itself when there is one again.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CreateSubnetCommand, DeleteSubnetCommand } from '@aws-sdk/client-ec2'
import { clients } from '../../localstack/sdk-clients.ts'
import type { Account } from './account.ts'
import { needsEmulator } from './account.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const signal = new AbortController().signal
const sceneOf = scenes()

/** In the emulator as a person has it in the console. */
function byHand({ proxy, vpcId }: Account) {
  const { ec2, ...sdk } = clients(proxy.quietUrl)
  return {
    destroy: () => sdk.destroy(),
    remove: (SubnetId: string) => ec2.send(new DeleteSubnetCommand({ SubnetId })),
    async make(name: string, CidrBlock: string, AvailabilityZone: string): Promise<string> {
      const Tags = [{ Key: 'Name', Value: name }]
      const TagSpecifications = [{ ResourceType: 'subnet' as const, Tags }]
      const made = await ec2.send(
        new CreateSubnetCommand({ VpcId: vpcId, CidrBlock, AvailabilityZone, TagSpecifications }),
      )
      return made.Subnet?.SubnetId ?? ''
    },
  }
}

describe('a subnet is deleted by hand', { skip: needsEmulator() }, () => {
  test('that a Service names: told, the neighbour is served, over when there is one of that name again', async (context) => {
    const { account, cluster, operator } = await sceneOf(context)
    const people = byHand(account)
    context.after(() => people.destroy())
    const zone = account.machines[0]?.zone ?? ''
    const edge = await people.make('shop-edge', '10.0.200.0/24', zone)
    operator(['--drift-interval=2s'])
    // From here on the operator remembers the subnets.
    await cluster.create('neighbour')
    const hostname = await cluster.served('neighbour')
    await people.remove(edge)
    await cluster.create('chosen', {}, { 'roadstead.dev/subnets': 'shop-edge' })
    const told = await until(
      'the subnet in a condition',
      async () =>
        (await cluster.service('chosen'))?.status?.conditions?.find(
          ({ status, reason, message }) =>
            status === 'False' && /Subnet/.test(reason) && message.includes('shop-edge: there is no such subnet'),
        ),
      { seen: async () => JSON.stringify((await cluster.service('chosen'))?.status, undefined, 1) },
    )
    assert.match(told.message, /by id or by tag Name/)
    assert.equal(await cluster.served('neighbour'), hostname)
    const again = await people.make('shop-edge', '10.0.201.0/24', zone)
    // Asked for again after 30 to 120 s.
    await cluster.served('chosen', 150)
    const { loadBalancers } = await account.cloud.describeLoadBalancers({}, signal)
    const subnets = loadBalancers.map(({ availabilityZones }) => availabilityZones.map(({ subnetId }) => subnetId))
    assert.ok(
      subnets.some((ids) => ids.join() === again),
      JSON.stringify(subnets),
    )
    assert.equal(await cluster.served('neighbour'), hostname)
  })

  test('that was discovered: the next Service is made in the others, and what stands is left as it is', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    const people = byHand(account)
    context.after(() => people.destroy())
    operator(['--drift-interval=2s'])
    await cluster.create('web')
    const hostname = await cluster.served('web')
    await quiet()
    const [before] = (await account.cloud.describeLoadBalancers({}, signal)).loadBalancers
    const [gone = '', ...left] = (before?.availabilityZones ?? []).map(({ subnetId }) => subnetId).toSorted()
    assert.equal(left.length, 2)
    await people.remove(gone)
    account.forget()
    await cluster.create('late')
    await cluster.served('late')
    const { loadBalancers } = await account.cloud.describeLoadBalancers({}, signal)
    const late = loadBalancers.find(({ loadBalancerArn }) => loadBalancerArn !== before?.loadBalancerArn)
    assert.deepEqual(late?.availabilityZones.map(({ subnetId }) => subnetId).toSorted(), left)
    const refused = account.record().filter(({ action, code }) => action === 'CreateLoadBalancer' && code !== undefined)
    assert.equal(refused.length, 1, 'the remembered subnet was tried once')
    assert.equal(await cluster.served('web'), hostname)
    await cluster.reason('web', 'Programmed', 'Programmed')
    const warned = (await cluster.eventsOf('web')).filter(({ type }) => type === 'Warning')
    assert.deepEqual(
      warned.map(({ message }) => message),
      [],
    )
  })
})
