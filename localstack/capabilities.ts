/**
 * What an emulator does as AWS does, as a table of small experiments with the real SDK. A test that needs one of these names it, and is
 * skipped with the name where it does not hold; a deviation that a repair of the fault proxy mends says which.
 */
import {
  AuthorizeSecurityGroupIngressCommand,
  DeleteSecurityGroupCommand,
  DescribeSubnetsCommand,
  type IpPermission,
} from '@aws-sdk/client-ec2'
import {
  DeleteLoadBalancerCommand,
  DeregisterTargetsCommand,
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeTagsCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  ModifyListenerCommand,
  ModifyLoadBalancerAttributesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Laboratory } from './laboratory.ts'
import type { RepairName } from './repairs/repairs.ts'

export interface Capability {
  name: string
  /** What AWS does. */
  aws: string
  repairedBy: RepairName
  /** What was seen instead; undefined: as AWS. */
  deviation: (laboratory: Laboratory) => Promise<string | undefined>
}

export const capabilities: readonly Capability[] = [
  {
    name: 'network ARNs',
    aws: 'the ARN of a Network Load Balancer has `loadbalancer/net/`',
    repairedBy: 'arn-form',
    async deviation({ balancer }) {
      const { LoadBalancerArn = '' } = await balancer()
      return LoadBalancerArn.includes(':loadbalancer/net/') ? undefined : LoadBalancerArn
    },
  },
  {
    name: 'IPv6 ranges of subnets',
    aws: 'each is `associated`',
    repairedBy: 'subnets',
    async deviation({ ec2 }) {
      const Filters = [{ Name: 'tag:kubernetes.io/cluster/probe', Values: ['owned'] }]
      const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({ Filters }))
      const states = Subnets.map((one) => one.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlockState?.State ?? 'none')
      return states.every((state) => state === 'associated') ? undefined : states.join(', ')
    },
  },
  {
    name: 'DNS names',
    aws: '`<name>-<id>.elb.<region>.amazonaws.com`',
    repairedBy: 'load-balancers',
    async deviation({ balancer }) {
      const { DNSName = '' } = await balancer()
      return /-[0-9a-f]{16}\.elb\.[a-z0-9-]+\.amazonaws\.com$/.test(DNSName) ? undefined : DNSName
    },
  },
  {
    name: 'idempotent CreateLoadBalancer',
    aws: 'the same name and settings: the same load balancer',
    repairedBy: 'load-balancers',
    async deviation({ balancer, fresh }) {
      const Name = fresh()
      const [one, two] = [await balancer({ Name }), await balancer({ Name })]
      return one.LoadBalancerArn === two.LoadBalancerArn ? undefined : 'a second load balancer'
    },
  },
  {
    name: 'DuplicateLoadBalancerName',
    aws: 'the same name and other settings are refused',
    repairedBy: 'load-balancers',
    async deviation({ balancer, fresh, refusal }) {
      const Name = fresh()
      await balancer({ Name, Scheme: 'internal' })
      return await refusal('DuplicateLoadBalancerName', balancer({ Name, Scheme: 'internet-facing' }))
    },
  },
  {
    name: 'load balancer names',
    aws: 'at most 32 characters, not `internal-`',
    repairedBy: 'load-balancers',
    deviation: async ({ balancer, refusal }) => await refusal('ValidationError', balancer({ Name: 'x'.repeat(33) })),
  },
  {
    name: 'deletion protection',
    aws: 'a protected load balancer is not deleted',
    repairedBy: 'load-balancers',
    async deviation({ balancer, refusal, elbv2 }) {
      const { LoadBalancerArn } = await balancer()
      const protect = async (Value: string) =>
        await elbv2.send(
          new ModifyLoadBalancerAttributesCommand({
            LoadBalancerArn,
            Attributes: [{ Key: 'deletion_protection.enabled', Value }],
          }),
        )
      await protect('true')
      const seen = await refusal(
        'OperationNotPermitted',
        elbv2.send(new DeleteLoadBalancerCommand({ LoadBalancerArn })),
      )
      if (seen === undefined) await protect('false')
      return seen
    },
  },
  {
    name: 'unknown among known',
    aws: 'a describe that names one unknown object fails',
    repairedBy: 'load-balancers',
    async deviation({ balancer, refusal, elbv2 }) {
      const { LoadBalancerArn = '' } = await balancer()
      const LoadBalancerArns = [LoadBalancerArn, LoadBalancerArn.replace(/.{16}$/, '0000000000000000')]
      return await refusal('LoadBalancerNotFound', elbv2.send(new DescribeLoadBalancersCommand({ LoadBalancerArns })))
    },
  },
  {
    name: 'idempotent CreateTargetGroup',
    aws: 'the same name and settings: the same target group',
    repairedBy: 'target-groups',
    async deviation({ group, fresh, code }) {
      const Name = fresh()
      await group({ Name })
      const seen = await code(group({ Name }))
      return seen === 'ok' ? undefined : seen
    },
  },
  {
    name: 'groups follow listeners',
    aws: 'the load balancer of a target group is that of the listener which now points to it',
    repairedBy: 'target-groups',
    async deviation({ balancer, group, listener, elbv2 }) {
      const { LoadBalancerArn = '' } = await balancer()
      const [one, two] = [await group(), await group()]
      const { ListenerArn } = await listener(LoadBalancerArn, one)
      const DefaultActions = [{ Type: 'forward' as const, TargetGroupArn: two }]
      await elbv2.send(new ModifyListenerCommand({ ListenerArn, DefaultActions }))
      const { TargetGroups } = await elbv2.send(new DescribeTargetGroupsCommand({ TargetGroupArns: [two] }))
      return TargetGroups?.[0]?.LoadBalancerArns?.[0] === LoadBalancerArn ? undefined : 'none'
    },
  },
  {
    name: 'one load balancer per group',
    aws: 'a target group belongs to one load balancer at a time',
    repairedBy: 'listeners',
    async deviation({ balancer, group, listener, refusal }) {
      const shared = await group()
      await listener((await balancer()).LoadBalancerArn ?? '', shared)
      const other = (await balancer()).LoadBalancerArn ?? ''
      return await refusal('TargetGroupAssociationLimit', listener(other, shared))
    },
  },
  {
    name: 'group attributes',
    aws: 'those of a Network Load Balancer with their defaults',
    repairedBy: 'attributes',
    async deviation({ group, elbv2 }) {
      const TargetGroupArn = await group()
      const { Attributes } = await elbv2.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn }))
      const missing = ['preserve_client_ip.enabled', 'proxy_protocol_v2.enabled'].filter(
        (key) => !Attributes?.some(({ Key }) => Key === key),
      )
      return missing.length === 0 ? undefined : `without ${missing.join(', ')}`
    },
  },
  {
    name: 'targets by id and port',
    aws: 'one instance on two ports is two targets',
    repairedBy: 'targets',
    async deviation({ group, elbv2, instance }) {
      const TargetGroupArn = await group()
      const Targets = [{ Id: instance }, { Id: instance, Port: 31000 }]
      await elbv2.send(new RegisterTargetsCommand({ TargetGroupArn, Targets }))
      const { TargetHealthDescriptions } = await elbv2.send(new DescribeTargetHealthCommand({ TargetGroupArn }))
      return TargetHealthDescriptions?.length === 2 ? undefined : `${TargetHealthDescriptions?.length} target`
    },
  },
  {
    name: 'unknown instances',
    aws: 'registering an instance that does not exist is refused',
    repairedBy: 'targets',
    async deviation({ group, refusal, elbv2 }) {
      const input = { TargetGroupArn: await group(), Targets: [{ Id: 'i-0123456789abcdef0' }] }
      return await refusal('InvalidTarget', elbv2.send(new RegisterTargetsCommand(input)))
    },
  },
  {
    name: 'deregistering the absent',
    aws: 'is no error',
    repairedBy: 'targets',
    async deviation({ group, code, elbv2, instance }) {
      const input = { TargetGroupArn: await group(), Targets: [{ Id: instance }] }
      const seen = await code(elbv2.send(new DeregisterTargetsCommand(input)))
      return seen === 'ok' ? undefined : seen
    },
  },
  {
    name: 'target health',
    aws: 'unused while no listener points to the group',
    repairedBy: 'targets',
    async deviation({ group, elbv2, instance }) {
      const TargetGroupArn = await group()
      await elbv2.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: instance }] }))
      const { TargetHealthDescriptions } = await elbv2.send(new DescribeTargetHealthCommand({ TargetGroupArn }))
      const state = TargetHealthDescriptions?.[0]?.TargetHealth?.State
      return state === 'unused' ? undefined : String(state)
    },
  },
  {
    name: 'one listener per port',
    aws: 'another on the same port is refused',
    repairedBy: 'listeners',
    async deviation({ balancer, group, listener, refusal }) {
      const { LoadBalancerArn = '' } = await balancer()
      await listener(LoadBalancerArn, await group())
      return await refusal('DuplicateListener', listener(LoadBalancerArn, await group()))
    },
  },
  {
    name: 'protocols that fit',
    aws: 'a TCP listener does not forward to a UDP group',
    repairedBy: 'listeners',
    async deviation({ balancer, group, listener, refusal }) {
      const { LoadBalancerArn = '' } = await balancer()
      return await refusal('IncompatibleProtocols', listener(LoadBalancerArn, await group({ Protocol: 'UDP' })))
    },
  },
  {
    name: 'ModifyListener to TLS',
    aws: 'changes protocol and certificate in place',
    repairedBy: 'listeners',
    async deviation({ balancer, group, listener, code, elbv2 }) {
      const { LoadBalancerArn = '' } = await balancer()
      const { ListenerArn } = await listener(LoadBalancerArn, await group())
      const Certificates = [{ CertificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/probe' }]
      const seen = await code(elbv2.send(new ModifyListenerCommand({ ListenerArn, Protocol: 'TLS', Certificates })))
      if (seen !== 'ok') return seen
      const { Listeners } = await elbv2.send(new DescribeListenersCommand({ LoadBalancerArn }))
      return Listeners?.[0]?.Protocol === 'TLS' ? undefined : String(Listeners?.[0]?.Protocol)
    },
  },
  {
    name: 'TLS certificates',
    aws: 'a TLS listener needs one',
    repairedBy: 'listeners',
    async deviation({ balancer, group, listener, refusal }) {
      const { LoadBalancerArn = '' } = await balancer()
      const made = listener(LoadBalancerArn, await group(), { Protocol: 'TLS' })
      return await refusal('ValidationError', made)
    },
  },
  {
    name: 'tags of 20 resources',
    aws: 'a DescribeTags for more is refused',
    repairedBy: 'tags',
    async deviation({ refusal, group, elbv2 }) {
      const ResourceArns = Array.from({ length: 21 }, () => '')
      ResourceArns.fill(await group())
      return await refusal('ValidationError', elbv2.send(new DescribeTagsCommand({ ResourceArns })))
    },
  },
  {
    name: 'tags of what is gone',
    aws: 'are not found',
    repairedBy: 'tags',
    async deviation({ balancer, refusal, elbv2 }) {
      const { LoadBalancerArn = '' } = await balancer()
      await elbv2.send(new DeleteLoadBalancerCommand({ LoadBalancerArn }))
      return await refusal(
        'LoadBalancerNotFound',
        elbv2.send(new DescribeTagsCommand({ ResourceArns: [LoadBalancerArn] })),
      )
    },
  },
  {
    name: 'security groups in use',
    aws: 'are not deleted while a load balancer has them',
    repairedBy: 'security-groups',
    async deviation({ balancer, securityGroup, refusal, ec2 }) {
      const GroupId = await securityGroup()
      await balancer({ SecurityGroups: [GroupId] })
      return await refusal('DependencyViolation', ec2.send(new DeleteSecurityGroupCommand({ GroupId })))
    },
  },
  {
    name: 'rules per security group',
    aws: 'the 61st is refused',
    repairedBy: 'security-groups',
    async deviation({ securityGroup, refusal, ec2 }) {
      const GroupId = await securityGroup()
      const IpPermissions = Array.from({ length: 61 }, (_, index) => permission(index + 1, '10.0.0.0/8'))
      const input = new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions })
      return await refusal('RulesPerSecurityGroupLimitExceeded', ec2.send(input))
    },
  },
  {
    name: 'malformed CIDRs',
    aws: 'are refused',
    repairedBy: 'security-groups',
    async deviation({ securityGroup, refusal, ec2 }) {
      const input = { GroupId: await securityGroup(), IpPermissions: [permission(80, '10.0.0.300/8')] }
      return await refusal('InvalidParameterValue', ec2.send(new AuthorizeSecurityGroupIngressCommand(input)))
    },
  },
]

function permission(port: number, CidrIp: string): IpPermission {
  return { IpProtocol: 'tcp', FromPort: port, ToPort: port, IpRanges: [{ CidrIp }] }
}
