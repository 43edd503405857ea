/**
 * What AWS answers, parsed at the edge: one schema per reading action, on answers whose keys are in camelCase already. Fields that are not read
 * are dropped, lists that are left out when empty are empty lists, words that we do not know pass as they are.
 */
import * as z from 'zod'
import type { Action, AwsCloud } from './cloud.ts'
import type { AvailabilityZone, Instance, IpPermission, RouteTable, SecurityGroup, Subnet } from './ec2.ts'
import type {
  HealthCheckProtocol,
  IpAddressType,
  KeyValue,
  Listener,
  ListenerProtocol,
  LoadBalancer,
  LoadBalancerScheme,
  OnOff,
  TagDescription,
  TargetGroup,
  TargetHealthDescription,
} from './elbv2.ts'

type Answer<A extends Action> = Awaited<ReturnType<AwsCloud[A]>>

const text = z.string()
const maybe = z.string().optional()
const list = <T extends z.ZodType>(item: T) => z.array(item).default([])
/** A word of AWS's; one that is not in our union stays what it is and differs from all we want. */
const word = <T extends string>() => z.custom<T>((value) => typeof value === 'string')
const keyValue: z.ZodType<KeyValue> = z.object({ key: text, value: text.default('') })
const attributes = z.object({ attributes: list(keyValue) })
const page = { nextMarker: maybe }
const tokenPage = { nextToken: maybe }

// Load balancers and target groups of other types are in the lists as well: what they lack must not break the parsing.
const loadBalancer: z.ZodType<LoadBalancer> = z.object({
  loadBalancerArn: text,
  loadBalancerName: text,
  dnsName: text.default(''),
  canonicalHostedZoneId: maybe,
  scheme: word<LoadBalancerScheme>().default('internal'),
  vpcId: text.default(''),
  type: text.default('network'),
  ipAddressType: word<IpAddressType>().default('ipv4'),
  state: z
    .object({ code: word<LoadBalancer['state']['code']>(), reason: maybe })
    .default({ code: 'provisioning', reason: undefined }),
  availabilityZones: list(
    z.object({
      zoneName: text.default(''),
      subnetId: text.default(''),
      loadBalancerAddresses: list(
        z.object({ ipAddress: maybe, allocationId: maybe, privateIpv4Address: maybe, ipv6Address: maybe }),
      ),
      sourceNatIpv6Prefixes: z.array(text).optional(),
    }),
  ),
  securityGroups: list(text),
  enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: word<OnOff>().optional(),
  enablePrefixForIpv6SourceNat: word<OnOff>().optional(),
})
const loadBalancers = z.object({ loadBalancers: list(loadBalancer), ...page })

const certificate = z.object({ certificateArn: text })
const action = z
  .object({
    type: text,
    targetGroupArn: maybe,
    forwardConfig: z
      .object({ targetGroups: list(z.object({ targetGroupArn: text, weight: z.number().default(1) })) })
      .optional(),
  })
  .transform(({ type, targetGroupArn, forwardConfig }) => {
    const groups = forwardConfig?.targetGroups ?? []
    return groups.length > 1
      ? { type, forwardConfig: { targetGroups: groups } }
      : { type, targetGroupArn: targetGroupArn ?? groups[0]?.targetGroupArn }
  })
const listener: z.ZodType<Listener> = z.object({
  listenerArn: text,
  loadBalancerArn: text,
  port: z.number().default(0),
  protocol: word<ListenerProtocol>().default('TCP'),
  certificates: list(certificate),
  sslPolicy: maybe,
  alpnPolicy: list(text),
  defaultActions: list(action),
})
const listeners = z.object({ listeners: list(listener), ...page })

const targetGroup: z.ZodType<TargetGroup> = z.object({
  targetGroupArn: text,
  targetGroupName: text,
  protocol: word<ListenerProtocol>().default('TCP'),
  port: z.number().default(0),
  vpcId: text.default(''),
  targetType: text.default('instance'),
  ipAddressType: word<'ipv4' | 'ipv6'>().default('ipv4'),
  loadBalancerArns: list(text),
  healthCheckProtocol: word<HealthCheckProtocol>().default('TCP'),
  healthCheckPort: text.default('traffic-port'),
  healthCheckPath: maybe,
  healthCheckIntervalSeconds: z.number().default(0),
  healthCheckTimeoutSeconds: z.number().default(0),
  healthyThresholdCount: z.number().default(0),
  unhealthyThresholdCount: z.number().default(0),
  matcher: z.object({ httpCode: maybe }).optional(),
})
const targetGroups = z.object({ targetGroups: list(targetGroup), ...page })

const targetHealth: z.ZodType<TargetHealthDescription> = z.object({
  target: z.object({ id: text, port: z.number().default(0) }),
  targetHealth: z
    .object({
      state: word<TargetHealthDescription['targetHealth']['state']>(),
      reason: maybe,
      description: maybe,
    })
    .default({ state: 'unavailable', reason: undefined, description: undefined }),
})
const tagDescription: z.ZodType<TagDescription> = z.object({ resourceArn: text, tags: list(keyValue) })

