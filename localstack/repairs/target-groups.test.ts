/** Target groups and targets through the proxy as the real SDK sees them: what AWS would show, one test per repaired deviation. */
import assert from 'node:assert/strict'
import {
  DeleteLoadBalancerCommand,
  DeleteTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  ModifyListenerCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { requires } from '../../scripts/requires.ts'
import { known, refused, repairedAccount } from './testing.ts'

describe('repaired: target groups and targets', { skip: requires('moto') }, () => {
  const { balancer, elb, fresh, group, health, listener, rig } = repairedAccount()

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
      rig().proxy.set({ targetGroupLingerMs: 300 })
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
      const Id = known(rig().seeded.instances[0]?.id)
      await elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }, { Id, Port: 31000 }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 unused`, `${Id}:31000 unused`])
      await elb().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }))
      await elb().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }, { Id, Port: 9 }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:31000 unused`])
    })

    test('that do not exist are refused, and nothing of the batch is registered', async () => {
      const TargetGroupArn = await group()
      const Targets = [{ Id: known(rig().seeded.instances[0]?.id) }, { Id: 'i-0123456789abcdef0' }]
      await refused(elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets })), 'InvalidTarget')
      assert.deepEqual(await health(TargetGroupArn), [])
    })

    test('are initial, healthy, draining and gone', async () => {
      rig().proxy.set({ initialMs: 300, drainingMs: 300 })
      const TargetGroupArn = await group()
      await listener(known((await balancer()).LoadBalancerArn), TargetGroupArn)
      const Id = known(rig().seeded.instances[0]?.id)
      await elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 initial`])
      await pause(320)
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 healthy`])
      rig().proxy.cloud.setHealth(Id, 'unhealthy')
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 unhealthy`])
      rig().proxy.cloud.setHealth(Id, undefined)
      await elb().send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }))
      assert.deepEqual(await health(TargetGroupArn), [`${Id}:30080 draining`])
      await pause(320)
      assert.deepEqual(await health(TargetGroupArn), [])
    })

    test('have a quota', async () => {
      rig().proxy.set({ quotas: { targetsPerGroup: 2 } })
      const TargetGroupArn = await group()
      const Targets = rig().seeded.instances.map(({ id }) => ({ Id: id }))
      await refused(elb().send(new RegisterTargetsCommand({ TargetGroupArn, Targets })), 'TooManyTargets')
    })
  })
})
