/** UDP over dual stack: prefixes for source NAT, IPv6 target groups, and the ways into and out of it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, describeStep, pass, signal, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { lower } from './lower.ts'
import { aws } from './resources.ts'
import { sourceNatTag } from './tags.ts'
import { fakeAwsWorld } from './world.ts'
import type { AwsWorld } from './world.ts'

const dual: SpecChanges = { families: ['IPv4', 'IPv6'] }
const tcpOnly: SpecChanges = { ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }] }
const prefixes = (third: string) => [0, 1, 2].map((zone) => `2001:db8:1234:${zone}:${third}::/80`)
const wish = (given: readonly string[]) => ({ parameters: { 'source-nat-ipv6-prefixes': given.join(',') } })

const balancers = ({ aws: { account } }: AwsWorld) => account.loadBalancers.values()
const given = (world: AwsWorld) => balancers(world)[0]?.mappings.map(({ sourceNatIpv6Prefix }) => sourceNatIpv6Prefix)
const reasons = (changes: SpecChanges) => {
  const lowered = lower(specOf({ providerId: (node) => `aws:///a/i-${node}` }, changes))
  return lowered.kind === 'unsupported' ? lowered.reasons.map(({ message }) => message).join() : 'none'
}

describe('UDP over dual stack', () => {
  test('UDP goes to IPv6 target groups, TCP beside it to IPv4 ones', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, dual))
    const families = world.aws.account.targetGroups
      .values()
      .map(({ protocol, ipAddressType }) => [protocol, ipAddressType])
    assert.deepEqual(
      families.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
      [
        ['TCP', 'ipv4'],
        ['TCP', 'ipv4'],
        ['UDP', 'ipv6'],
      ],
    )
    assert.deepEqual(
      balancers(world).map(({ prefixForSourceNat }) => prefixForSourceNat),
      ['on'],
    )
  })

  test('a load balancer without UDP becomes dual stack in place, also when its UDP port goes in the same edit', async () => {
    for (const before of [tcpOnly, {}]) {
      const world = fakeAwsWorld()
      await converge(world, specOf(world, before))
      const [first] = balancers(world)
      await converge(world, specOf(world, { ...tcpOnly, ...dual }))
      assert.deepEqual(
        balancers(world).map(({ arn, ipAddressType }) => [arn, ipAddressType]),
        [[first?.arn, 'dualstack']],
      )
    }
  })

  test('one with UDP is replaced, the new one before the old one', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world))
    const steps = (await converge(world, specOf(world, dual))).filter(
      ({ resource }) => resource.kind === 'load-balancer',
    )
    assert.deepEqual(steps.map(describeStep), ['create load-balancer', 'delete load-balancer'])
  })

  test('given prefixes stand in their subnets from birth, change in place, and go back to those of AWS', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...dual, ...wish(prefixes('a')) }))
    const [{ arn } = { arn: '' }] = balancers(world)
    assert.deepEqual(given(world), prefixes('a'))
    const changed = await converge(world, specOf(world, { ...dual, ...wish(prefixes('b')) }))
    assert.deepEqual(given(world), prefixes('b'))
    assert.deepEqual(changed.map(({ verb }) => verb).includes('create'), false)
    assert.deepEqual(changed.slice(0, 2).map(describeStep), ['update load-balancer', 'update load-balancer'])
    await converge(world, specOf(world, dual))
    assert.deepEqual(given(world), ['auto_assigned', 'auto_assigned', 'auto_assigned'])
    const [after] = balancers(world)
    assert.equal(after?.arn, arn)
    assert.equal(after.tags[sourceNatTag], undefined)
    assert.deepEqual(await pass(await world.restart(), specOf(world, dual)), [])
  })

  test('a prefix changed by hand is put back, one that AWS chose is left alone', async () => {
    const world = fakeAwsWorld()
    const change = async (third: string) => {
      const [{ arn, mappings } = { arn: '', mappings: [] }] = balancers(world)
      const subnetMappings = mappings.map((mapping, at) => ({
        ...mapping,
        sourceNatIpv6Prefix: prefixes(third)[at] ?? '',
      }))
      await world.aws.cloud.setSubnets({ loadBalancerArn: arn, subnetMappings }, signal())
    }
    await converge(world, specOf(world, { ...dual, ...wish(prefixes('a')) }))
    await change('c')
    await world.restart()
    await converge(world, specOf(world, { ...dual, ...wish(prefixes('a')) }))
    assert.deepEqual(given(world), prefixes('a'))
    await converge(world, specOf(world, dual))
    await change('c')
    assert.deepEqual(await pass(await world.restart(), specOf(world, dual)), [])
  })

  test('elastic IPs stay when only the prefixes change', async () => {
    const world = fakeAwsWorld()
    const ids = ['eipalloc-1', 'eipalloc-2', 'eipalloc-3']
    for (const [at, allocationId] of ids.entries()) {
      world.aws.account.elasticIps.put(allocationId, { allocationId, publicIp: `203.0.113.${at}` })
    }
    const parameters = { 'eip-allocations': ids.join(',') }
    await converge(world, specOf(world, { ...dual, parameters }))
    const wished = { ...parameters, 'source-nat-ipv6-prefixes': `auto_assigned,${prefixes('a').slice(1).join(',')}` }
    await converge(world, specOf(world, { ...dual, parameters: wished }))
    const [balancer] = balancers(world)
    assert.deepEqual(
      balancer?.mappings.map(({ allocationId, sourceNatIpv6Prefix }) => [allocationId, sourceNatIpv6Prefix]),
      ids.map((id, at) => [id, at === 0 ? 'auto_assigned' : prefixes('a')[at]]),
    )
  })

  test('prefixes are refused where they cannot be: without UDP, without IPv6, malformed, not one per subnet', () => {
    const one = wish(['2001:db8::/80'])
    assert.match(reasons({ ...dual, ...tcpOnly, ...one }), /is for UDP over dual stack/)
    assert.match(reasons(one), /is for UDP over dual stack/)
    assert.match(reasons({ ...dual, ...wish(['2001:db8::/64']) }), /parameter source-nat-ipv6-prefixes is .* length 80/)
    const subnets = { parameters: { ...one.parameters, subnets: 'subnet-1,subnet-2' } }
    assert.match(reasons({ ...dual, ...subnets }), /source-nat-ipv6-prefixes names 1 for 2 subnets/)
  })

  test('a Service that leaves the choice to AWS in words is as one that says nothing', () => {
    const own = (changes: SpecChanges) => {
      const lowered = lower(specOf({ providerId: (node) => `aws:///a/i-${node}` }, changes))
      return lowered.kind === 'lowered' ? lowered.own.map(aws) : []
    }
    assert.deepEqual(own({ ...dual, ...wish(['auto_assigned', 'auto_assigned']) }), own(dual))
  })
})
