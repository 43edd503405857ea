/**
 * What others keep in the account: objects without a mark and with another cluster's, a rule by hand on the nodes' own security group. Each
 * stands beside something of ours that is of the same kind, so that a wrong hand shows in the inventory.
 */
import type { Account } from './account.ts'

const signal = new AbortController().signal
const cluster = 'roadstead.dev/cluster'

/** By hand, past the proxy. */
export async function addStrangers({ cloud, vpcId, nodeGroupId, machines }: Account): Promise<void> {
  const { subnets } = await cloud.describeSubnets({ filters: [{ name: 'vpc-id', values: [vpcId] }] }, signal)
  const subnetMappings = subnets.map(({ subnetId }) => ({ subnetId }))
  const owners = {
    nobody: [{ key: 'team', value: 'payments' }],
    neighbour: [
      { key: cluster, value: 'neighbour' },
      { key: 'roadstead.dev/service', value: 'default/web' },
      { key: 'roadstead.dev/uid', value: '11111111-2222-3333-4444-555555555555' },
      { key: 'roadstead.dev/resource', value: 'theirs' },
    ],
  }
  for (const [name, tags] of Object.entries(owners)) {
    const { groupId } = await cloud.createSecurityGroup(
      {
        groupName: `${name}-group`,
        description: `of ${name}`,
        vpcId,
        tagSpecifications: [{ resourceType: 'security-group', tags }],
      },
      signal,
    )
    await cloud.authorizeSecurityGroupIngress({ groupId, ipPermissions: [open('tcp', 80, '0.0.0.0/0')] }, signal)
    // From a group of theirs to a port that ours use as well.
    const fromTheirs = { ipProtocol: 'tcp', fromPort: 30080, toPort: 30080, userIdGroupPairs: [{ groupId }] }
    await cloud.authorizeSecurityGroupIngress({ groupId: nodeGroupId, ipPermissions: [fromTheirs] }, signal)
    const made = await cloud.createLoadBalancer(
      {
        name: `${name}-lb`,
        scheme: 'internet-facing',
        ipAddressType: 'ipv4',
        subnetMappings,
        securityGroups: [groupId],
        tags,
      },
      signal,
    )
    const { targetGroups } = await cloud.createTargetGroup(
      {
        name: `${name}-tg`,
        protocol: 'TCP',
        port: 30080,
        vpcId,
        targetType: 'instance',
        ipAddressType: 'ipv4',
        healthCheckProtocol: 'TCP',
        healthCheckPort: 'traffic-port',
        healthCheckIntervalSeconds: 10,
        healthCheckTimeoutSeconds: 6,
        healthyThresholdCount: 3,
        unhealthyThresholdCount: 3,
        tags,
      },
      signal,
    )
    const loadBalancerArn = made.loadBalancers[0]?.loadBalancerArn ?? ''
    const targetGroupArn = targetGroups[0]?.targetGroupArn ?? ''
    await cloud.registerTargets(
      { targetGroupArn, targets: machines.map(({ instanceId }) => ({ id: instanceId, port: 30080 })) },
      signal,
    )
    await cloud.createListener(
      {
        loadBalancerArn,
        protocol: 'TCP',
        port: 80,
        defaultActions: [{ type: 'forward', targetGroupArn }],
        tags,
      },
      signal,
    )
  }
  await cloud.authorizeSecurityGroupIngress(
    { groupId: nodeGroupId, ipPermissions: [open('tcp', 22, '192.0.2.0/24')] },
    signal,
  )
}

function open(ipProtocol: string, port: number, cidrIp: string) {
  return { ipProtocol, fromPort: port, toPort: port, ipRanges: [{ cidrIp }] }
}