const subnet: z.ZodType<Subnet> = z
  .object({
    subnetId: text,
    vpcId: text,
    availabilityZone: text,
    availabilityZoneId: maybe,
    cidrBlock: text.default(''),
    ipv6CidrBlockAssociationSet: list(
      z.object({ ipv6CidrBlock: maybe, ipv6CidrBlockState: z.object({ state: text }).optional() }),
    ),
    availableIpAddressCount: z.number().default(0),
    state: text.default('available'),
    outpostArn: maybe,
    tags: list(keyValue),
  })
  .transform(({ ipv6CidrBlockAssociationSet, ...rest }) => ({
    ...rest,
    ipv6CidrBlocks: ipv6CidrBlockAssociationSet
      .filter(({ ipv6CidrBlockState }) => (ipv6CidrBlockState?.state ?? 'associated') === 'associated')
      .flatMap(({ ipv6CidrBlock }) => ipv6CidrBlock ?? []),
  }))

const routeTable: z.ZodType<RouteTable> = z.object({
  routeTableId: text,
  vpcId: text,
  associations: list(z.object({ main: z.boolean().default(false), subnetId: maybe })),
  routes: list(
    z
      .object({
        destinationCidrBlock: maybe,
        destinationIpv6CidrBlock: maybe,
        destinationPrefixListId: maybe,
        gatewayId: maybe,
        state: text.default('active'),
      })
      .transform(({ destinationCidrBlock, destinationIpv6CidrBlock, destinationPrefixListId, gatewayId, state }) => ({
        destination: destinationCidrBlock ?? destinationIpv6CidrBlock ?? destinationPrefixListId ?? '',
        gatewayId,
        state,
      })),
  ),
})

const zone: z.ZodType<AvailabilityZone> = z.object({
  zoneName: text,
  zoneType: word<AvailabilityZone['zoneType']>().default('availability-zone'),
})

const instance: z.ZodType<Instance> = z
  .object({
    instanceId: text,
    vpcId: maybe,
    subnetId: maybe,
    instanceType: maybe,
    state: z.object({ name: text }).default({ name: 'running' }),
    securityGroups: list(z.object({ groupId: text, groupName: text.default('') })),
    networkInterfaces: list(
      z.object({
        attachment: z.object({ deviceIndex: z.number() }).optional(),
        groups: list(z.object({ groupId: text, groupName: text.default('') })),
      }),
    ),
  })
  .transform(({ state, networkInterfaces, securityGroups, ...rest }) => ({
    ...rest,
    state: state.name,
    securityGroups: networkInterfaces.find(({ attachment }) => attachment?.deviceIndex === 0)?.groups ?? securityGroups,
  }))

const description = maybe
const permission: z.ZodType<IpPermission> = z.object({
  ipProtocol: text,
  fromPort: z.number().optional(),
  toPort: z.number().optional(),
  ipRanges: list(z.object({ cidrIp: text, description })),
  ipv6Ranges: list(z.object({ cidrIpv6: text, description })),
  prefixListIds: list(z.object({ prefixListId: text, description })),
  userIdGroupPairs: list(z.object({ groupId: text.default(''), description })),
})
const securityGroup: z.ZodType<SecurityGroup> = z.object({
  groupId: text,
  groupName: text,
  description: text.default(''),
  vpcId: text.default(''),
  ipPermissions: list(permission),
  tags: list(keyValue),
})

type Reading = {
  [A in Action as Answer<A> extends void ? never : A]: z.ZodType<Answer<A>>
}

/** By action; one that is not here answers nothing that is read. */
export const answers: Reading = {
  describeLoadBalancers: loadBalancers,
  createLoadBalancer: loadBalancers,
  describeLoadBalancerAttributes: attributes,
  modifyLoadBalancerAttributes: attributes,
  describeCapacityReservation: z.object({
    minimumLoadBalancerCapacity: z.object({ capacityUnits: z.number().optional() }).optional(),
  }),
  describeListeners: listeners,
  createListener: listeners,
  modifyListener: listeners,
  describeListenerAttributes: attributes,
  modifyListenerAttributes: attributes,
  describeListenerCertificates: z.object({
    certificates: list(z.object({ certificateArn: text, isDefault: z.boolean().default(false) })),
    ...page,
  }),
  describeTargetGroups: targetGroups,
  createTargetGroup: targetGroups,
  modifyTargetGroup: targetGroups,
  describeTargetGroupAttributes: attributes,
  modifyTargetGroupAttributes: attributes,
  describeTargetHealth: z.object({ targetHealthDescriptions: list(targetHealth) }),
  describeTags: z.object({ tagDescriptions: list(tagDescription) }),
  describeSubnets: z.object({ subnets: list(subnet), ...tokenPage }),
  describeRouteTables: z.object({ routeTables: list(routeTable), ...tokenPage }),
  describeAvailabilityZones: z.object({ availabilityZones: list(zone) }),
  describeInstances: z
    .object({ reservations: list(z.object({ instances: list(instance) })), ...tokenPage })
    .transform(({ reservations, nextToken }) => ({
      instances: reservations.flatMap(({ instances }) => instances),
      nextToken,
    })),
  describeSecurityGroups: z.object({ securityGroups: list(securityGroup), ...tokenPage }),
  createSecurityGroup: z.object({ groupId: text }),
}
