/**
 * Elastic Load Balancing v2, the part this provider uses, in our own types: one function per action, named as the action, with the action's
 * fields in camelCase (API version 2015-12-01). Answers hold only fields that are read. Every function throws CloudError and nothing else.
 */
export interface KeyValue {
  key: string
  value: string
}

/** Answers that come in pages: pass `nextMarker` as `marker` to get the next one. */
export interface Page {
  nextMarker?: string | undefined
}

export type LoadBalancerScheme = 'internet-facing' | 'internal'
export type IpAddressType = 'ipv4' | 'dualstack'
export type OnOff = 'on' | 'off'

export interface SubnetMapping {
  subnetId: string
  allocationId?: string
  privateIpv4Address?: string
  ipv6Address?: string
  /** `auto_assigned` or a /80 prefix. */
  sourceNatIpv6Prefix?: string
}

export interface LoadBalancer {
  loadBalancerArn: string
  loadBalancerName: string
  dnsName: string
  /** For alias records; unlike the name it stays the same for all load balancers of the region. */
  canonicalHostedZoneId?: string | undefined
  scheme: LoadBalancerScheme
  vpcId: string
  type: string
  ipAddressType: IpAddressType
  state: { code: 'provisioning' | 'active' | 'active_impaired' | 'failed'; reason?: string | undefined }
  availabilityZones: readonly AvailabilityZoneMapping[]
  securityGroups: readonly string[]
  enforceSecurityGroupInboundRulesOnPrivateLinkTraffic?: OnOff | undefined
  enablePrefixForIpv6SourceNat?: OnOff | undefined
}

export interface AvailabilityZoneMapping {
  zoneName: string
  subnetId: string
  loadBalancerAddresses: readonly {
    ipAddress?: string | undefined
    allocationId?: string | undefined
    privateIpv4Address?: string | undefined
    ipv6Address?: string | undefined
  }[]
  sourceNatIpv6Prefixes?: readonly string[] | undefined
}

export type ListenerProtocol = 'TCP' | 'UDP' | 'TCP_UDP' | 'TLS'

export interface ForwardAction {
  type: 'forward'
  targetGroupArn: string
}

/** To several target groups. One of weight 0 gets no traffic, and its targets are checked. */
export interface WeightedForwardAction {
  type: 'forward'
  forwardConfig: { targetGroups: readonly { targetGroupArn: string; weight: number }[] }
}

export interface Listener {
  listenerArn: string
  loadBalancerArn: string
  port: number
  protocol: ListenerProtocol
  /** The default certificate; the others are answered by describeListenerCertificates. */
  certificates: readonly { certificateArn: string }[]
  sslPolicy?: string | undefined
  alpnPolicy: readonly string[]
  /** `targetGroupArn` is set also where AWS answers a forwardConfig with one target group. */
  defaultActions: readonly {
    type: string
    targetGroupArn?: string | undefined
    forwardConfig?: { targetGroups: readonly { targetGroupArn: string; weight: number }[] } | undefined
  }[]
}

export interface ListenerCertificate {
  certificateArn: string
  isDefault: boolean
}

export type HealthCheckProtocol = 'TCP' | 'HTTP' | 'HTTPS'

export interface HealthCheckFields {
  healthCheckProtocol: HealthCheckProtocol
  /** A number or `traffic-port`. */
  healthCheckPort: string
  /** HTTP and HTTPS only. */
  healthCheckPath?: string | undefined
  healthCheckIntervalSeconds: number
  healthCheckTimeoutSeconds: number
  healthyThresholdCount: number
  unhealthyThresholdCount: number
  /** HTTP and HTTPS only. */
  matcher?: { httpCode?: string | undefined } | undefined
}

export interface TargetGroup extends HealthCheckFields {
  targetGroupArn: string
  targetGroupName: string
  protocol: ListenerProtocol
  port: number
  vpcId: string
  targetType: string
  ipAddressType: 'ipv4' | 'ipv6'
  /** Load balancers whose listeners forward to it. */
  loadBalancerArns: readonly string[]
}

export interface TargetDescription {
  /** Instance id. */
  id: string
  port: number
}

