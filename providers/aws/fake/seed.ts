/** A VPC as EKS users have it: a public and a private subnet in each of three zones, tagged for load balancers, a node group and instances. */
import type { Instance } from '../ec2.ts'
import type { KeyValue } from '../elbv2.ts'
import type { Account } from './account.ts'

export interface SeedOptions {
  /** Kubernetes cluster name in the tag `kubernetes.io/cluster/<name>`. */
  cluster?: string
  zones?: number
  ipv6?: boolean
}

export interface Seeded {
  vpcId: string
  /** One a zone. */
  publicSubnetIds: readonly string[]
  privateSubnetIds: readonly string[]
  nodeGroupId: string
}

export function seed(account: Account, { cluster = 'c1', zones = 3, ipv6 = true }: SeedOptions = {}): Seeded {
  const { region } = account
  const vpcId = `vpc-${account.newId(17)}`
  const tags: KeyValue[] = [{ key: `kubernetes.io/cluster/${cluster}`, value: 'shared' }]
  account.vpcs.put(vpcId, {
    vpcId,
    cidrBlocks: ['10.0.0.0/16'],
    ipv6CidrBlocks: ipv6 ? ['2001:db8:1234::/56'] : [],
    tags,
    hasInternetGateway: true,
  })
  const publicRoutes = `rtb-${account.newId(17)}`
  const subnet = (index: number, kind: 'public' | 'private') => {
    const zone = `${region}${'abcdef'[index] ?? 'a'}`
    account.zones.put(zone, { zoneName: zone, zoneType: 'availability-zone' })
    const subnetId = `subnet-${account.newId(17)}`
    const third = index + (kind === 'public' ? 0 : 100)
    account.subnets.put(subnetId, {
      subnetId,
      vpcId,
      availabilityZone: zone,
      availabilityZoneId: `euc1-az${index + 1}`,
      cidrBlock: `10.0.${third}.0/24`,
      ipv6CidrBlocks: ipv6 ? [`2001:db8:1234:${third.toString(16)}::/64`] : [],
      availableIpAddressCount: 251,
      state: 'available',
      tags: [
        ...tags,
        { key: kind === 'public' ? 'kubernetes.io/role/elb' : 'kubernetes.io/role/internal-elb', value: '1' },
      ],
    })
    return subnetId
  }
  const indices = Array.from({ length: zones }, (_, index) => index)
  const publicSubnetIds = indices.map((index) => subnet(index, 'public'))
  const privateSubnetIds = indices.map((index) => subnet(index, 'private'))
  const local = { destination: '10.0.0.0/16', gatewayId: 'local', state: 'active' }
  account.routeTables.put(publicRoutes, {
    routeTableId: publicRoutes,
    vpcId,
    associations: publicSubnetIds.map((subnetId) => ({ main: false, subnetId })),
    routes: [local, { destination: '0.0.0.0/0', gatewayId: `igw-${account.newId(17)}`, state: 'active' }],
  })
  const mainRoutes = `rtb-${account.newId(17)}`
  account.routeTables.put(mainRoutes, {
    routeTableId: mainRoutes,
    vpcId,
    associations: [{ main: true }],
    routes: [local],
  })
  const nodeGroupId = `sg-${account.newId(17)}`
  account.securityGroups.put(nodeGroupId, {
    groupId: nodeGroupId,
    groupName: `${cluster}-nodes`,
    description: 'nodes of the cluster',
    vpcId,
    rules: [],
    tags: { [`kubernetes.io/cluster/${cluster}`]: 'owned' },
  })
  return { vpcId, publicSubnetIds, privateSubnetIds, nodeGroupId }
}

/** An instance in the zone with this index (from 0, around), in the node group. Made again it is running again. */
export function putInstance(
  account: Account,
  { vpcId, privateSubnetIds, nodeGroupId }: Seeded,
  instanceId: string,
  zoneIndex: number,
): Instance {
  const subnetId = privateSubnetIds[zoneIndex % privateSubnetIds.length] ?? ''
  const groupName = account.securityGroups.get(nodeGroupId)?.groupName ?? ''
  const instance: Instance = {
    instanceId,
    vpcId,
    subnetId,
    instanceType: 'm7g.large',
    state: 'running',
    securityGroups: [{ groupId: nodeGroupId, groupName }],
  }
  account.instances.put(instanceId, instance)
  return instance
}
