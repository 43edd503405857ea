/** Listeners, tags and security groups through the proxy as the real SDK sees them: what AWS would show, one test per repaired deviation. */
import assert from 'node:assert/strict'
import {
  AuthorizeSecurityGroupIngressCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupsCommand,
} from '@aws-sdk/client-ec2'
import {
  AddListenerCertificatesCommand,
  DeleteListenerCommand,
  DeleteTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DescribeListenerCertificatesCommand,
  DescribeListenersCommand,
  DescribeTagsCommand,
  ModifyListenerCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { requires } from '../../scripts/requires.ts'
import { known, refused, repairedAccount } from './testing.ts'

describe('repaired: listeners, tags and security groups', { skip: requires('moto') }, () => {
  const { balancer, ec2, elb, group, listener, rig, securityGroup } = repairedAccount()

  describe('listeners', () => {
    test('are one per port, with a protocol that fits the target group', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const [one, two] = [await group(), await group({ Protocol: 'UDP' })]
      const made = await listener(LoadBalancerArn, one)
      assert.match(known(made.ListenerArn), /:listener\/net\//)
      assert.equal(made.SslPolicy, undefined)
      assert.equal((await listener(LoadBalancerArn, one)).ListenerArn, made.ListenerArn, 'the same again')
      await refused(listener(LoadBalancerArn, await group()), 'DuplicateListener')
      await refused(listener(LoadBalancerArn, two, 81), 'IncompatibleProtocols')
    })

    test('forward to a second target group without weight, which is in use then, and move to it', async () => {
      const LoadBalancerArn = known((await balancer()).LoadBalancerArn)
      const [one, both] = [await group(), await group({ Protocol: 'TCP_UDP' })]
      const { ListenerArn } = await listener(LoadBalancerArn, one)
      const TargetGroups = [
        { TargetGroupArn: one, Weight: 1 },
        { TargetGroupArn: both, Weight: 0 },
      ]
      const beside = [{ Type: 'forward' as const, ForwardConfig: { TargetGroups } }]
      await elb().send(new ModifyListenerCommand({ ListenerArn, DefaultActions: beside }))
      const { Listeners } = await elb().send(new DescribeListenersCommand({ LoadBalancerArn }))
      const shown = Listeners?.[0]?.DefaultActions?.[0]
      assert.equal(shown?.TargetGroupArn, undefined)
      assert.deepEqual(
        shown?.ForwardConfig?.TargetGroups?.map(({ TargetGroupArn, Weight }) => ({ TargetGroupArn, Weight })),
        TargetGroups,
      )
      await refused(elb().send(new DeleteTargetGroupCommand({ TargetGroupArn: both })), 'ResourceInUse')
      const alone = [{ Type: 'forward' as const, TargetGroupArn: both }]
      await elb().send(new ModifyListenerCommand({ ListenerArn, Protocol: 'TCP_UDP', DefaultActions: alone }))
      await elb().send(new DeleteTargetGroupCommand({ TargetGroupArn: one }))
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
      rig().proxy.set({ certificates: [CertificateArn] })
      const unknown = [{ CertificateArn: more }]
      await refused(
        elb().send(new ModifyListenerCommand({ ListenerArn, Certificates: unknown })),
        'CertificateNotFound',
      )
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
      rig().proxy.set({ securityGroupLingerMs: 300 })
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
        ec2().send(new DeleteSecurityGroupCommand({ GroupId: rig().seeded.nodeGroupId })),
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
      rig().proxy.set({ quotas: { rulesPerSecurityGroup: 100 } })
      await allow(61, 101)
      await refused(allow(101, 102), 'RulesPerSecurityGroupLimitExceeded')
      const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 1, ToPort: 1, IpRanges: [{ CidrIp: '10.0.0.300/8' }] }]
      await refused(
        ec2().send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions })),
        'InvalidParameterValue',
      )
    })

    test('are not found for as long as is set', async () => {
      rig().proxy.set({ visibilityMs: 300 })
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
