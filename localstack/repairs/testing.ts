/** For the repairs' tests: an account with three instances, and short ways to make things in it through the proxy. */
import assert from 'node:assert/strict'
import { CreateSecurityGroupCommand, type EC2Client } from '@aws-sdk/client-ec2'
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  type CreateLoadBalancerCommandInput,
  CreateTargetGroupCommand,
  type CreateTargetGroupCommandInput,
  DescribeTargetHealthCommand,
  type ElasticLoadBalancingV2Client,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { after, before, beforeEach } from 'node:test'
import { type Rig, startRig } from '../rig.ts'

/** To be called inside a `describe`: starts before its tests and ends after them; every test finds the proxy as at the start. */
export function repairedAccount() {
  let rig: Rig | undefined
  let serial = 0
  before(async () => {
    rig = await startRig({ seed: { nodes: 3 } })
  })
  beforeEach(() => rig?.proxy.reset())
  after(async () => await rig?.close())

  const started = () => known(rig)
  const elb = (): ElasticLoadBalancingV2Client => started().sdk.elbv2
  const ec2 = (): EC2Client => started().sdk.ec2
  const fresh = (word: string) => `${word}-${++serial}`

  return {
    rig: started,
    elb,
    ec2,
    fresh,
    balancer: async (more: Partial<CreateLoadBalancerCommandInput> = {}) => {
      const Subnets = started().seeded.subnetIds
      const { LoadBalancers } = await elb().send(
        new CreateLoadBalancerCommand({ Name: fresh('lb'), Type: 'network', Subnets, ...more }),
      )
      return known(LoadBalancers?.[0])
    },
    group: async (more: Partial<CreateTargetGroupCommandInput> = {}): Promise<string> => {
      const VpcId = started().seeded.vpcId
      const { TargetGroups } = await elb().send(
        new CreateTargetGroupCommand({ Name: fresh('tg'), Protocol: 'TCP', Port: 30080, VpcId, ...more }),
      )
      return known(TargetGroups?.[0]?.TargetGroupArn)
    },
    listener: async (LoadBalancerArn: string, TargetGroupArn: string, Port = 80) => {
      const DefaultActions = [{ Type: 'forward' as const, TargetGroupArn }]
      const { Listeners } = await elb().send(
        new CreateListenerCommand({ LoadBalancerArn, Protocol: 'TCP', Port, DefaultActions }),
      )
      return known(Listeners?.[0])
    },
    securityGroup: async (): Promise<string> => {
      const GroupName = fresh('group')
      const made = await ec2().send(
        new CreateSecurityGroupCommand({ GroupName, Description: 'of a test', VpcId: started().seeded.vpcId }),
      )
      return known(made.GroupId)
    },
    /** `id:port state` of each target. */
    health: async (TargetGroupArn: string): Promise<string[]> => {
      const { TargetHealthDescriptions } = await elb().send(new DescribeTargetHealthCommand({ TargetGroupArn }))
      return (TargetHealthDescriptions ?? []).map(
        ({ Target, TargetHealth }) => `${Target?.Id}:${Target?.Port} ${TargetHealth?.State}`,
      )
    },
  }
}

export async function refused(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (error: Error & { Code?: string }) => {
    assert.equal(error.Code ?? error.name, code, error.message)
    return true
  })
}

export function known<T>(value: T | undefined): T {
  assert.notEqual(value, undefined)
  return value as T
}
