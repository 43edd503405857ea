/** Which subnets a load balancer gets, and that every other one is named with its reason. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouteTable, Subnet } from './ec2.ts'
import { chooseSubnets, required } from './subnets.ts'
import type { SubnetWish } from './subnets.ts'

const subnet = (id: string, zone: string, changes: Partial<Subnet> & { marks?: readonly string[] } = {}): Subnet => {
  const { marks = [], ...rest } = changes
  return {
    subnetId: `subnet-${id}`,
    vpcId: 'vpc-1',
    availabilityZone: `eu-west-1${zone}`,
    cidrBlock: '10.0.0.0/24',
    ipv6CidrBlocks: [],
    availableIpAddressCount: 100,
    state: 'available',
    tags: marks.map((mark) => ({ key: mark.split('=')[0] ?? '', value: mark.split('=')[1] ?? '' })),
    ...rest,
  }
}
const routes = (id: string, gateway: string): RouteTable => ({
  routeTableId: `rtb-${id}`,
  vpcId: 'vpc-1',
  associations: [{ main: false, subnetId: `subnet-${id}` }],
  routes: [{ destination: '0.0.0.0/0', gatewayId: gateway, state: 'active' }],
})
const wish: SubnetWish = { scheme: 'internet-facing', dualStack: false, named: [] }
const elb = 'kubernetes.io/role/elb=1'

const choose = (
  subnets: readonly Subnet[],
  changes: Partial<SubnetWish> = {},
  routeTables: readonly RouteTable[] = [],
) =>
  required(chooseSubnets({ subnets, routeTables, zones: [] }, { ...wish, ...changes }), 'vpc-1', {
    ...wish,
    ...changes,
  })
const ids = (subnets: readonly Subnet[]) => subnets.map(({ subnetId }) => subnetId)

describe('subnets', () => {
  test('tagged ones, one a zone, the lowest id first', () => {
    const all = [
      subnet('b', 'a', { marks: [elb] }),
      subnet('a', 'a', { marks: [elb] }),
      subnet('c', 'b', { marks: [elb] }),
      subnet('d', 'c'),
    ]
    assert.deepEqual(ids(choose(all)), ['subnet-a', 'subnet-c'])
  })

  test("the cluster's own before others of the zone, those of other clusters never", () => {
    const mine = subnet('z', 'a', { marks: [elb, 'kubernetes.io/cluster/one=shared'] })
    const theirs = subnet('b', 'b', { marks: [elb, 'kubernetes.io/cluster/two=shared'] })
    const all = [subnet('a', 'a', { marks: [elb] }), mine, theirs]
    assert.deepEqual(ids(choose(all, { clusterName: 'one' })), ['subnet-z'])
  })

  test('without tags the route table decides', () => {
    const all = [subnet('a', 'a'), subnet('b', 'b')]
    assert.ok(chooseSubnets({ subnets: all, routeTables: [], zones: [] }, wish).needsRoutes)
    const tables = [routes('a', 'igw-1'), routes('b', 'nat-1')]
    assert.deepEqual(ids(choose(all, {}, tables)), ['subnet-a'])
    assert.deepEqual(ids(choose(all, { scheme: 'internal' }, tables)), ['subnet-b'])
  })

  test('when none is fit, each one is named with its reason and a way out is told', () => {
    const all = [
      subnet('a', 'a', { marks: [elb], availableIpAddressCount: 3 }),
      subnet('b', 'b', { marks: [elb], state: 'pending' }),
      subnet('c', 'c'),
    ]
    assert.throws(
      () => choose(all),
      (error: Error) => {
        for (const text of [
          'subnet-a: it has 3 free addresses',
          'subnet-b: its state is pending',
          'subnet-c: it has no tag',
          'kubernetes.io/role/elb=1',
        ]) {
          assert.ok(error.message.includes(text), error.message)
        }
        return true
      },
    )
  })

  test('named ones by id or by Name tag, in the order they were named; one that cannot be is an error', () => {
    const all = [subnet('a', 'a', { marks: ['Name=front'] }), subnet('b', 'b'), subnet('c', 'b')]
    assert.deepEqual(ids(choose(all, { named: ['subnet-b', 'front'] })), ['subnet-b', 'subnet-a'])
    assert.throws(
      () => choose(all, { named: ['subnet-b', 'subnet-c'] }),
      /subnet-c: zone eu-west-1b has subnet-b already/,
    )
    assert.throws(() => choose(all, { named: ['subnet-x'] }), /subnet-x: there is no such subnet/)
    assert.throws(() => choose(all, { named: ['front'], dualStack: true }), /front: it has no IPv6 range/)
  })
})
