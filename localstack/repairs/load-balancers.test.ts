/** Load balancers through the proxy as the real SDK sees them: what AWS would show, one test per repaired deviation. */
import assert from 'node:assert/strict'
import { AllocateAddressCommand } from '@aws-sdk/client-ec2'
import {
  CreateLoadBalancerCommand,
  DeleteLoadBalancerCommand,
  DescribeLoadBalancerAttributesCommand,
  DescribeLoadBalancersCommand,
  DescribeTagsCommand,
  ModifyLoadBalancerAttributesCommand,
  SetSecurityGroupsCommand,
  SetSubnetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { requires } from '../../scripts/requires.ts'
import { known, refused, repairedAccount } from './testing.ts'

describe('repaired: load balancers', { skip: requires('moto') }, () => {
  const { balancer, ec2, elb, fresh, rig, securityGroup } = repairedAccount()

  describe('load balancers', () => {
    test('have net ARNs and the DNS name of a Network Load Balancer, and begin as provisioning', async () => {
      const made = await balancer({ Name: 'shape' })
      assert.match(known(made.LoadBalancerArn), /:loadbalancer\/net\/shape\/[0-9a-f]{16}$/)
      const id = made.LoadBalancerArn?.split('/').at(-1)
      assert.equal(made.DNSName, `shape-${id}.elb.eu-west-1.amazonaws.com`)
      assert.equal(made.Scheme, 'internet-facing')
      const { LoadBalancers } = await elb().send(new DescribeLoadBalancersCommand({ Names: ['shape'] }))
      assert.equal(LoadBalancers?.[0]?.State?.Code, 'active')
    })

    test('are provisioning for as long as is set', async () => {
      rig().proxy.set({ provisioningMs: 300 })
      const { LoadBalancerArn } = await balancer()
      const state = async () =>
        (await elb().send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [known(LoadBalancerArn)] })))
          .LoadBalancers?.[0]?.State?.Code
      assert.equal(await state(), 'provisioning')
      await pause(320)
      assert.equal(await state(), 'active')
    })

    test('created again with the same settings are the same, also at the same moment; with others a duplicate', async () => {
      const Name = fresh('again')
      const [one, two] = await Promise.all([balancer({ Name }), balancer({ Name })])
      assert.equal(one.LoadBalancerArn, two.LoadBalancerArn)
      await refused(balancer({ Name, Scheme: 'internal' }), 'DuplicateLoadBalancerName')
      await refused(balancer({ Name, Tags: [{ Key: 'owner', Value: 'another' }] }), 'DuplicateLoadBalancerName')
    })

    test('refuse names, zones, groups and addresses that AWS refuses', async () => {
      const [subnet = ''] = rig().seeded.subnetIds
      await refused(balancer({ Name: 'x'.repeat(33) }), 'ValidationError')
      await refused(balancer({ Name: 'internal-x' }), 'ValidationError')
      await refused(balancer({ Subnets: [subnet, subnet] }), 'InvalidConfigurationRequest')
      await refused(balancer({ SecurityGroups: ['sg-0123456789abcdef0'] }), 'InvalidSecurityGroup')
      const mapping = { SubnetId: subnet, AllocationId: 'eipalloc-0123456789abcdef0' }
      const { Subnets: _, ...rest } = { Name: fresh('lb'), Type: 'network' as const, Subnets: undefined }
      await refused(
        elb().send(new CreateLoadBalancerCommand({ ...rest, SubnetMappings: [mapping] })),
        'AllocationIdNotFound',
      )
    })

    test('refuse addresses that another load balancer holds', async () => {
      const [SubnetId = ''] = rig().seeded.subnetIds
      const { AllocationId } = await ec2().send(new AllocateAddressCommand({ Domain: 'vpc' }))
      const withAddress = (more: object, Scheme: 'internal' | 'internet-facing') =>
        elb().send(
          new CreateLoadBalancerCommand({
            Name: fresh('held'),
            Type: 'network',
            Scheme,
            SubnetMappings: [{ SubnetId, ...more }],
          }),
        )
      await withAddress({ AllocationId }, 'internet-facing')
      await refused(withAddress({ AllocationId }, 'internet-facing'), 'ResourceInUse')
      await withAddress({ PrivateIPv4Address: '10.0.1.77' }, 'internal')
      await refused(withAddress({ PrivateIPv4Address: '10.0.1.77' }, 'internal'), 'InvalidConfigurationRequest')
    })

    test('show the private addresses that were asked for', async () => {
      const [SubnetId = ''] = rig().seeded.subnetIds
      const made = await elb().send(
        new CreateLoadBalancerCommand({
          Name: fresh('lb'),
          Type: 'network',
          Scheme: 'internal',
          SubnetMappings: [{ SubnetId, PrivateIPv4Address: '10.0.1.9' }],
        }),
      )
      const zones = made.LoadBalancers?.[0]?.AvailabilityZones
      assert.deepEqual(zones?.[0]?.LoadBalancerAddresses, [{ PrivateIPv4Address: '10.0.1.9' }])
    })

    test('have the attributes of a Network Load Balancer, and no others', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const { Attributes } = await elb().send(new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn }))
      assert.deepEqual(
        Attributes?.find(({ Key }) => Key === 'dns_record.client_routing_policy'),
        { Key: 'dns_record.client_routing_policy', Value: 'any_availability_zone' },
      )
      const modify = (Key: string, Value: string) =>
        elb().send(new ModifyLoadBalancerAttributesCommand({ LoadBalancerArn, Attributes: [{ Key, Value }] }))
      await modify('zonal_shift.config.enabled', 'true')
      await refused(modify('idle_timeout.timeout_seconds', '60'), 'InvalidConfigurationRequest')
      await refused(modify('load_balancing.cross_zone.enabled', 'perhaps'), 'InvalidConfigurationRequest')
    })

    test('move to other subnets, also to a single one', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const Subnets = rig().seeded.subnetIds.slice(1, 2)
      const set = await elb().send(new SetSubnetsCommand({ LoadBalancerArn, Subnets }))
      assert.deepEqual(
        set.AvailabilityZones?.map(({ ZoneName, SubnetId }) => [ZoneName, SubnetId]),
        [['eu-west-1b', Subnets[0]]],
      )
      const { LoadBalancers } = await elb().send(
        new DescribeLoadBalancersCommand({ LoadBalancerArns: [LoadBalancerArn] }),
      )
      assert.deepEqual(LoadBalancers?.[0]?.AvailabilityZones, set.AvailabilityZones)
    })

    test('with deletion protection are not deleted', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const protect = async (Value: string) =>
        await elb().send(
          new ModifyLoadBalancerAttributesCommand({
            LoadBalancerArn,
            Attributes: [{ Key: 'deletion_protection.enabled', Value }],
          }),
        )
      await protect('true')
      await refused(elb().send(new DeleteLoadBalancerCommand({ LoadBalancerArn })), 'OperationNotPermitted')
      await protect('false')
      await elb().send(new DeleteLoadBalancerCommand({ LoadBalancerArn }))
      await refused(
        elb().send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [LoadBalancerArn] })),
        'LoadBalancerNotFound',
      )
      await refused(elb().send(new DescribeTagsCommand({ ResourceArns: [LoadBalancerArn] })), 'LoadBalancerNotFound')
    })

    test('one unknown name among known ones fails the whole describe', async () => {
      const { LoadBalancerName } = await balancer()
      const Names = [known(LoadBalancerName), 'no-such']
      await refused(elb().send(new DescribeLoadBalancersCommand({ Names })), 'LoadBalancerNotFound')
    })

    test('come in pages of the size asked for, 400 by default', async () => {
      for (let count = 0; count < 3; count++) await balancer()
      const all = await elb().send(new DescribeLoadBalancersCommand({}))
      const seen: string[] = []
      let Marker: string | undefined
      do {
        const page = await elb().send(
          new DescribeLoadBalancersCommand({ PageSize: 2, ...(Marker === undefined ? {} : { Marker }) }),
        )
        assert.ok((page.LoadBalancers?.length ?? 0) <= 2)
        seen.push(...(page.LoadBalancers ?? []).map(({ LoadBalancerArn }) => known(LoadBalancerArn)))
        Marker = page.NextMarker
      } while (Marker !== undefined)
      assert.equal(all.NextMarker, undefined)
      assert.deepEqual(
        seen,
        all.LoadBalancers?.map(({ LoadBalancerArn }) => LoadBalancerArn),
      )
    })

    test('are missing from describes for as long as is set', async () => {
      rig().proxy.set({ visibilityMs: 300 })
      const { LoadBalancerName } = await balancer()
      const look = () => elb().send(new DescribeLoadBalancersCommand({ Names: [known(LoadBalancerName)] }))
      await refused(look(), 'LoadBalancerNotFound')
      await pause(320)
      assert.equal((await look()).LoadBalancers?.length, 1)
    })

    test('born without a security group never get one', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const SecurityGroups = [await securityGroup()]
      await refused(
        elb().send(new SetSecurityGroupsCommand({ LoadBalancerArn, SecurityGroups })),
        'InvalidConfigurationRequest',
      )
    })
  })
})