export interface TargetHealthDescription {
  target: TargetDescription
  targetHealth: {
    state: 'initial' | 'healthy' | 'unhealthy' | 'unhealthy.draining' | 'unused' | 'draining' | 'unavailable'
    /** For example Target.FailedHealthChecks, Elb.InitialHealthChecking. */
    reason?: string | undefined
    description?: string | undefined
  }
}

export interface TagDescription {
  resourceArn: string
  tags: readonly KeyValue[]
}

/** DescribeTags takes at most so many ARNs. */
export const describeTagsLimit = 20
/** RegisterTargets and DeregisterTargets take at most so many targets. */
export const registerTargetsLimit = 200
/** Names and ARNs in one describe of load balancers or target groups. */
export const describeNamesLimit = 20

export interface Elbv2 {
  /** By ARN, by name, or all of the region in pages of `pageSize` (at most and by default 400). An unknown ARN or name: CloudError not-found. */
  describeLoadBalancers: (
    input: { loadBalancerArns?: readonly string[]; names?: readonly string[]; marker?: string; pageSize?: number },
    signal: AbortSignal,
  ) => Promise<Page & { loadBalancers: readonly LoadBalancer[] }>
  describeLoadBalancerAttributes: (
    input: { loadBalancerArn: string },
    signal: AbortSignal,
  ) => Promise<{ attributes: readonly KeyValue[] }>
  /** Of type network. Same name and same settings: answers the one that exists. Other settings: DuplicateLoadBalancerName, conflict. */
  createLoadBalancer: (
    input: {
      name: string
      scheme: LoadBalancerScheme
      ipAddressType: IpAddressType
      subnetMappings: readonly SubnetMapping[]
      securityGroups?: readonly string[]
      enablePrefixForIpv6SourceNat?: OnOff
      tags: readonly KeyValue[]
    },
    signal: AbortSignal,
  ) => Promise<{ loadBalancers: readonly LoadBalancer[] }>
  modifyLoadBalancerAttributes: (
    input: { loadBalancerArn: string; attributes: readonly KeyValue[] },
    signal: AbortSignal,
  ) => Promise<{ attributes: readonly KeyValue[] }>
  /** The units that were asked for last, also while AWS still provides them. */
  describeCapacityReservation: (
    input: { loadBalancerArn: string },
    signal: AbortSignal,
  ) => Promise<{ minimumLoadBalancerCapacity?: { capacityUnits?: number | undefined } | undefined }>
  /** One of both. Of an active load balancer without TLS listeners, while no other request is pending. */
  modifyCapacityReservation: (
    input: {
      loadBalancerArn: string
      minimumLoadBalancerCapacity?: { capacityUnits: number }
      resetCapacityReservation?: boolean
    },
    signal: AbortSignal,
  ) => Promise<void>
  setIpAddressType: (
    input: { loadBalancerArn: string; ipAddressType: IpAddressType },
    signal: AbortSignal,
  ) => Promise<void>
  setSecurityGroups: (
    input: {
      loadBalancerArn: string
      securityGroups: readonly string[]
      enforceSecurityGroupInboundRulesOnPrivateLinkTraffic?: OnOff
    },
    signal: AbortSignal,
  ) => Promise<void>
  /** The whole list of subnets. One subnet cannot be replaced by another of the same zone in one call. */
  setSubnets: (
    input: {
      loadBalancerArn: string
      subnetMappings: readonly SubnetMapping[]
      ipAddressType?: IpAddressType
      enablePrefixForIpv6SourceNat?: OnOff
    },
    signal: AbortSignal,
  ) => Promise<void>
  /** Of an unknown ARN: done. With deletion protection: OperationNotPermitted, invalid. */
  deleteLoadBalancer: (input: { loadBalancerArn: string }, signal: AbortSignal) => Promise<void>

