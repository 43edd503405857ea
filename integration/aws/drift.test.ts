/** What somebody changed by hand in the account is put back: within the drift interval, and by any restart. What is not ours stays. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { AwsCloud } from '../../providers/aws/cloud.ts'
import type { Account } from './account.ts'
import { needsEmulator } from './account.ts'
import type { Scene } from './scene.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const signal = new AbortController().signal

type Damage = (account: Account) => Promise<void>

const damages: Readonly<Record<string, Damage>> = {
  async 'a target deregistered'({ cloud }) {
    const { targetGroupArn } = await targetGroupOf(cloud)
    const { targetHealthDescriptions } = await cloud.describeTargetHealth({ targetGroupArn }, signal)
    const [first] = targetHealthDescriptions
    assert.ok(first)
    await cloud.deregisterTargets({ targetGroupArn, targets: [first.target] }, signal)
  },
  async 'a rule of the node security group revoked'(account) {
    await revokeFirst(account, account.nodeGroupId)
  },
  async "a rule of the load balancer's security group revoked"(account) {
    const groupId = (await balancerOf(account.cloud)).securityGroups[0]
    assert.ok(groupId)
    await revokeFirst(account, groupId)
  },
  async 'the health check changed'({ cloud }) {
    const { targetGroupArn } = await targetGroupOf(cloud)
    await cloud.modifyTargetGroup({ targetGroupArn, healthCheckIntervalSeconds: 77 }, signal)
  },
  async 'an attribute of the target group changed'({ cloud }) {
    const { targetGroupArn } = await targetGroupOf(cloud)
    const attributes = [{ key: 'deregistration_delay.timeout_seconds', value: '1234' }]
    await cloud.modifyTargetGroupAttributes({ targetGroupArn, attributes }, signal)
  },
  async 'an attribute of the load balancer changed'({ cloud }) {
    const { loadBalancerArn } = await balancerOf(cloud)
    const attributes = [{ key: 'load_balancing.cross_zone.enabled', value: 'true' }]
    await cloud.modifyLoadBalancerAttributes({ loadBalancerArn, attributes }, signal)
  },
  async 'a listener deleted'({ cloud }) {
    const { listenerArn } = await listenerOf(cloud)
    await cloud.deleteListener({ listenerArn }, signal)
  },
}

const sceneOf = scenes()

describe('drift in AWS', { skip: needsEmulator() }, () => {
  test('whatever somebody changes is put back within the drift interval', { timeout: 240_000 }, async (context) => {
    const scene = await sceneOf(context)
    const goal = await converged(scene)
    for (const [what, damage] of Object.entries(damages)) {
      const started = performance.now()
      await damage(scene.account)
      await healed(scene, goal, what)
      context.diagnostic(`${what}: ${Math.round(performance.now() - started)} ms`)
    }
  })

  test('everything at once while nobody runs: put back by the start', async (context) => {
    const scene = await sceneOf(context)
    const first = scene.operator()
    const goal = await provisioned(scene)
    await first.stop()
    for (const damage of Object.values(damages)) await damage(scene.account)
    // Attributes are read at the look after the first.
    scene.operator(['--drift-interval=5s'])
    await healed(scene, goal, 'everything')
  })

  test('a target group deleted with its listener is made again', async (context) => {
    const scene = await sceneOf(context)
    const goal = await converged(scene)
    const { cloud } = scene.account
    const { listenerArn } = await listenerOf(cloud)
    const { targetGroupArn } = await targetGroupOf(cloud)
    await cloud.deleteListener({ listenerArn }, signal)
    await cloud.deleteTargetGroup({ targetGroupArn }, signal)
    await healed(scene, goal, 'target group and listener')
  })

  test('a load balancer deleted by hand is made again, and the status follows', async (context) => {
    const scene = await sceneOf(context)
    const { account, cluster } = scene
    const goal = await converged(scene)
    const { loadBalancerArn } = await balancerOf(account.cloud)
    await account.cloud.deleteLoadBalancer({ loadBalancerArn }, signal)
    await healed(scene, goal, 'the load balancer')
    const balancer = await balancerOf(account.cloud)
    assert.notEqual(balancer.loadBalancerArn, loadBalancerArn)
    await until('its name in the status', async () => (await cluster.served('web')) === balancer.dnsName)
  })

  test('what others add beside ours stays', async (context) => {
    const scene = await sceneOf(context)
    const { account, cluster } = scene
    await converged(scene)
    const foreign = { ipProtocol: 'tcp', fromPort: 22, toPort: 22, ipRanges: [{ cidrIp: '10.9.0.0/16' }] }
    await account.cloud.authorizeSecurityGroupIngress(
      { groupId: account.nodeGroupId, ipPermissions: [foreign] },
      signal,
    )
    const { loadBalancerArn } = await balancerOf(account.cloud)
    await account.cloud.addTags({ resourceArns: [loadBalancerArn], tags: [{ key: 'team', value: 'shop' }] }, signal)
    const goal = (await account.inventory()).lines
    await cluster.create('other')
    await cluster.served('other')
    await cluster.remove('other')
    await cluster.gone('other')
    await pause(4000)
    assert.deepEqual((await account.inventory()).lines, goal)
  })
})

/** One operator made it, another one that never wrote anything keeps it: the protection of what is new does not count. */
async function converged(scene: Scene): Promise<readonly string[]> {
  const first = scene.operator()
  const goal = await provisioned(scene)
  await first.stop()
  scene.operator(['--drift-interval=2s'])
  return goal
}

async function provisioned({ account, cluster, quiet }: Scene): Promise<readonly string[]> {
  await cluster.create('web', { ports: [{ name: 'http', port: 80, nodePort: 30080 }] })
  await cluster.served('web')
  await cluster.reason('web', 'Programmed', 'Programmed')
  await quiet()
  return (await account.inventory()).lines
}

async function healed({ account }: Scene, goal: readonly string[], what: string): Promise<void> {
  let lines: readonly string[] = []
  const same = async () => {
    lines = (await account.inventory()).lines
    return JSON.stringify(lines) === JSON.stringify(goal)
  }
  await until('the account as it was', same, { seconds: 60 }).catch(() => undefined)
  assert.deepEqual(lines, goal, what)
}

async function balancerOf(cloud: AwsCloud) {
  const [balancer] = (await cloud.describeLoadBalancers({}, signal)).loadBalancers
  assert.ok(balancer)
  return balancer
}

async function targetGroupOf(cloud: AwsCloud) {
  const [group] = (await cloud.describeTargetGroups({}, signal)).targetGroups
  assert.ok(group)
  return group
}

async function listenerOf(cloud: AwsCloud) {
  const { loadBalancerArn } = await balancerOf(cloud)
  const [listener] = (await cloud.describeListeners({ loadBalancerArn }, signal)).listeners
  assert.ok(listener)
  return listener
}

async function revokeFirst({ cloud }: Account, groupId: string): Promise<void> {
  const { securityGroups } = await cloud.describeSecurityGroups({ groupIds: [groupId] }, signal)
  const rule = securityGroups[0]?.ipPermissions.find(({ fromPort }) => fromPort === 80 || (fromPort ?? 0) >= 10_000)
  assert.ok(rule)
  await cloud.revokeSecurityGroupIngress({ groupId, ipPermissions: [rule] }, signal)
}
