/** A seeded account to experiment in: short ways to make things, all of them removed at the end as far as that is possible. */
import { randomBytes } from 'node:crypto'
import { CreateSecurityGroupCommand, DeleteSecurityGroupCommand, type EC2Client } from '@aws-sdk/client-ec2'
import {
  CreateListenerCommand,
  type CreateListenerCommandInput,
  CreateLoadBalancerCommand,
  type CreateLoadBalancerCommandInput,
  CreateTargetGroupCommand,
  type CreateTargetGroupCommandInput,
  DeleteLoadBalancerCommand,
  DeleteTargetGroupCommand,
  type ElasticLoadBalancingV2Client,
  type Listener,
  type LoadBalancer,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { clients } from './sdk-clients.ts'
import { seed } from './seed.ts'

export interface Laboratory {
  elbv2: ElasticLoadBalancingV2Client
  ec2: EC2Client
  /** A running instance. */
  instance: string
  /** A name that nothing has. */
  fresh: () => string
  balancer: (more?: Partial<CreateLoadBalancerCommandInput>) => Promise<LoadBalancer>
  /** ARN of a target group. */
  group: (more?: Partial<CreateTargetGroupCommandInput>) => Promise<string>
  listener: (
    loadBalancerArn: string,
    targetGroupArn: string,
    more?: Partial<CreateListenerCommandInput>,
  ) => Promise<Listener>
  /** Id of a security group. */
  securityGroup: () => Promise<string>
  /** `ok` or the AWS error code. */
  code: (work: Promise<unknown>) => Promise<string>
  /** undefined when the work was refused with this code, otherwise what happened. */
  refusal: (wanted: string, work: Promise<unknown>) => Promise<string | undefined>
  close: () => Promise<void>
}

/** Errors: the service does not answer, or not as AWS at all. */
export async function openLaboratory(url: string): Promise<Laboratory> {
  const { vpcId, subnetIds, instances, region } = await seed(url, { clusterId: 'probe', nodes: 1, ipv6: true })
  const sdk = clients(url, region)
  const { elbv2, ec2 } = sdk
  const remove: (() => Promise<unknown>)[] = []
  const run = randomBytes(4).toString('hex')
  let serial = 0
  const fresh = () => `probe-${run}-${++serial}`
  const code = async (work: Promise<unknown>) =>
    await work.then(
      () => 'ok',
      (error: Error & { Code?: string }) => error.Code ?? error.name,
    )
  return {
    elbv2,
    ec2,
    instance: instances[0]?.id ?? '',
    fresh,
    balancer: async (more = {}) => {
      const input = { Name: fresh(), Type: 'network' as const, Subnets: subnetIds, ...more }
      const balancer = (await elbv2.send(new CreateLoadBalancerCommand(input))).LoadBalancers?.[0]
      if (balancer?.LoadBalancerArn === undefined) throw new Error('CreateLoadBalancer answered without an ARN')
      const { LoadBalancerArn } = balancer
      remove.push(() => elbv2.send(new DeleteLoadBalancerCommand({ LoadBalancerArn })))
      return balancer
    },
    group: async (more = {}) => {
      const input = { Name: fresh(), Protocol: 'TCP' as const, Port: 30080, VpcId: vpcId, ...more }
      const TargetGroupArn = (await elbv2.send(new CreateTargetGroupCommand(input))).TargetGroups?.[0]?.TargetGroupArn
      if (TargetGroupArn === undefined) throw new Error('CreateTargetGroup answered without an ARN')
      remove.unshift(() => elbv2.send(new DeleteTargetGroupCommand({ TargetGroupArn })))
      return TargetGroupArn
    },
    listener: async (LoadBalancerArn, TargetGroupArn, more = {}) => {
      const DefaultActions = [{ Type: 'forward' as const, TargetGroupArn }]
      const input = { LoadBalancerArn, Protocol: 'TCP' as const, Port: 80, DefaultActions, ...more }
      const listener = (await elbv2.send(new CreateListenerCommand(input))).Listeners?.[0]
      if (listener === undefined) throw new Error('CreateListener answered without a listener')
      return listener
    },
    securityGroup: async () => {
      const input = { GroupName: fresh(), Description: 'of a probe', VpcId: vpcId }
      const { GroupId } = await ec2.send(new CreateSecurityGroupCommand(input))
      if (GroupId === undefined) throw new Error('CreateSecurityGroup answered without an id')
      remove.unshift(() => ec2.send(new DeleteSecurityGroupCommand({ GroupId })))
      return GroupId
    },
    code,
    refusal: async (wanted, work) => {
      const seen = await code(work)
      if (seen === wanted) return undefined
      return seen === 'ok' ? 'accepted' : seen
    },
    close: async () => {
      // Load balancers stand at the end of the list and go first: the rest is in use until then.
      for (const step of remove.toReversed()) await step().catch(() => undefined)
      sdk.destroy()
    },
  }
}