  describeListeners: (
    input: { loadBalancerArn?: string; listenerArns?: readonly string[]; marker?: string },
    signal: AbortSignal,
  ) => Promise<Page & { listeners: readonly Listener[] }>
  createListener: (
    input: {
      loadBalancerArn: string
      protocol: ListenerProtocol
      port: number
      certificates?: readonly { certificateArn: string }[]
      sslPolicy?: string
      alpnPolicy?: readonly string[]
      defaultActions: readonly ForwardAction[]
      tags: readonly KeyValue[]
    },
    signal: AbortSignal,
  ) => Promise<{ listeners: readonly Listener[] }>
  /** What is left out stays as it is. A change of protocol comes with a target group of that protocol. */
  modifyListener: (
    input: {
      listenerArn: string
      protocol?: ListenerProtocol
      certificates?: readonly { certificateArn: string }[]
      sslPolicy?: string
      alpnPolicy?: readonly string[]
      defaultActions?: readonly (ForwardAction | WeightedForwardAction)[]
    },
    signal: AbortSignal,
  ) => Promise<{ listeners: readonly Listener[] }>
  deleteListener: (input: { listenerArn: string }, signal: AbortSignal) => Promise<void>
  describeListenerAttributes: (
    input: { listenerArn: string },
    signal: AbortSignal,
  ) => Promise<{ attributes: readonly KeyValue[] }>
  modifyListenerAttributes: (
    input: { listenerArn: string; attributes: readonly KeyValue[] },
    signal: AbortSignal,
  ) => Promise<{ attributes: readonly KeyValue[] }>
  describeListenerCertificates: (
    input: { listenerArn: string; marker?: string },
    signal: AbortSignal,
  ) => Promise<Page & { certificates: readonly ListenerCertificate[] }>
  addListenerCertificates: (
    input: { listenerArn: string; certificates: readonly { certificateArn: string }[] },
    signal: AbortSignal,
  ) => Promise<void>
  removeListenerCertificates: (
    input: { listenerArn: string; certificates: readonly { certificateArn: string }[] },
    signal: AbortSignal,
  ) => Promise<void>

  describeTargetGroups: (
    input: {
      loadBalancerArn?: string
      targetGroupArns?: readonly string[]
      names?: readonly string[]
      marker?: string
      pageSize?: number
    },
    signal: AbortSignal,
  ) => Promise<Page & { targetGroups: readonly TargetGroup[] }>
  /** Same name and same settings: answers the one that exists. Other settings: DuplicateTargetGroupName, conflict. */
  createTargetGroup: (
    input: HealthCheckFields & {
      name: string
      protocol: ListenerProtocol
      port: number
      vpcId: string
      targetType: 'instance'
      ipAddressType?: 'ipv4' | 'ipv6'
      tags: readonly KeyValue[]
    },
    signal: AbortSignal,
  ) => Promise<{ targetGroups: readonly TargetGroup[] }>
  modifyTargetGroup: (
    input: { targetGroupArn: string } & Partial<HealthCheckFields>,
    signal: AbortSignal,
  ) => Promise<{ targetGroups: readonly TargetGroup[] }>
  /** While a listener uses it, and for a while after: ResourceInUse, in-use. */
  deleteTargetGroup: (input: { targetGroupArn: string }, signal: AbortSignal) => Promise<void>
  describeTargetGroupAttributes: (
    input: { targetGroupArn: string },
    signal: AbortSignal,
  ) => Promise<{ attributes: readonly KeyValue[] }>
  modifyTargetGroupAttributes: (
    input: { targetGroupArn: string; attributes: readonly KeyValue[] },
    signal: AbortSignal,
  ) => Promise<{ attributes: readonly KeyValue[] }>

  describeTargetHealth: (
    input: { targetGroupArn: string; targets?: readonly TargetDescription[] },
    signal: AbortSignal,
  ) => Promise<{ targetHealthDescriptions: readonly TargetHealthDescription[] }>
  /** At most `registerTargetsLimit`. One bad id refuses them all: InvalidTarget, invalid. */
  registerTargets: (
    input: { targetGroupArn: string; targets: readonly TargetDescription[] },
    signal: AbortSignal,
  ) => Promise<void>
  /** At most `registerTargetsLimit`. Of what is not registered: done. */
  deregisterTargets: (
    input: { targetGroupArn: string; targets: readonly TargetDescription[] },
    signal: AbortSignal,
  ) => Promise<void>

  /** At most `describeTagsLimit`. */
  describeTags: (
    input: { resourceArns: readonly string[] },
    signal: AbortSignal,
  ) => Promise<{ tagDescriptions: readonly TagDescription[] }>
  addTags: (input: { resourceArns: readonly string[]; tags: readonly KeyValue[] }, signal: AbortSignal) => Promise<void>
  removeTags: (
    input: { resourceArns: readonly string[]; tagKeys: readonly string[] },
    signal: AbortSignal,
  ) => Promise<void>
}
