/**
 * The two stand-ins for AWS agree: the same calls of the provider's port against its fake in memory and, by the real SDK, against the
 * emulator behind the proxy get the same answers, refusals by code. Where they differ one of them is wrong.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { AwsCloud } from '../providers/aws/cloud.ts'
import type { HealthCheckFields, ListenerProtocol } from '../providers/aws/elbv2.ts'
import { createFakeAws } from '../providers/aws/fake.ts'
import { putInstance, seed as seedFake } from '../providers/aws/fake/seed.ts'
import { createSdkCloud } from '../providers/aws/sdk.ts'
import { CloudError } from '../providers/contract.ts'
import { requires } from '../scripts/requires.ts'
import { type Rig, startRig } from './rig.ts'

interface World {
  cloud: AwsCloud
  vpcId: string
  subnetIds: readonly string[]
  instances: readonly string[]
  nodeGroupId: string
}

const signal = new AbortController().signal
const checks: HealthCheckFields = {
  healthCheckProtocol: 'TCP',
  healthCheckPort: 'traffic-port',
  healthCheckIntervalSeconds: 10,
  healthCheckTimeoutSeconds: 6,
  healthyThresholdCount: 2,
  unhealthyThresholdCount: 2,
}
const certificate = (name: string) => ({ certificateArn: `arn:aws:acm:eu-west-1:123456789012:certificate/${name}` })

/** What came of a call: `ok`, or the AWS code. */
async function code(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'ok',
    (error: unknown) => (error instanceof CloudError ? (error.code ?? error.kind) : String(error)),
  )
}

function tools({ cloud, vpcId, subnetIds }: World, name: string) {
  const balancer = async (suffix = 'lb', more: object = {}) => {
    const subnetMappings = subnetIds.map((subnetId) => ({ subnetId }))
    const settings = { scheme: 'internal', ipAddressType: 'ipv4', subnetMappings, tags: [] } as const
    const made = await cloud.createLoadBalancer({ name: `${name}-${suffix}`, ...settings, ...more }, signal)
    return made.loadBalancers[0]?.loadBalancerArn ?? ''
  }
  const group = async (suffix = 'tg', protocol: ListenerProtocol = 'TCP', port = 30080) => {
    const settings = { protocol, port, vpcId, targetType: 'instance', tags: [], ...checks } as const
    const made = await cloud.createTargetGroup({ name: `${name}-${suffix}`, ...settings }, signal)
    return made.targetGroups[0]?.targetGroupArn ?? ''
  }
  const listener = async (loadBalancerArn: string, targetGroupArn: string, port = 80, more: object = {}) => {
    const defaultActions = [{ type: 'forward', targetGroupArn }] as const
    const input = { loadBalancerArn, protocol: 'TCP', port, defaultActions, tags: [], ...more } as const
    return (await cloud.createListener(input, signal)).listeners[0]?.listenerArn ?? ''
  }
  const securityGroup = async (suffix: string) => {
    const input = { groupName: `${name}-${suffix}`, description: 'of a test', vpcId, tagSpecifications: [] }
    return (await cloud.createSecurityGroup(input, signal)).groupId
  }
  const allow = (groupId: string, from: number, count: number, cidrIp = '10.0.0.0/8') =>
    cloud.authorizeSecurityGroupIngress(
      {
        groupId,
        ipPermissions: Array.from({ length: count }, (_, index) => ({
          ipProtocol: 'tcp',
          fromPort: from + index,
          toPort: from + index,
          ipRanges: [{ cidrIp }],
        })),
      },
      signal,
    )
  const health = async (targetGroupArn: string) =>
    (await cloud.describeTargetHealth({ targetGroupArn }, signal)).targetHealthDescriptions
      .map(({ target, targetHealth }) => `${target.port} ${targetHealth.state} ${targetHealth.reason ?? ''}`)
      .sort()
  return { balancer, group, listener, securityGroup, allow, health }
}

