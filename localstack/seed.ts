/**
 * What an operator finds in an account before its first Service: a VPC with an internet gateway, one subnet in each of three zones tagged
 * for load balancers, a security group for the nodes, and running instances spread over the zones. Idempotent: found again by the
 * cluster's tag, and only what is missing is made.
 */
import {
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  type EC2Client,
  type Filter,
  type Instance,
  type ResourceType,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2'
import { clients, testRegion } from './sdk-clients.ts'

export interface SeedOptions {
  /** How many instances there are afterwards. Default 3. */
  nodes?: number
  /** Default `test`. */
  clusterId?: string
  region?: string
  /** Tag the subnets for load balancers (kubernetes.io/role/elb and internal-elb). Default true. */
  roleTags?: boolean
  /** Give a new VPC and its subnets IPv6 blocks, for dual stack. Default false. */
  ipv6?: boolean
}

export interface SeededInstance {
  id: string
  zone: string
  privateIp: string
  /** As a Node's spec.providerID says it. */
  providerId: string
}

export interface Seeded {
  region: string
  clusterId: string
  vpcId: string
  /** One per zone, in the order of the zones. */
  subnetIds: string[]
  /** The nodes' security group. */
  nodeGroupId: string
  instances: SeededInstance[]
}

export async function seed(url: string, options: SeedOptions = {}): Promise<Seeded> {
  const region = options.region ?? testRegion
  const clusterId = options.clusterId ?? 'test'
  const sdk = clients(url, region)
  const { ec2 } = sdk
  try {
    const { vpcId, ipv6Block } = await vpc(ec2, clusterId, options.ipv6 ?? false)
    const made = { vpcId, ipv6Block, region, roleTags: options.roleTags ?? true }
    const subnetIds = await subnets(ec2, clusterId, made)
    await internet(ec2, clusterId, vpcId, subnetIds)
    const nodeGroupId = await nodeGroup(ec2, clusterId, vpcId)
    const instances = await nodes(ec2, clusterId, subnetIds, nodeGroupId, options.nodes ?? 3)
    return { region, clusterId, vpcId, subnetIds, nodeGroupId, instances }
  } finally {
    sdk.destroy()
  }
}

/** Emulators start an instance of any image; to describe theirs takes seconds. */
const anyImage = 'ami-00000000000000001'

const clusterTag = (clusterId: string) => `kubernetes.io/cluster/${clusterId}`

const ours = (clusterId: string, ...more: Filter[]): Filter[] => [
  { Name: `tag:${clusterTag(clusterId)}`, Values: ['shared', 'owned'] },
  ...more,
]

function tags(type: ResourceType, clusterId: string, name: string, more: Readonly<Record<string, string>> = {}) {
  const all = { Name: name, [clusterTag(clusterId)]: 'owned', ...more }
  return [{ ResourceType: type, Tags: Object.entries(all).map(([Key, Value]) => ({ Key, Value })) }]
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the emulator answered without ${what}`)
  return value
}

interface SeededVpc {
  vpcId: string
  /** A /56; undefined: IPv4 only. */
  ipv6Block: string | undefined
}

async function vpc(ec2: EC2Client, clusterId: string, ipv6: boolean): Promise<SeededVpc> {
  const look = async () => (await ec2.send(new DescribeVpcsCommand({ Filters: ours(clusterId) }))).Vpcs?.[0]
  const found = await look()
  if (found === undefined)
    await ec2.send(
      new CreateVpcCommand({
        CidrBlock: '10.0.0.0/16',
        AmazonProvidedIpv6CidrBlock: ipv6,
        TagSpecifications: tags('vpc', clusterId, clusterId),
      }),
    )
  const made = found ?? (await look())
  return {
    vpcId: known(made?.VpcId, 'VpcId'),
    ipv6Block: made?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock,
  }
}

async function subnets(
  ec2: EC2Client,
  clusterId: string,
  { vpcId, ipv6Block, region, roleTags }: SeededVpc & { region: string; roleTags: boolean },
): Promise<string[]> {
  const inVpc = { Name: 'vpc-id', Values: [vpcId] }
  const found = await ec2.send(new DescribeSubnetsCommand({ Filters: ours(clusterId, inVpc) }))
  const byZone = new Map((found.Subnets ?? []).map((subnet) => [subnet.AvailabilityZone, subnet.SubnetId]))
  const roles: Record<string, string> = roleTags
    ? { 'kubernetes.io/role/elb': '1', 'kubernetes.io/role/internal-elb': '1' }
    : {}
  const ids: string[] = []
  for (const [index, letter] of ['a', 'b', 'c'].entries()) {
    const zone = `${region}${letter}`
    let id = byZone.get(zone)
    if (id === undefined) {
      const made = await ec2.send(
        new CreateSubnetCommand({
          VpcId: vpcId,
          AvailabilityZone: zone,
          CidrBlock: `10.0.${index * 16}.0/20`,
          // The third to last hextet of a /56 ends in 00: a /64 each.
          ...(ipv6Block === undefined ? {} : { Ipv6CidrBlock: ipv6Block.replace(/00::\/56$/, `0${index}::/64`) }),
          TagSpecifications: tags('subnet', clusterId, `${clusterId}-${zone}`, roles),
        }),
      )
      id = made.Subnet?.SubnetId
    }
    ids.push(known(id, 'SubnetId'))
  }
  return ids
}

/** A public route table, so that discovery by route finds the subnets as well. */
async function internet(ec2: EC2Client, clusterId: string, vpcId: string, subnetIds: readonly string[]): Promise<void> {
  const gateways = await ec2.send(new DescribeInternetGatewaysCommand({ Filters: ours(clusterId) }))
  let gateway = gateways.InternetGateways?.[0]?.InternetGatewayId
  if (gateway === undefined) {
    const made = await ec2.send(
      new CreateInternetGatewayCommand({ TagSpecifications: tags('internet-gateway', clusterId, clusterId) }),
    )
    gateway = known(made.InternetGateway?.InternetGatewayId, 'InternetGatewayId')
    await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: gateway, VpcId: vpcId }))
  }
  const tables = await ec2.send(new DescribeRouteTablesCommand({ Filters: ours(clusterId) }))
  if ((tables.RouteTables ?? []).length > 0) return
  const made = await ec2.send(
    new CreateRouteTableCommand({
      VpcId: vpcId,
      TagSpecifications: tags('route-table', clusterId, `${clusterId}-public`),
    }),
  )
  const table = known(made.RouteTable?.RouteTableId, 'RouteTableId')
  await ec2.send(new CreateRouteCommand({ RouteTableId: table, DestinationCidrBlock: '0.0.0.0/0', GatewayId: gateway }))
  for (const subnet of subnetIds)
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId: table, SubnetId: subnet }))
}

async function nodeGroup(ec2: EC2Client, clusterId: string, vpcId: string): Promise<string> {
  const name = `${clusterId}-nodes`
  const found = await ec2.send(
    new DescribeSecurityGroupsCommand({
      Filters: [
        { Name: 'vpc-id', Values: [vpcId] },
        { Name: 'group-name', Values: [name] },
      ],
    }),
  )
  const id = found.SecurityGroups?.[0]?.GroupId
  if (id !== undefined) return id
  const made = await ec2.send(
    new CreateSecurityGroupCommand({
      GroupName: name,
      Description: `nodes of ${clusterId}`,
      VpcId: vpcId,
      TagSpecifications: tags('security-group', clusterId, name),
    }),
  )
  return known(made.GroupId, 'GroupId')
}

async function nodes(ec2: EC2Client, clusterId: string, subnetIds: readonly string[], group: string, wanted: number) {
  const instances = await runningNodes(ec2, clusterId)
  const per = new Map(subnetIds.map((subnet) => [subnet, 0]))
  for (const { SubnetId } of instances) if (SubnetId !== undefined) per.set(SubnetId, (per.get(SubnetId) ?? 0) + 1)
  // Spread as a node group is: the zone with the fewest is next.
  const missing = new Map<string, number>()
  for (let count = instances.length; count < wanted; count++) {
    const [subnet] = [...per].sort(([, a], [, b]) => a - b)[0] ?? []
    if (subnet === undefined) break
    per.set(subnet, (per.get(subnet) ?? 0) + 1)
    missing.set(subnet, (missing.get(subnet) ?? 0) + 1)
  }
  for (const [subnet, count] of missing) {
    await ec2.send(
      new RunInstancesCommand({
        ImageId: anyImage,
        InstanceType: 't3.medium',
        MinCount: count,
        MaxCount: count,
        SubnetId: subnet,
        SecurityGroupIds: [group],
        TagSpecifications: tags('instance', clusterId, `${clusterId}-node`),
      }),
    )
  }
  return (missing.size === 0 ? instances : await runningNodes(ec2, clusterId)).map(seeded)
}

async function runningNodes(ec2: EC2Client, clusterId: string): Promise<Instance[]> {
  const running = { Name: 'instance-state-name', Values: ['pending', 'running'] }
  const found = await ec2.send(new DescribeInstancesCommand({ Filters: ours(clusterId, running) }))
  return (found.Reservations ?? []).flatMap(({ Instances }) => Instances ?? [])
}

function seeded(instance: Instance): SeededInstance {
  const id = known(instance.InstanceId, 'InstanceId')
  const zone = known(instance.Placement?.AvailabilityZone, 'AvailabilityZone')
  return { id, zone, privateIp: instance.PrivateIpAddress ?? '', providerId: `aws:///${zone}/${id}` }
}
