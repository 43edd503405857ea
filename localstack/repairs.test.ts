/** What the real SDK sees of the emulator through the proxy is what AWS would show: one test per repaired deviation. */
import assert from 'node:assert/strict'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupsCommand,
} from '@aws-sdk/client-ec2'
import {
  AddListenerCertificatesCommand,
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  type CreateLoadBalancerCommandInput,
  CreateTargetGroupCommand,
  type CreateTargetGroupCommandInput,
  DeleteListenerCommand,
  DeleteLoadBalancerCommand,
  DeleteTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeListenerCertificatesCommand,
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeTagsCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ModifyListenerCommand,
  ModifyLoadBalancerAttributesCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
  SetSecurityGroupsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { requires } from '../scripts/requires.ts'
import { type Rig, startRig } from './rig.ts'

describe('the repaired cloud', { skip: requires('moto') }, () => {
  let rig: Rig
  let serial = 0
  before(async () => {
    rig = await startRig({ seed: { nodes: 3 } })
  })
  beforeEach(() => rig.proxy.reset())
  after(async () => await rig.close())

  const fresh = (word: string) => `${word}-${++serial}`
  const elb = () => rig.sdk.elbv2
  const ec2 = () => rig.sdk.ec2

  const refused = async (work: Promise<unknown>, code: string) =>
    await assert.rejects(work, (error: Error & { Code?: string }) => {
      assert.equal(error.Code ?? error.name, code, error.message)
      return true
    })

  async function balancer(more: Partial<CreateLoadBalancerCommandInput> = {}) {
    const { LoadBalancers } = await elb().send(
      new CreateLoadBalancerCommand({ Name: fresh('lb'), Type: 'network', Subnets: rig.seeded.subnetIds, ...more }),
    )
    return known(LoadBalancers?.[0])
  }

  async function group(more: Partial<CreateTargetGroupCommandInput> = {}): Promise<string> {
    const { TargetGroups } = await elb().send(
      new CreateTargetGroupCommand({
        Name: fresh('tg'),
        Protocol: 'TCP',
        Port: 30080,
        VpcId: rig.seeded.vpcId,
        TargetType: 'instance',
        ...more,
      }),
    )
    return known(TargetGroups?.[0]?.TargetGroupArn)
  }

  async function listener(LoadBalancerArn: string, TargetGroupArn: string, Port = 80) {
    const { Listeners } = await elb().send(
      new CreateListenerCommand({
        LoadBalancerArn,
        Protocol: 'TCP',
        Port,
        DefaultActions: [{ Type: 'forward', TargetGroupArn }],
      }),
    )
    return known(Listeners?.[0])
  }

  async function securityGroup(): Promise<string> {
    const GroupName = fresh('group')
    const made = await ec2().send(
      new CreateSecurityGroupCommand({ GroupName, Description: 'of a test', VpcId: rig.seeded.vpcId }),
    )
    return known(made.GroupId)
  }

  async function health(TargetGroupArn: string): Promise<string[]> {
    const { TargetHealthDescriptions } = await elb().send(new DescribeTargetHealthCommand({ TargetGroupArn }))
    return (TargetHealthDescriptions ?? []).map(
      ({ Target, TargetHealth }) => `${Target?.Id}:${Target?.Port} ${TargetHealth?.State}`,
    )
  }

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
      rig.proxy.set({ provisioningMs: 300 })
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
      const [subnet = ''] = rig.seeded.subnetIds
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

    test('show the private addresses that were asked for', async () => {
      const [SubnetId = ''] = rig.seeded.subnetIds
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
      rig.proxy.set({ visibilityMs: 300 })
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

  describe('target groups', () => {
    test('created again with the same settings are the same; with others a duplicate', async () => {
      const Name = fresh('again')
      assert.equal(await group({ Name }), await group({ Name }))
      await refused(group({ Name, Port: 30081 }), 'DuplicateTargetGroupName')
    })

    test('have the attributes of a Network Load Balancer, and take a delay of 3600', async () => {
      const TargetGroupArn = await group()
      const attributes = async () =>
        new Map(
          (await elb().send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn }))).Attributes?.map(
            ({ Key, Value }) => [Key, Value],
          ),
        )
      assert.equal((await attributes()).get('preserve_client_ip.enabled'), 'true')
      assert.equal((await attributes()).get('proxy_protocol_v2.enabled'), 'false')
      const modify = (Key: string, Value: string) =>
        elb().send(new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes: [{ Key, Value }] }))
      await modify('deregistration_delay.timeout_seconds', '3600')
      assert.equal((await attributes()).get('deregistration_delay.timeout_seconds'), '3600')
      await refused(modify('slow_start.duration_seconds', '30'), 'ValidationError')
    })

    test('follow the listeners, and stay in use for a while after these are gone', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const [one, two] = [await group(), await group()]
      const { ListenerArn } = await listener(LoadBalancerArn, one)
      await elb().send(
        new ModifyListenerCommand({ ListenerArn, DefaultActions: [{ Type: 'forward', TargetGroupArn: two }] }),
      )
      const of = await elb().send(new DescribeTargetGroupsCommand({ LoadBalancerArn }))
      assert.deepEqual(
        of.TargetGroups?.map(({ TargetGroupArn }) => TargetGroupArn),
        [two],
      )
      await elb().send(new DeleteTargetGroupCommand({ TargetGroupArn: one }))
      rig.proxy.set({ targetGroupLingerMs: 300 })
      await elb().send(new DeleteLoadBalancerCommand({ LoadBalancerArn }))
      await refused(elb().send(new DeleteTargetGroupCommand({ TargetGroupArn: two })), 'ResourceInUse')
      await pause(320)
      await elb().send(new DeleteTargetGroupCommand({ TargetGroupArn: two }))
    })

    test('belong to one load balancer at a time', async () => {
      const [one, two] = [await balancer(), await balancer()]
      const shared = await group()
      await listener(known(one.LoadBalancerArn), shared)
      await refused(listener(known(two.LoadBalancerArn), shared), 'TargetGroupAssociationLimit')
    })

    test('refuse thresholds that AWS refuses', async () => {
      await refused(group({ HealthyThresholdCount: 11 }), 'ValidationError')
      await refused(group({ HealthCheckProtocol: 'UDP' }), 'ValidationError')
    })
  })

  describe('targets', () => {
    test('are kept by id and port; deregistering what is not registered is no error', async () => {
      const TargetGroupArn = await group()
      const Id = known(rig.seeded.instances[0]?.id)
      await elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }, { Id, Port: 31000 }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 unused`, `${Id}:31000 unused`])
      await elb().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }))
      await elb().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }, { Id, Port: 9 }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:31000 unused`])
    })

    test('that do not exist are refused, and nothing of the batch is registered', async () => {
      const TargetGroupArn = await group()
      const Targets = [{ Id: known(rig.seeded.instances[0]?.id) }, { Id: 'i-0123456789abcdef0' }]
      await refused(elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets })), 'InvalidTarget')
      assert.deepEqual(await health(TargetGroupArn), [])
    })

    test('are initial, healthy, draining and gone', async () => {
      rig.proxy.set({ initialMs: 300, drainingMs: 300 })
      const TargetGroupArn = await group()
      await listener(known((await balancer()).LoadBalancerArn), TargetGroupArn)
      const Id = known(rig.seeded.instances[0]?.id)
      await elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 initial`])
      await pause(320)
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 healthy`])
      rig.proxy.cloud.setHealth(Id, 'unhealthy')
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 unhealthy`])
      rig.proxy.cloud.setHealth(Id, undefined)
      await elb().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 draining`])
      await pause(320)
      assert.deepEqual(await health(TargetGroupArn), [])
    })

    test('have a quota', async () => {
      rig.proxy.set({ quotas: { targetsPerGroup: 2 } })
      const TargetGroupArn = await group()
      const Targets = rig.seeded.instances.map(({ id }) => ({ Id: id }))
      await refused(elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets })), 'TooManyTargets')
    })
  })

  describe('listeners', () => {
    test('are one per port, with a protocol that fits the target group', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const [one, two] = [await group(), await group({ Protocol: 'UDP' })]
      const made = await listener(LoadBalancerArn, one)
      assert.match(known(made.ListenerArn), /:listener\/net\//)
      assert.equal(made.SslPolicy, undefined)
      await refused(listener(LoadBalancerArn, one), 'DuplicateListener')
      await refused(listener(LoadBalancerArn, two, 81), 'IncompatibleProtocols')
    })

    test('change to TLS and back with certificate, policy and ALPN', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const TargetGroupArn = await group()
      const { ListenerArn } = await listener(LoadBalancerArn, TargetGroupArn)
      const CertificateArn = 'arn:aws:acm:eu-west-1:123456789012:certificate/one'
      await refused(elb().send(new ModifyListenerCommand({ ListenerArn, Protocol: 'TLS' })), 'ValidationError')
      await elb().send(
        new ModifyListenerCommand({
          ListenerArn,
          Protocol: 'TLS',
          SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
          AlpnPolicy: ['HTTP2Preferred'],
          Certificates: [{ CertificateArn }],
        }),
      )
      const shown = async () =>
        known((await elb().send(new DescribeListenersCommand({ LoadBalancerArn }))).Listeners?.[0])
      const tls = await shown()
      assert.equal(tls.Protocol, 'TLS')
      assert.deepEqual(tls.Certificates, [{ CertificateArn }])
      assert.deepEqual(tls.AlpnPolicy, ['HTTP2Preferred'])
      assert.equal(tls.SslPolicy, 'ELBSecurityPolicy-TLS13-1-2-2021-06')
      const more = 'arn:aws:acm:eu-west-1:123456789012:certificate/two'
      await elb().send(new AddListenerCertificatesCommand({ ListenerArn, Certificates: [{ CertificateArn: more }] }))
      const { Certificates } = await elb().send(new DescribeListenerCertificatesCommand({ ListenerArn }))
      assert.deepEqual(Certificates, [
        { CertificateArn, IsDefault: true },
        { CertificateArn: more, IsDefault: false },
      ])
      await elb().send(new ModifyListenerCommand({ ListenerArn, Protocol: 'TCP' }))
      assert.equal((await shown()).Protocol, 'TCP')
      await elb().send(new DeleteListenerCommand({ ListenerArn }))
    })
  })

  describe('security groups', () => {
    test('are not deleted while a load balancer uses them, nor for a while after', async () => {
      const GroupId = await securityGroup()
      const { LoadBalancerArn } = await balancer({ SecurityGroups: [GroupId] })
      await refused(ec2().send(new DeleteSecurityGroupCommand({ GroupId })), 'DependencyViolation')
      rig.proxy.set({ securityGroupLingerMs: 300 })
      await elb().send(new DeleteLoadBalancerCommand({ LoadBalancerArn }))
      await refused(ec2().send(new DeleteSecurityGroupCommand({ GroupId })), 'DependencyViolation')
      await pause(320)
      await ec2().send(new DeleteSecurityGroupCommand({ GroupId }))
    })

    test('are not deleted while a rule of another group or an interface refers to them', async () => {
      const [referred, referring] = [await securityGroup(), await securityGroup()]
      await ec2().send(
        new AuthorizeSecurityGroupIngressCommand({
          GroupId: referring,
          IpPermissions: [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, UserIdGroupPairs: [{ GroupId: referred }] }],
        }),
      )
      await refused(ec2().send(new DeleteSecurityGroupCommand({ GroupId: referred })), 'DependencyViolation')
      await refused(
        ec2().send(new DeleteSecurityGroupCommand({ GroupId: rig.seeded.nodeGroupId })),
        'DependencyViolation',
      )
      await ec2().send(new DeleteSecurityGroupCommand({ GroupId: referring }))
      await ec2().send(new DeleteSecurityGroupCommand({ GroupId: referred }))
    })

    test('hold as many rules as is set, 60 by default, and refuse malformed CIDRs', async () => {
      const GroupId = await securityGroup()
      const allow = (from: number, to: number) =>
        ec2().send(
          new AuthorizeSecurityGroupIngressCommand({
            GroupId,
            IpPermissions: Array.from({ length: to - from }, (_, index) => ({
              IpProtocol: 'tcp',
              FromPort: from + index,
              ToPort: from + index,
              IpRanges: [{ CidrIp: '10.0.0.0/8' }],
            })),
          }),
        )
      await allow(1, 61)
      await refused(allow(61, 62), 'RulesPerSecurityGroupLimitExceeded')
      rig.proxy.set({ quotas: { rulesPerSecurityGroup: 100 } })
      await allow(61, 101)
      await refused(allow(101, 102), 'RulesPerSecurityGroupLimitExceeded')
      const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 1, ToPort: 1, IpRanges: [{ CidrIp: '10.0.0.300/8' }] }]
      await refused(
        ec2().send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions })),
        'InvalidParameterValue',
      )
    })

    test('are not found for as long as is set', async () => {
      rig.proxy.set({ visibilityMs: 300 })
      const GroupId = await securityGroup()
      const look = () => ec2().send(new DescribeSecurityGroupsCommand({ GroupIds: [GroupId] }))
      await refused(look(), 'InvalidGroup.NotFound')
      await pause(320)
      assert.equal((await look()).SecurityGroups?.length, 1)
    })
  })

  test('tags are asked for at most 20 resources at a time', async () => {
    const ResourceArns = Array.from(
      { length: 21 },
      (_, index) => `arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/${index}`,
    )
    await refused(elb().send(new DescribeTagsCommand({ ResourceArns })), 'ValidationError')
  })
})

function known<T>(value: T | undefined): T {
  assert.notEqual(value, undefined)
  return value as T
}