const scenarios: Record<string, (world: World, name: string) => Promise<unknown>> = {
  'load balancers: names, the same again, others': async (world, name) => {
    const { balancer } = tools(world, name)
    const first = await balancer()
    return [
      (await balancer()) === first,
      await code(balancer('lb', { scheme: 'internet-facing' })),
      await code(balancer('x'.repeat(33))),
      await code(balancer('-')),
      await code(
        balancer('two', { subnetMappings: [world.subnetIds[0], world.subnetIds[0]].map((subnetId) => ({ subnetId })) }),
      ),
      await code(balancer('three', { securityGroups: ['sg-0123456789abcdef0'] })),
    ]
  },
  'load balancers: what is gone': async (world, name) => {
    const { balancer } = tools(world, name)
    const loadBalancerArn = await balancer()
    await world.cloud.deleteLoadBalancer({ loadBalancerArn }, signal)
    return [
      await code(world.cloud.deleteLoadBalancer({ loadBalancerArn }, signal)),
      await code(world.cloud.describeLoadBalancers({ loadBalancerArns: [loadBalancerArn] }, signal)),
      await code(world.cloud.describeLoadBalancers({ names: [`${name}-lb`] }, signal)),
      await code(world.cloud.describeListeners({ loadBalancerArn }, signal)),
      await code(world.cloud.describeLoadBalancerAttributes({ loadBalancerArn }, signal)),
    ]
  },
  'load balancers: attributes and deletion protection': async (world, name) => {
    const { balancer } = tools(world, name)
    const loadBalancerArn = await balancer()
    const set = (key: string, value: string) =>
      code(world.cloud.modifyLoadBalancerAttributes({ loadBalancerArn, attributes: [{ key, value }] }, signal))
    const results = [
      await set('deletion_protection.enabled', 'true'),
      await code(world.cloud.deleteLoadBalancer({ loadBalancerArn }, signal)),
      await set('idle_timeout.timeout_seconds', '60'),
      await set('load_balancing.cross_zone.enabled', 'perhaps'),
    ]
    const { attributes } = await world.cloud.describeLoadBalancerAttributes({ loadBalancerArn }, signal)
    return [...results, [...attributes].sort((a, b) => a.key.localeCompare(b.key))]
  },
  'load balancers: other subnets, addresses that stay': async (world, name) => {
    const { balancer } = tools(world, name)
    const [a = '', b = '', c = ''] = world.subnetIds
    const loadBalancerArn = await balancer('lb', { subnetMappings: [{ subnetId: a }, { subnetId: b }] })
    const set = (...subnetMappings: { subnetId: string; privateIpv4Address?: string }[]) =>
      code(world.cloud.setSubnets({ loadBalancerArn, subnetMappings }, signal))
    const zones = async () =>
      (await world.cloud.describeLoadBalancers({ names: [`${name}-lb`] }, signal)).loadBalancers[0]?.availabilityZones
        .map(({ zoneName }) => zoneName)
        .sort()
    return [
      await set({ subnetId: c }),
      await zones(),
      await set({ subnetId: a }, { subnetId: c }, { subnetId: b }),
      await zones(),
      await set({ subnetId: a, privateIpv4Address: '10.0.0.9' }),
      await set({ subnetId: 'subnet-0123456789abcdef0' }),
    ]
  },
  'security groups of load balancers': async (world, name) => {
    const { balancer, securityGroup } = tools(world, name)
    const [one, two] = [await securityGroup('one'), await securityGroup('two')]
    const bare = await balancer('bare')
    const loadBalancerArn = await balancer('lb', { securityGroups: [one] })
    const set = (arn: string, securityGroups: string[]) =>
      code(world.cloud.setSecurityGroups({ loadBalancerArn: arn, securityGroups }, signal))
    return [
      await set(bare, [one]),
      await code(world.cloud.deleteSecurityGroup({ groupId: one }, signal)),
      await set(loadBalancerArn, [two]),
      await code(world.cloud.deleteSecurityGroup({ groupId: one }, signal)),
      await code(world.cloud.deleteSecurityGroup({ groupId: one }, signal)),
    ]
  },
  'target groups: the same again, others, in use': async (world, name) => {
    const { balancer, group, listener } = tools(world, name)
    const targetGroupArn = await group()
    const same = (await group()) === targetGroupArn
    const other = await code(group('tg', 'TCP', 30081))
    const listenerArn = await listener(await balancer(), targetGroupArn)
    const inUse = await code(world.cloud.deleteTargetGroup({ targetGroupArn }, signal))
    await world.cloud.deleteListener({ listenerArn }, signal)
    return [
      same,
      other,
      inUse,
      await code(world.cloud.deleteTargetGroup({ targetGroupArn }, signal)),
      await code(world.cloud.deleteTargetGroup({ targetGroupArn }, signal)),
      await code(world.cloud.describeTargetHealth({ targetGroupArn }, signal)),
    ]
  },
  'targets: by id and port, unknown, absent': async (world, name) => {
    const { balancer, group, listener, health } = tools(world, name)
    const targetGroupArn = await group()
    const [id = ''] = world.instances
    const register = (...targets: { id: string; port: number }[]) =>
      code(world.cloud.registerTargets({ targetGroupArn, targets }, signal))
    const results = [
      await register({ id, port: 30080 }, { id, port: 31000 }),
      await register({ id, port: 32000 }, { id: 'i-0123456789abcdef0', port: 30080 }),
      await health(targetGroupArn),
      await code(world.cloud.deregisterTargets({ targetGroupArn, targets: [{ id, port: 31000 }] }, signal)),
      await code(world.cloud.deregisterTargets({ targetGroupArn, targets: [{ id, port: 31000 }] }, signal)),
    ]
    await listener(await balancer(), targetGroupArn)
    return [...results, await health(targetGroupArn)]
  },
  'listeners: ports, protocols, one load balancer a group': async (world, name) => {
    const { balancer, group, listener } = tools(world, name)
    const [one, two] = [await balancer('one'), await balancer('two')]
    const [tcp, udp, both] = [await group('tcp'), await group('udp', 'UDP'), await group('both', 'TCP_UDP')]
    const first = await listener(one, tcp)
    return [
      (await listener(one, tcp)) === first,
      await code(listener(one, await group('more'))),
      await code(listener(one, udp, 81)),
      await code(listener(one, both, 81)),
      await code(listener(one, udp, 82, { protocol: 'UDP' })),
      await code(listener(two, tcp)),
      await code(listener(one, await group('zero'), 0)),
    ]
  },
  'listeners: TLS and its certificates': async (world, name) => {
    const { balancer, group, listener } = tools(world, name)
    const arn = await balancer()
    const bare = await code(listener(arn, await group(), 443, { protocol: 'TLS' }))
    const tls = { protocol: 'TLS', certificates: [certificate('one')] }
    const listenerArn = await listener(arn, await group('two'), 443, tls)
    await world.cloud.addListenerCertificates({ listenerArn, certificates: [certificate('two')] }, signal)
    await world.cloud.modifyListener(
      { listenerArn, certificates: [certificate('three')], alpnPolicy: ['HTTP2Only'] },
      signal,
    )
    const { listeners } = await world.cloud.describeListeners({ listenerArns: [listenerArn] }, signal)
    const { certificates } = await world.cloud.describeListenerCertificates({ listenerArn }, signal)
    const [seen] = listeners
    return [bare, seen?.protocol, seen?.certificates, seen?.sslPolicy, seen?.alpnPolicy, certificates]
  },
  'rules: quota, duplicates, malformed, absent, dependencies': async (world, name) => {
    const { securityGroup, allow } = tools(world, name)
    const [one, two] = [await securityGroup('one'), await securityGroup('two')]
    const pair = { ipProtocol: 'tcp', fromPort: 9, toPort: 9, userIdGroupPairs: [{ groupId: one }] }
    const revoke = () => code(world.cloud.revokeSecurityGroupIngress({ groupId: two, ipPermissions: [pair] }, signal))
    return [
      await code(allow(one, 1, 60)),
      await code(allow(one, 61, 1)),
      await code(allow(two, 1, 1)),
      await code(allow(two, 1, 1)),
      await code(allow(two, 2, 1, '10.0.0.300/8')),
      await code(world.cloud.authorizeSecurityGroupIngress({ groupId: two, ipPermissions: [pair] }, signal)),
      await code(world.cloud.deleteSecurityGroup({ groupId: one }, signal)),
      await revoke(),
      await revoke(),
      await code(world.cloud.deleteSecurityGroup({ groupId: one }, signal)),
      await code(world.cloud.deleteSecurityGroup({ groupId: world.nodeGroupId }, signal)),
      await code(securityGroup('two')),
    ]
  },
  'tags: of what is there and what is not': async (world, name) => {
    const { balancer } = tools(world, name)
    const arn = await balancer('lb', { tags: [{ key: 'a', value: '1' }] })
    await world.cloud.addTags({ resourceArns: [arn], tags: [{ key: 'b', value: '2' }] }, signal)
    await world.cloud.removeTags({ resourceArns: [arn], tagKeys: ['a'] }, signal)
    const { tagDescriptions } = await world.cloud.describeTags({ resourceArns: [arn] }, signal)
    await world.cloud.deleteLoadBalancer({ loadBalancerArn: arn }, signal)
    return [
      tagDescriptions[0]?.tags,
      await code(world.cloud.describeTags({ resourceArns: [arn] }, signal)),
      await code(world.cloud.describeTags({ resourceArns: Array.from({ length: 21 }, () => arn) }, signal)),
    ]
  },
}

describe('fake and repaired emulator agree', { skip: requires('moto') }, () => {
  let rig: Rig
  let emulated: World
  before(async () => {
    rig = await startRig({ seed: { nodes: 3 } })
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
    const { vpcId, subnetIds, nodeGroupId, instances, region } = rig.seeded
    const cloud = await createSdkCloud({ endpoint: rig.proxy.url, region })
    emulated = { cloud, vpcId, subnetIds, nodeGroupId, instances: instances.map(({ id }) => id) }
  })
  after(async () => await rig.close())

  function faked(): World {
    const { cloud, account } = createFakeAws({ region: 'eu-west-1' })
    const seeded = seedFake(account)
    const instances = [0, 1, 2].map(
      (zone) => putInstance(account, seeded, `i-${zone}`.padEnd(19, '0'), zone).instanceId,
    )
    return { cloud, vpcId: seeded.vpcId, subnetIds: seeded.publicSubnetIds, nodeGroupId: seeded.nodeGroupId, instances }
  }

  for (const [index, [title, scenario]] of Object.entries(scenarios).entries())
    test(title, async () => {
      const name = `s${index}`
      const [expected, seen] = [await scenario(faked(), name), await scenario(emulated, name)]
      assert.deepEqual(seen, expected)
    })
})
