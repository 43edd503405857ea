/**
 * The shapes of the EC2 actions that are used, as the SDK's clients carry theirs: what is sent, and of the answers the fields that answers.ts
 * reads. @aws-sdk/client-ec2 has those of 700 more actions and costs 60 MiB for them; ec2-client.test.ts compares every field here with it.
 */
import type { makeBuilder } from '@smithy/core/client'
import type { Ec2 } from './ec2.ts'

export type OperationShape = Parameters<ReturnType<typeof makeBuilder>>[3]
type Shape = OperationShape[4]

export const ec2Namespace = 'com.amazonaws.ec2'

const text = 0
const number = 1
const boolean = 2
const nothing = 'unit'

/** A field under another name than its own with a small first letter. */
interface Renamed {
  wire: string
  shape: Shape
}
type Fields = Readonly<Record<string, Shape | Renamed>>

/** In answers `name` is the XML element; in requests, with a capital, the parameter. */
function named(name: string, shape: Shape): Shape {
  return [shape, { xmlName: name, ec2QueryName: name.charAt(0).toUpperCase() + name.slice(1) }]
}

function structure(fields: Fields): Shape {
  const members = Object.entries(fields).map(([name, field]) =>
    typeof field === 'object' && 'wire' in field
      ? named(field.wire, field.shape)
      : named(name.charAt(0).toLowerCase() + name.slice(1), field),
  )
  return [3, ec2Namespace, 'structure', 0, Object.keys(fields), members]
}

/** In answers a list's entries are elements `item`; in requests they are numbered. */
function list(item: Shape, wire: string): Renamed {
  return { wire, shape: [1, ec2Namespace, 'list', 0, named('item', item)] }
}

function operation(name: string, input: Fields, output?: Fields): OperationShape {
  return [9, ec2Namespace, name, 0, structure(input), output === undefined ? nothing : structure(output)]
}

const filters = list(structure({ Name: text, Values: list(text, 'value') }), 'filter')
const pages = { Filters: filters, NextToken: text, MaxResults: number }
const tag = structure({ Key: text, Value: text })
const tagSet = list(tag, 'tagSet')

const subnet = structure({
  SubnetId: text,
  VpcId: text,
  AvailabilityZone: text,
  AvailabilityZoneId: text,
  CidrBlock: text,
  Ipv6CidrBlockAssociationSet: list(
    structure({ Ipv6CidrBlock: text, Ipv6CidrBlockState: structure({ State: text }) }),
    'ipv6CidrBlockAssociationSet',
  ),
  AvailableIpAddressCount: number,
  State: text,
  OutpostArn: text,
  Tags: tagSet,
})
const routeTable = structure({
  RouteTableId: text,
  VpcId: text,
  Associations: list(structure({ Main: boolean, SubnetId: text }), 'associationSet'),
  Routes: list(
    structure({
      DestinationCidrBlock: text,
      DestinationIpv6CidrBlock: text,
      DestinationPrefixListId: text,
      GatewayId: text,
      State: text,
    }),
    'routeSet',
  ),
})
const groupSet = list(structure({ GroupId: text, GroupName: text }), 'groupSet')
const instance = structure({
  InstanceId: text,
  VpcId: text,
  SubnetId: text,
  InstanceType: text,
  State: { wire: 'instanceState', shape: structure({ Name: text }) },
  SecurityGroups: groupSet,
  NetworkInterfaces: list(
    structure({ Attachment: structure({ DeviceIndex: number }), Groups: groupSet }),
    'networkInterfaceSet',
  ),
})
const permissions = list(
  structure({
    IpProtocol: text,
    FromPort: number,
    ToPort: number,
    IpRanges: list(structure({ CidrIp: text, Description: text }), 'ipRanges'),
    Ipv6Ranges: list(structure({ CidrIpv6: text, Description: text }), 'ipv6Ranges'),
    PrefixListIds: list(structure({ PrefixListId: text, Description: text }), 'prefixListIds'),
    UserIdGroupPairs: list(structure({ GroupId: text, Description: text }), 'groups'),
  }),
  'ipPermissions',
)
const securityGroup = structure({
  GroupId: text,
  GroupName: text,
  Description: { wire: 'groupDescription', shape: text },
  VpcId: text,
  IpPermissions: permissions,
  Tags: tagSet,
})

export const ec2Operations: Readonly<Record<keyof Ec2, OperationShape>> = {
  describeSubnets: operation(
    'DescribeSubnets',
    { SubnetIds: list(text, 'subnetId'), ...pages },
    { Subnets: list(subnet, 'subnetSet'), NextToken: text },
  ),
  describeRouteTables: operation('DescribeRouteTables', pages, {
    RouteTables: list(routeTable, 'routeTableSet'),
    NextToken: text,
  }),
  describeAvailabilityZones: operation(
    'DescribeAvailabilityZones',
    { ZoneNames: list(text, 'zoneName') },
    { AvailabilityZones: list(structure({ ZoneName: text, ZoneType: text }), 'availabilityZoneInfo') },
  ),
  describeInstances: operation(
    'DescribeInstances',
    { InstanceIds: list(text, 'instanceId'), ...pages },
    {
      Reservations: list(structure({ Instances: list(instance, 'instancesSet') }), 'reservationSet'),
      NextToken: text,
    },
  ),
  describeSecurityGroups: operation(
    'DescribeSecurityGroups',
    { GroupIds: list(text, 'groupId'), ...pages },
    { SecurityGroups: list(securityGroup, 'securityGroupInfo'), NextToken: text },
  ),
  createSecurityGroup: operation(
    'CreateSecurityGroup',
    {
      GroupName: text,
      Description: { wire: 'groupDescription', shape: text },
      VpcId: text,
      TagSpecifications: list(structure({ ResourceType: text, Tags: list(tag, 'tag') }), 'tagSpecification'),
    },
    { GroupId: text },
  ),
  deleteSecurityGroup: operation('DeleteSecurityGroup', { GroupId: text }),
  authorizeSecurityGroupIngress: operation('AuthorizeSecurityGroupIngress', {
    GroupId: text,
    IpPermissions: permissions,
  }),
  revokeSecurityGroupIngress: operation('RevokeSecurityGroupIngress', { GroupId: text, IpPermissions: permissions }),
  createTags: operation('CreateTags', { Resources: list(text, 'resourceId'), Tags: list(tag, 'tag') }),
  deleteTags: operation('DeleteTags', { Resources: list(text, 'resourceId'), Tags: list(tag, 'tag') }),
}
