import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, isCloudError, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { fakeAwsWorld } from './world.ts'
import type { AwsWorld } from './world.ts'

const elastic = (...ids: string[]): SpecChanges => ({ parameters: { 'eip-allocations': ids.join(',') } })

function worldWithAddresses(): AwsWorld {
  const world = fakeAwsWorld()
  for (let at = 1; at <= 9; at++) {
    world.aws.account.elasticIps.put(`eipalloc-${at}`, { allocationId: `eipalloc-${at}`, publicIp: `203.0.113.${at}` })
  }
  return world
}

const held = ({ aws: { account } }: AwsWorld) =>
  account.loadBalancers.values().map(({ mappings }) => mappings.map(({ allocationId }) => allocationId).join())

const refusedBy = (pattern: RegExp) => (error: unknown) => {
  assert.ok(isCloudError(error))
  assert.deepEqual([error.kind, error.reason], ['invalid', 'AddressInUse'])
  assert.match(error.message, pattern)
  return true
}

describe('addresses that another load balancer holds', () => {
  test('all of them new: the second load balancer stands before the first one goes', async () => {
    const world = worldWithAddresses()
    await converge(world, specOf(world, elastic('eipalloc-1', 'eipalloc-2', 'eipalloc-3')))
    await converge(world, specOf(world, elastic('eipalloc-4', 'eipalloc-5', 'eipalloc-6')))
    assert.deepEqual(held(world), ['eipalloc-4,eipalloc-5,eipalloc-6'])
  })

  test('one of several: refused with the address, who holds it and what to do; the first serves on', async () => {
    const world = worldWithAddresses()
    await converge(world, specOf(world, elastic('eipalloc-1', 'eipalloc-2', 'eipalloc-3')))
    const edit = specOf(world, elastic('eipalloc-1', 'eipalloc-2', 'eipalloc-4'))
    const words =
      /eipalloc-1, eipalloc-2 .*held by the load balancer rs-.* of this Service.*all new.*delete the Service/
    await assert.rejects(converge(world, edit), refusedBy(words))
    assert.deepEqual(held(world), ['eipalloc-1,eipalloc-2,eipalloc-3'])
    assert.equal(world.aws.account.listeners.values().length > 0, true)
    assert.equal(world.aws.calls.filter(({ action }) => action === 'createLoadBalancer').length, 1, 'AWS is not asked')
  })

  test('private addresses likewise', async () => {
    const world = fakeAwsWorld()
    const subnets = world.aws.account.subnets.values().slice(0, 3)
    const spec = (last: number) => {
      const addresses = subnets.map(({ cidrBlock }, at) => cidrBlock.replace(/\.\d+\/\d+$/, `.${at === 2 ? last : 20}`))
      const parameters = {
        subnets: subnets.map(({ subnetId }) => subnetId).join(),
        'private-ipv4-addresses': addresses.join(),
      }
      return specOf(world, { scheme: 'internal', parameters })
    }
    await converge(world, spec(20))
    await assert.rejects(converge(world, spec(21)), refusedBy(/\.20.*held by the load balancer rs-/))
  })

  test('something that this operator does not see holds it: told, instead of waiting without a word', async () => {
    const world = worldWithAddresses()
    world.aws.account.elasticIps.put('eipalloc-1', {
      allocationId: 'eipalloc-1',
      publicIp: '203.0.113.1',
      associationId: 'eipassoc-1',
    })
    const edit = specOf(world, elastic('eipalloc-1', 'eipalloc-2', 'eipalloc-3'))
    await assert.rejects(converge(world, edit), refusedBy(/not available for use.*free it or name another one/))
  })
})
