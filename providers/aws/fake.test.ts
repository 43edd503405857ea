/** The fake against what AWS documents: each test states a rule that moto does not hold, or that the provider relies on. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudError } from '../contract.ts'
import type { Action } from './cloud.ts'
import { createFakeAws, mutationsIn } from './fake.ts'
import type { FakeAwsOptions } from './fake.ts'
import { putInstance, seed } from './fake/seed.ts'
import { measuredBuckets } from './fake/throttle.ts'
import type { HealthCheckFields } from './elbv2.ts'

const signal = new AbortController().signal

const tcpCheck: HealthCheckFields = {
  healthCheckProtocol: 'TCP',
  healthCheckPort: 'traffic-port',
  healthCheckIntervalSeconds: 10,
  healthCheckTimeoutSeconds: 10,
  healthyThresholdCount: 3,
  unhealthyThresholdCount: 3,
}

async function world(options: FakeAwsOptions = {}) {
  let time = 0
  const aws = createFakeAws({ now: () => time, ...options })
  const base = seed(aws.account)
  for (const [zone, id] of ['i-1', 'i-2', 'i-3'].entries()) putInstance(aws.account, base, id, zone)
  const { cloud } = aws
  const group = await cloud.createSecurityGroup(
    { groupName: 'lb', description: 'of a load balancer', vpcId: base.vpcId, tagSpecifications: [] },
    signal,
  )
  time += 60_000
  const loadBalancer = {
    name: 'web',
    scheme: 'internet-facing' as const,
    ipAddressType: 'ipv4' as const,
    subnetMappings: base.publicSubnetIds.map((subnetId) => ({ subnetId })),
    securityGroups: [group.groupId],
    tags: [{ key: 'owner', value: 'web' }],
  }
  const targetGroup = {
    name: 'web-80',
    protocol: 'TCP' as const,
    port: 30_080,
    vpcId: base.vpcId,
    targetType: 'instance' as const,
    ...tcpCheck,
    tags: [],
  }
  return {
    ...aws,
    aws,
    base,
    groupId: group.groupId,
    loadBalancer,
    targetGroup,
    pass: (ms: number) => {
      time += ms
    },
    createLoadBalancer: async (changes: Partial<typeof loadBalancer> = {}) => {
      const { loadBalancers } = await cloud.createLoadBalancer({ ...loadBalancer, ...changes }, signal)
      return loadBalancers[0]?.loadBalancerArn ?? ''
    },
    createTargetGroup: async (changes: Partial<Parameters<typeof cloud.createTargetGroup>[0]> = {}) => {
      const { targetGroups } = await cloud.createTargetGroup({ ...targetGroup, ...changes }, signal)
      return targetGroups[0]?.targetGroupArn ?? ''
    },
    listen: async (
      loadBalancerArn: string,
      targetGroupArn: string,
      port = 80,
      protocol: 'TCP' | 'UDP' | 'TLS' = 'TCP',
    ) => {
      const { listeners } = await cloud.createListener(
        { loadBalancerArn, protocol, port, defaultActions: [{ type: 'forward', targetGroupArn }], tags: [] },
        signal,
      )
      return listeners[0]?.listenerArn ?? ''
    },
    health: async (targetGroupArn: string) => {
      const { targetHealthDescriptions } = await cloud.describeTargetHealth({ targetGroupArn }, signal)
      return targetHealthDescriptions.map(
        ({ target, targetHealth }) => `${target.id}:${target.port} ${targetHealth.state}`,
      )
    },
  }
}

const code = (wanted: string) => (error: unknown) => error instanceof CloudError && error.code === wanted

describe('the AWS fake: load balancers', () => {
  test('creation with the same settings answers the one that exists, with others it is refused', async () => {
    const { createLoadBalancer, loadBalancer } = await world()
    const arn = await createLoadBalancer()
    assert.match(arn, /:loadbalancer\/net\/web\/[0-9a-f]{16}$/)
    assert.equal(await createLoadBalancer({ subnetMappings: loadBalancer.subnetMappings.toReversed() }), arn)
    await assert.rejects(createLoadBalancer({ tags: [] }), code('DuplicateLoadBalancerName'))
  })

  test('names, subnets, groups and addresses are checked', async () => {
    const { createLoadBalancer, base, account, groupId } = await world()
    const [zoneA = ''] = base.publicSubnetIds
    const [alsoZoneA = ''] = base.privateSubnetIds
    const on = (...ids: string[]) => ({ subnetMappings: ids.map((subnetId) => ({ subnetId })) })
    await assert.rejects(createLoadBalancer({ name: 'internal-web' }), code('ValidationError'))
    await assert.rejects(createLoadBalancer({ name: 'a'.repeat(33) }), code('ValidationError'))
    await assert.rejects(createLoadBalancer(on('subnet-none')), code('SubnetNotFound'))
    await assert.rejects(createLoadBalancer(on(zoneA, alsoZoneA)), code('InvalidConfigurationRequest'))
    await assert.rejects(createLoadBalancer({ securityGroups: [groupId, 'sg-none'] }), code('InvalidSecurityGroup'))
    const subnet = account.subnets.get(zoneA)
    assert.ok(subnet)
    account.subnets.put(zoneA, { ...subnet, availableIpAddressCount: 7 })
    await assert.rejects(createLoadBalancer(), code('InvalidSubnet'))
  })

  test('it is provisioning, then active; its group stays in use until its interfaces are gone', async () => {
    const { createLoadBalancer, cloud, pass, groupId } = await world({
      timing: { provisioningMs: 150_000, interfaceMs: 120_000 },
    })
    const loadBalancerArn = await createLoadBalancer()
    const state = async () => (await cloud.describeLoadBalancers({}, signal)).loadBalancers[0]?.state.code
    assert.equal(await state(), 'provisioning')
    pass(150_000)
    assert.equal(await state(), 'active')
    await cloud.deleteLoadBalancer({ loadBalancerArn }, signal)
    await cloud.deleteLoadBalancer({ loadBalancerArn }, signal)
    await assert.rejects(cloud.deleteSecurityGroup({ groupId }, signal), code('DependencyViolation'))
    pass(120_000)
    await cloud.deleteSecurityGroup({ groupId }, signal)
    await assert.rejects(cloud.deleteSecurityGroup({ groupId }, signal), code('InvalidGroup.NotFound'))
  })

  test('a protected one cannot be deleted, one born without a group gets none, the quota holds', async () => {
    const { createLoadBalancer, cloud, groupId } = await world({ quotas: { loadBalancers: 1 } })
    const loadBalancerArn = await createLoadBalancer({ securityGroups: [] })
    const attributes = [{ key: 'deletion_protection.enabled', value: 'true' }]
    await cloud.modifyLoadBalancerAttributes({ loadBalancerArn, attributes }, signal)
    await assert.rejects(cloud.deleteLoadBalancer({ loadBalancerArn }, signal), code('OperationNotPermitted'))
    const groups = cloud.setSecurityGroups({ loadBalancerArn, securityGroups: [groupId] }, signal)
    await assert.rejects(groups, code('InvalidConfigurationRequest'))
    await assert.rejects(createLoadBalancer({ name: 'api' }), code('TooManyLoadBalancers'))
    const unknown = [{ key: 'idle_timeout.timeout_seconds', value: '5' }]
    const modify = cloud.modifyLoadBalancerAttributes({ loadBalancerArn, attributes: unknown }, signal)
    await assert.rejects(modify, code('InvalidConfigurationRequest'))
  })

  test('subnets are added and taken, one is not replaced by another of its zone in one call', async () => {
    const { createLoadBalancer, cloud, base } = await world()
    const [a = '', b = ''] = base.publicSubnetIds
    const [otherA = ''] = base.privateSubnetIds
    const loadBalancerArn = await createLoadBalancer({ subnetMappings: [{ subnetId: a }] })
    const set = (...ids: string[]) =>
      cloud.setSubnets({ loadBalancerArn, subnetMappings: ids.map((subnetId) => ({ subnetId })) }, signal)
    await assert.rejects(set(otherA), code('InvalidConfigurationRequest'))
    await set(a, b)
    await set(b)
    await set(otherA, b)
  })
})

describe('the AWS fake: target groups and targets', () => {
  test('a name with other settings is refused, with the same it is the same', async () => {
    const { createTargetGroup } = await world()
    const arn = await createTargetGroup()
    assert.equal(await createTargetGroup(), arn)
    await assert.rejects(createTargetGroup({ port: 30_081 }), code('DuplicateTargetGroupName'))
    await assert.rejects(createTargetGroup({ healthCheckIntervalSeconds: 20 }), code('DuplicateTargetGroupName'))
  })

  test('health checks are checked', async () => {
    const { createTargetGroup } = await world()
    const refused = (changes: Partial<HealthCheckFields>, wanted = 'ValidationError') =>
      assert.rejects(createTargetGroup(changes), code(wanted))
    await refused({ healthCheckTimeoutSeconds: 11 })
    await refused({ healthyThresholdCount: 1 })
    await refused({ healthCheckPort: '0' })
    await refused({ healthCheckIntervalSeconds: 4 })
    await refused({ healthCheckPath: '/healthz' }, 'InvalidConfigurationRequest')
    await refused({ healthCheckProtocol: 'HTTP', healthCheckPath: 'healthz' })
  })

  test('it is in use until its listener has been gone for a while', async () => {
    const { createTargetGroup, createLoadBalancer, listen, cloud, pass } = await world({
      timing: { releaseMs: 10_000 },
    })
    const targetGroupArn = await createTargetGroup()
    const listenerArn = await listen(await createLoadBalancer(), targetGroupArn)
    await assert.rejects(cloud.deleteTargetGroup({ targetGroupArn }, signal), code('ResourceInUse'))
    await cloud.deleteListener({ listenerArn }, signal)
    await assert.rejects(cloud.deleteTargetGroup({ targetGroupArn }, signal), code('ResourceInUse'))
    pass(10_000)
    await cloud.deleteTargetGroup({ targetGroupArn }, signal)
    await cloud.deleteTargetGroup({ targetGroupArn }, signal)
  })

  test('targets are told apart by port, one bad id refuses all, an unregistered one can be deregistered', async () => {
    const { createTargetGroup, health, cloud } = await world()
    const targetGroupArn = await createTargetGroup()
    const register = (...targets: { id: string; port: number }[]) =>
      cloud.registerTargets({ targetGroupArn, targets }, signal)
    await assert.rejects(register({ id: 'i-1', port: 1 }, { id: 'i-9', port: 1 }), code('InvalidTarget'))
    assert.deepEqual(await health(targetGroupArn), [])
    await register({ id: 'i-1', port: 1 }, { id: 'i-1', port: 2 })
    await cloud.deregisterTargets(
      {
        targetGroupArn,
        targets: [
          { id: 'i-1', port: 1 },
          { id: 'i-9', port: 1 },
        ],
      },
      signal,
    )
    assert.deepEqual(await health(targetGroupArn), ['i-1:2 unused'])
  })

  test('a target is initial, healthy, draining, gone', async () => {
    const { createTargetGroup, createLoadBalancer, listen, health, cloud, pass } = await world({
      timing: { initialHealthMs: 90_000 },
    })
    const targetGroupArn = await createTargetGroup()
    const targets = [{ id: 'i-1', port: 30_080 }]
    await listen(await createLoadBalancer(), targetGroupArn)
    await cloud.registerTargets({ targetGroupArn, targets }, signal)
    assert.deepEqual(await health(targetGroupArn), ['i-1:30080 initial'])
    pass(90_000)
    assert.deepEqual(await health(targetGroupArn), ['i-1:30080 healthy'])
    await cloud.deregisterTargets({ targetGroupArn, targets }, signal)
    pass(299_000)
    assert.deepEqual(await health(targetGroupArn), ['i-1:30080 draining'])
    pass(1000)
    assert.deepEqual(await health(targetGroupArn), [])
  })

  test('what does not answer its health check is unhealthy, what is terminated disappears', async () => {
    const { createTargetGroup, createLoadBalancer, listen, health, cloud, account, base } = await world()
    const targetGroupArn = await createTargetGroup()
    await listen(await createLoadBalancer(), targetGroupArn)
    const targets = ['i-1', 'i-2', 'i-3'].map((id) => ({ id, port: 30_080 }))
    await cloud.registerTargets({ targetGroupArn, targets }, signal)
    account.probe = ({ id }) => (id === 'i-2' ? undefined : 0)
    account.instances.put('i-3', { ...putInstance(account, base, 'i-3', 2), state: 'terminated' })
    assert.deepEqual(await health(targetGroupArn), ['i-1:30080 healthy', 'i-2:30080 unhealthy'])
  })

  test('the limits of targets hold for a group and for a load balancer', async () => {
    const { createTargetGroup, createLoadBalancer, listen, cloud } = await world({
      quotas: { targetsPerTargetGroup: 2, targetsPerLoadBalancer: 3 },
    })
    const loadBalancerArn = await createLoadBalancer()
    const [first, second] = [await createTargetGroup(), await createTargetGroup({ name: 'web-443' })]
    const register = (targetGroupArn: string, ...ids: string[]) =>
      cloud.registerTargets({ targetGroupArn, targets: ids.map((id) => ({ id, port: 1 })) }, signal)
    await listen(loadBalancerArn, first)
    await listen(loadBalancerArn, second, 443)
    await assert.rejects(register(first, 'i-1', 'i-2', 'i-3'), code('TooManyTargets'))
    await register(first, 'i-1', 'i-2')
    await assert.rejects(register(second, 'i-1', 'i-2'), code('TooManyTargets'))
    await register(second, 'i-1')
  })
})

describe('the AWS fake: listeners', () => {
  test('a port has one listener whatever the protocol; the same again is the same', async () => {
    const { createTargetGroup, createLoadBalancer, listen } = await world()
    const loadBalancerArn = await createLoadBalancer()
    const [tcp, udp] = [await createTargetGroup(), await createTargetGroup({ name: 'dns', protocol: 'UDP' })]
    const arn = await listen(loadBalancerArn, tcp)
    assert.match(arn, /:listener\/net\/web\//)
    assert.equal(await listen(loadBalancerArn, tcp), arn)
    await assert.rejects(listen(loadBalancerArn, udp, 80, 'UDP'), code('DuplicateListener'))
    await assert.rejects(listen(loadBalancerArn, udp, 81), code('IncompatibleProtocols'))
    await assert.rejects(listen(loadBalancerArn, tcp, 443, 'TLS'), code('ValidationError'))
  })

  test('a target group belongs to one load balancer; listeners go with theirs', async () => {
    const { createTargetGroup, createLoadBalancer, listen, cloud } = await world()
    const targetGroupArn = await createTargetGroup()
    const [first, second] = [await createLoadBalancer(), await createLoadBalancer({ name: 'api' })]
    await listen(first, targetGroupArn)
    await assert.rejects(listen(second, targetGroupArn), code('TargetGroupAssociationLimit'))
    await cloud.deleteLoadBalancer({ loadBalancerArn: first }, signal)
    await listen(second, targetGroupArn)
    const { targetGroups } = await cloud.describeTargetGroups({}, signal)
    assert.deepEqual(targetGroups[0]?.loadBalancerArns, [second])
  })
})

describe('the AWS fake: security groups', () => {
  const tcp = (port: number, cidrIp: string) => ({
    ipProtocol: 'tcp',
    fromPort: port,
    toPort: port,
    ipRanges: [{ cidrIp }],
  })

  test('a batch of rules stands or falls as a whole', async () => {
    const { cloud, groupId, account } = await world()
    const authorize = (...ipPermissions: ReturnType<typeof tcp>[]) =>
      cloud.authorizeSecurityGroupIngress({ groupId, ipPermissions }, signal)
    await authorize(tcp(80, '10.1.2.3/8'))
    await assert.rejects(authorize(tcp(81, '0.0.0.0/0'), tcp(80, '10.0.0.0/8')), code('InvalidPermission.Duplicate'))
    await assert.rejects(authorize(tcp(81, '300.0.0.0/8')), code('InvalidParameterValue'))
    const revoke = cloud.revokeSecurityGroupIngress({ groupId, ipPermissions: [tcp(82, '0.0.0.0/0')] }, signal)
    await assert.rejects(revoke, code('InvalidPermission.NotFound'))
    assert.deepEqual(
      account.securityGroups.get(groupId)?.rules.map(({ source }) => source.value),
      ['10.0.0.0/8'],
    )
  })

  test('the quota counts IPv4 and IPv6 apart, groups in both', async () => {
    const { cloud, groupId, base } = await world({ quotas: { rulesPerSecurityGroup: 2 } })
    const authorize = (
      ...ipPermissions: Parameters<typeof cloud.authorizeSecurityGroupIngress>[0]['ipPermissions'][]
    ) => cloud.authorizeSecurityGroupIngress({ groupId, ipPermissions: ipPermissions.flat() }, signal)
    const v6 = { ipProtocol: 'tcp', fromPort: 80, toPort: 80, ipv6Ranges: [{ cidrIpv6: '::/0' }] }
    const pair = { ipProtocol: 'tcp', fromPort: 80, toPort: 80, userIdGroupPairs: [{ groupId: base.nodeGroupId }] }
    await authorize([tcp(80, '0.0.0.0/0'), v6, pair])
    await assert.rejects(authorize([tcp(81, '0.0.0.0/0')]), code('RulesPerSecurityGroupLimitExceeded'))
  })

  test('a group that a rule names cannot be deleted', async () => {
    const { cloud, groupId, base } = await world()
    const ipPermissions = [{ ipProtocol: 'tcp', fromPort: 1, toPort: 9, userIdGroupPairs: [{ groupId }] }]
    const rule = { groupId: base.nodeGroupId, ipPermissions }
    await cloud.authorizeSecurityGroupIngress(rule, signal)
    await assert.rejects(cloud.deleteSecurityGroup({ groupId }, signal), code('DependencyViolation'))
    await cloud.revokeSecurityGroupIngress(rule, signal)
    await cloud.deleteSecurityGroup({ groupId }, signal)
  })
})

describe('the AWS fake: the account', () => {
  test('describes are behind, mutations are not', async () => {
    const { createLoadBalancer, cloud, pass } = await world({ random: () => 1, timing: { elbLagMs: 2000 } })
    const loadBalancerArn = await createLoadBalancer()
    const count = async () => (await cloud.describeLoadBalancers({}, signal)).loadBalancers.length
    assert.equal(await count(), 0)
    assert.equal(await createLoadBalancer(), loadBalancerArn)
    pass(2000)
    assert.equal(await count(), 1)
    await cloud.deleteLoadBalancer({ loadBalancerArn }, signal)
    assert.equal(await count(), 1)
    pass(2000)
    assert.equal(await count(), 0)
  })

  test('a security group that has not spread yet cannot be written to', async () => {
    const { cloud, base, pass } = await world({ random: () => 1, timing: { ec2LagMs: 5000 } })
    const input = { groupName: 'new', description: 'new', vpcId: base.vpcId, tagSpecifications: [] }
    const { groupId } = await cloud.createSecurityGroup(input, signal)
    const ipPermissions = [{ ipProtocol: '-1', ipRanges: [{ cidrIp: '0.0.0.0/0' }] }]
    const authorize = () => cloud.authorizeSecurityGroupIngress({ groupId, ipPermissions }, signal)
    await assert.rejects(authorize(), code('InvalidGroup.NotFound'))
    pass(5000)
    await authorize()
  })

  test('buckets empty and fill', async () => {
    const { cloud, pass, calls } = await world({ buckets: measuredBuckets })
    const ask = () => cloud.describeLoadBalancers({}, signal)
    for (let call = 0; call < 40; call++) await ask()
    await assert.rejects(ask(), code('Throttling'))
    pass(100)
    await ask()
    assert.equal(calls.filter(({ outcome }) => outcome === 'Throttling').length, 1)
  })

  test('pages hold at most 400 and go on after the marker', async () => {
    const { createLoadBalancer, cloud, account } = await world()
    account.pageLimit = 2
    for (const name of ['a', 'b', 'c']) await createLoadBalancer({ name })
    const first = await cloud.describeLoadBalancers({}, signal)
    assert.equal(first.loadBalancers.length, 2)
    const rest = await cloud.describeLoadBalancers({ marker: first.nextMarker ?? '' }, signal)
    assert.deepEqual([rest.loadBalancers.length, rest.nextMarker], [1, undefined])
  })

  test('a fault comes before the call or takes its answer; calls are kept with what they carried', async () => {
    const { aws, createTargetGroup, cloud } = await world()
    aws.take()
    const error = new CloudError('unavailable', 'lost')
    aws.faults.list.push({ error, times: 1, afterwards: true, match: ({ action }) => action === 'createTargetGroup' })
    await assert.rejects(createTargetGroup(), (thrown) => thrown === error)
    const { targetGroups } = await cloud.describeTargetGroups({}, signal)
    assert.equal(targetGroups.length, 1)
    assert.deepEqual(
      aws.calls.map(({ action, outcome }): [Action, string] => [action, outcome]),
      [
        ['createTargetGroup', 'unavailable'],
        ['describeTargetGroups', 'ok'],
      ],
    )
    assert.deepEqual(mutationsIn(aws.calls), ['createTargetGroup'])
    assert.equal(aws.calls[0]?.input['name'], 'web-80')
  })
})
