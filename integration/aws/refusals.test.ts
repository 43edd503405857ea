/**
 * What AWS refuses: throttling, quotas, permissions, unknown instances, a group deleted by hand. Each shows the right condition, leaves
 * others alone, and is over without a restart once its cause is.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  ModifyInstanceAttributeCommand,
  ModifyNetworkInterfaceAttributeCommand,
} from '@aws-sdk/client-ec2'
import { loadBalancers } from '../../crds/load-balancer.ts'
import { nodes } from '../../kube/resources.ts'
import { clients } from '../../localstack/sdk-clients.ts'
import type { Account } from './account.ts'
import { needsEmulator } from './account.ts'
import { namespace } from './cluster.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const signal = new AbortController().signal

const sceneOf = scenes()

describe('AWS refuses', { skip: needsEmulator() }, () => {
  test('throttled for two seconds: nobody is told, everything comes to be', async (context) => {
    const { account, cluster, operator } = await sceneOf(context)
    account.faults.add({ effect: { kind: 'throttled' }, forMs: 2000 })
    operator()
    await cluster.create('web')
    await cluster.served('web', 60)
    const warnings = (await cluster.eventsOf('web')).filter(({ type }) => type === 'Warning')
    assert.deepEqual(
      warnings.map(({ reason }) => reason),
      [],
    )
  })

  const quotas: Readonly<Record<string, { action: string; code: string; message: string }>> = {
    'load balancers': {
      action: 'CreateLoadBalancer',
      code: 'TooManyLoadBalancers',
      message: "The quota 'Network Load Balancers per Region' has been reached",
    },
    'target groups': {
      action: 'CreateTargetGroup',
      code: 'TooManyTargetGroups',
      message: "The quota 'Target Groups per Region' has been reached",
    },
    targets: {
      action: 'RegisterTargets',
      code: 'TooManyTargets',
      message: 'The maximum number of targets per target group has been reached',
    },
    'rules of a security group': {
      action: 'AuthorizeSecurityGroupIngress',
      code: 'RulesPerSecurityGroupLimitExceeded',
      message: 'The maximum number of rules per security group has been reached.',
    },
  }
  for (const [what, { action, code, message }] of Object.entries(quotas)) {
    test(`quota of ${what}: a condition with the code, the neighbour works, over when the quota is`, async (context) => {
      const { account, cluster, operator, quiet } = await sceneOf(context)
      operator(['--drift-interval=5s'])
      await cluster.create('neighbour')
      const hostname = await cluster.served('neighbour')
      await quiet()
      const off = account.faults.add({ match: { action }, effect: { kind: 'error', code, message } })
      await cluster.create('web')
      const condition = await cluster.reason('web', 'Programmed', 'QuotaExceeded')
      assert.equal(condition.status, 'False')
      assert.ok(condition.message.includes(code), condition.message)
      const warned = (await cluster.eventsOf('web')).filter(({ reason }) => reason === 'QuotaExceeded')
      assert.equal(warned.length, 1)
      assert.equal(await cluster.served('neighbour'), hostname)
      off()
      // Tried again after 10 s, 20 s, ...
      await cluster.served('web', 40)
      await cluster.reason('web', 'Programmed', 'Programmed')
    })
  }

  for (const action of ['CreateLoadBalancer', 'RegisterTargets', 'AuthorizeSecurityGroupIngress', 'DescribeSubnets']) {
    test(`${action} denied: a condition with the code and what is missing, over when it is granted`, async (context) => {
      const { account, cluster, operator } = await sceneOf(context)
      const off = account.faults.add({ match: { action }, effect: { kind: 'denied' } })
      operator()
      await cluster.create('web')
      const condition = await cluster.reason('web', 'Programmed', 'PermissionDenied')
      assert.match(condition.message, /AccessDenied|UnauthorizedOperation/)
      assert.ok(condition.message.includes(action), condition.message)
      const warned = (await cluster.eventsOf('web')).filter(({ reason }) => reason === 'PermissionDenied')
      assert.deepEqual(
        warned.map(({ count = 1 }) => count),
        [1],
      )
      off()
      await cluster.served('web', 40)
    })
  }

  test('an instance AWS does not know: the others are registered, and the node is named', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    const [machine] = account.machines
    assert.ok(machine)
    await cluster.addNode('stranger', { ...machine, instanceId: 'i-0bad0bad0bad0bad0', privateIp: '10.0.99.99' })
    operator(['--drift-interval=5s'])
    await cluster.create('web')
    await cluster.served('web')
    const { lines } = await account.inventory()
    const targets = lines.find((line) => / targets /.test(line)) ?? ''
    for (const { instanceId } of account.machines) assert.ok(targets.includes(instanceId), targets)
    const notice = await cluster.reason('web', 'Notice', 'InstanceRefused')
    assert.match(notice.message, /no traffic for node stranger \(i-0bad0bad0bad0bad0\)/)
    const { items } = await cluster.client.list(loadBalancers, namespace)
    assert.ok(items.some(({ status }) => JSON.stringify(status).includes('stranger')))
    await cluster.reason('web', 'Programmed', 'Programmed')
    await quiet()
    const warned = (await cluster.eventsOf('web')).filter(({ reason }) => reason === 'InstanceRefused')
    assert.deepEqual(
      warned.map(({ count = 1 }) => count),
      [1],
    )
  })

  test('a node without a providerID holds nobody up, and is named', async (context) => {
    const { account, cluster, operator } = await sceneOf(context)
    await cluster.client.create(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'bare' },
      status: { addresses: [{ type: 'InternalIP', address: '10.0.99.98' }] },
    })
    operator()
    await cluster.create('web')
    await cluster.served('web')
    const { lines } = await account.inventory()
    assert.equal(lines.find((line) => / targets /.test(line))?.split(',').length, account.machines.length)
    const notice = await cluster.reason('web', 'Notice', 'NodeWithoutCloud')
    assert.match(notice.message, /no traffic for node bare: spec\.providerID/)
  })

  test('a node with several security groups: the others are served, the candidates and the tag are named', async (context) => {
    const { account, cluster, operator } = await sceneOf(context)
    const { ec2, ...sdk } = clients(account.proxy.quietUrl)
    context.after(() => sdk.destroy())
    const groups: string[] = []
    for (const GroupName of ['one', 'two']) {
      const made = await ec2.send(
        new CreateSecurityGroupCommand({ GroupName, Description: GroupName, VpcId: account.vpcId }),
      )
      groups.push(made.GroupId ?? '')
    }
    const InstanceId = account.machines[0]?.instanceId ?? ''
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }))
    const NetworkInterfaceId = Reservations[0]?.Instances?.[0]?.NetworkInterfaces?.[0]?.NetworkInterfaceId
    // AWS does with either what moto does with both.
    await ec2.send(new ModifyNetworkInterfaceAttributeCommand({ NetworkInterfaceId, Groups: groups }))
    await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, Groups: groups }))
    operator()
    await cluster.create('web')
    await cluster.served('web')
    const notice = await cluster.reason('web', 'Notice', 'NodeSecurityGroupUnknown')
    assert.match(notice.message, /^no rules for node node-1: .*tag exactly one with kubernetes\.io\/cluster\//)
    for (const group of groups) assert.ok(notice.message.includes(group), notice.message)
    assert.equal((await account.nodeGroupPorts()).length, 2)
    await cluster.reason('web', 'Programmed', 'Programmed')
  })

  test('annotations of other controllers: the Service is served, and each is named with its equivalent', async (context) => {
    const { cluster, operator } = await sceneOf(context)
    operator()
    const foreign = 'service.beta.kubernetes.io/aws-load-balancer-cross-zone-load-balancing-enabled'
    await cluster.create('web', {}, { [foreign]: 'true' })
    await cluster.served('web')
    const notice = await cluster.reason('web', 'Notice', 'ForeignAnnotations')
    assert.ok(notice.message.includes(`${foreign}: use roadstead.dev/cross-zone: "true"`), notice.message)
    const warned = (await cluster.eventsOf('web')).filter(({ type }) => type === 'Warning')
    assert.deepEqual(
      warned.map(({ reason }) => reason),
      ['ForeignAnnotations'],
    )
  })

  test('all nodes NotReady: the targets stay', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    operator(['--node-window=100ms'])
    await cluster.create('web')
    await cluster.served('web')
    await quiet()
    const goal = (await account.inventory()).lines
    for (const { metadata } of (await cluster.client.list(nodes, undefined)).items)
      await cluster.client.patch(
        nodes,
        { name: metadata.name ?? '' },
        { type: 'merge', body: { status: { conditions: [{ type: 'Ready', status: 'False' }] } } },
        { subresource: 'status' },
      )
    await quiet(1500)
    assert.deepEqual((await account.inventory()).lines, goal)
  })

  test("a load balancer's security group deleted by hand is made again", async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    const first = operator()
    for (const name of ['web', 'neighbour']) await cluster.create(name)
    await cluster.served('web')
    const hostname = await cluster.served('neighbour')
    await quiet()
    const goal = (await account.inventory()).lines
    const marked = [{ name: 'tag:roadstead.dev/resource', values: ['security-group'] }]
    const { securityGroups } = await account.cloud.describeSecurityGroups({ filters: marked }, signal)
    const groupId = securityGroups.find(({ groupName }) => groupName.includes('web'))?.groupId
    assert.ok(groupId)
    // One that did not make it: what is new counts as not visible yet for a minute.
    await first.stop()
    operator(['--drift-interval=2s'])
    await removeByHand(account, groupId)
    await until(
      'the account as it was',
      async () => JSON.stringify((await account.inventory()).lines) === JSON.stringify(goal),
      {
        seconds: 60,
        seen: async () => (await account.inventory()).lines.join('\n'),
      },
    )
    assert.equal(await cluster.served('neighbour'), hostname)
    for (const name of ['web', 'neighbour']) await cluster.reason(name, 'Programmed', 'Programmed')
  })
})

/** As a person would in the console: nothing may use the group, then it goes. */
async function removeByHand({ cloud, vpcId }: Account, groupId: string): Promise<void> {
  const filters = [{ name: 'vpc-id', values: [vpcId] }]
  const { securityGroups } = await cloud.describeSecurityGroups({ filters }, signal)
  const fallback = securityGroups.find(({ groupName }) => groupName === 'default')
  assert.ok(fallback)
  for (const { loadBalancerArn, securityGroups: used } of (await cloud.describeLoadBalancers({}, signal)).loadBalancers)
    if (used.includes(groupId))
      await cloud.setSecurityGroups({ loadBalancerArn, securityGroups: [fallback.groupId] }, signal)
  for (const group of securityGroups)
    for (const { userIdGroupPairs = [], ipProtocol, fromPort, toPort } of group.ipPermissions) {
      const pairs = userIdGroupPairs.filter((pair) => pair.groupId === groupId)
      if (pairs.length === 0) continue
      const permission = { ipProtocol, fromPort, toPort, userIdGroupPairs: pairs.map(() => ({ groupId })) }
      await cloud.revokeSecurityGroupIngress({ groupId: group.groupId, ipPermissions: [permission] }, signal)
    }
  await cloud.deleteSecurityGroup({ groupId }, signal)
}
