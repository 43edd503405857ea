/**
 * The cloud objects of this provider as plain data: kinds, keys and the shapes of their parts. `lower` writes the wanted ones, `inventory`
 * the seen ones, `refine` compares them and `execute` turns a refined step into one AWS call.
 *
 * An object refers to another one by its AWS name, which is derived and known before the object exists; execute turns names into ARNs and ids.
 * A name holds a digest of everything that cannot change in place, so `immutable` is equal exactly where the name is.
 * plan() does not compare `mutable` (the provider has `refine`): a wanted part may leave out what is not asked for, a seen part may hold more.
 */
import type { DocumentKey, Owner, Resource } from '../contract.ts'

/** Tags of an object without AWS's own (`aws:`). */
export type Tags = { readonly [key: string]: string }
export type Attributes = { readonly [key: string]: string }

interface Kind<K extends string, Immutable, Mutable, Observed> extends Resource {
  kind: K
  immutable: Immutable & Resource['immutable']
  mutable: Mutable & Resource['mutable']
  /** On seen resources only. */
  observed?: Observed & NonNullable<Resource['observed']>
}

/** Key `security-group`. The load balancer's own group: which clients may come in. id: the group's id. */
export type SecurityGroupResource = Kind<
  'security-group',
  { name: string },
  {
    /** Inbound rules in the form of rules.ts, sorted. Seen: those with our description. */
    rules: readonly string[]
    tags: Tags
  },
  {
    vpcId: string
    /** Inbound rules that others made; they stay. */
    others: readonly string[]
  }
>

/** Key `load-balancer`. Pending while its state is provisioning. id: the ARN. */
export type LoadBalancerResource = Kind<
  'load-balancer',
  { name: string },
  {
    scheme: 'internet-facing' | 'internal'
    ipAddressType: 'ipv4' | 'dualstack'
    /** Subnet ids or Name tags as the user gave them; empty: discovered, at creation or when a wish was taken back, and later left as they stand. */
    subnets: readonly string[]
    /** One per subnet, in the order of `subnets` (or of the zones); all of them are part of the name's digest and used at creation only. */
    allocationIds: readonly string[]
    privateIpv4Addresses: readonly string[]
    ipv6Addresses: readonly string[]
    /** An IPv6 prefix in each subnet, which UDP over dual stack needs. */
    sourceNat: boolean
    /** Wanted: one per subnet as the user gave them, empty where AWS chooses. Seen: those that stand, whoever chose them. */
    sourceNatPrefixes: readonly string[]
    /** Reserved capacity. Wanted: absent for none. Seen: absent when it was not read. */
    capacityUnits?: number
    /** Group ids (`sg-...`) and names of groups of ours, sorted. Seen: group names where the inventory knows them, else ids. */
    securityGroups: readonly string[]
    /** SetSecurityGroups' flag; absent: not asked for. */
    privateLinkRules?: 'on' | 'off'
    /** Wanted: those with another value than the default, and those once set. Seen: all that were read; absent: not read yet. */
    attributes?: Attributes
    tags: Tags
  },
  {
    dnsName: string
    zoneId: string
    vpcId: string
    /** DescribeLoadBalancers' state and its reason. */
    state: string
    reason: string
    subnetIds: readonly string[]
    /** Security groups that are not ours -> value of their Name tag, where they have one. */
    groupNames?: { readonly [group: string]: string }
    /** The same subnets with what SetSubnets has to repeat of them, by zone. */
    mappings?: readonly ({ readonly subnetId: string } & { readonly [field: string]: string })[]
  }
>

/** Key `target-group/<service port>`. Pending: never. id: the ARN. */
export type TargetGroupResource = Kind<
  'target-group',
  { name: string },
  {
    protocol: ListenerProtocol
    /** Of the addresses that targets are reached at; it never changes, the load balancer's name says when it is ipv6. */
    ipAddressType: 'ipv4' | 'ipv6'
    /** CreateTargetGroup's port: the node port at creation. Each target carries its own, so it never changes. */
    port: number
    healthCheck: HealthCheckShape
    /** `<instance id>:<node port>`, sorted. Seen: registered ones, without those that drain. */
    targets: readonly string[]
    /** As for load balancers. */
    attributes?: Attributes
    tags: Tags
  },
  {
    /** One entry per target, those that drain included; absent: not read yet. `state` and `reason` as in DescribeTargetHealth. */
    health?: readonly { readonly target: string; readonly state: string; readonly reason: string }[]
    /** Targets that AWS refused lately (InvalidTarget and the like), with its words: they are not registered again for a while. */
    refused?: readonly { readonly target: string; readonly reason: string }[]
    vpcId: string
    /** Of the load balancers that forward to it. */
    loadBalancers: readonly string[]
  }
>

export type HealthCheckShape = {
  readonly protocol: 'HTTP' | 'HTTPS' | 'TCP'
  /** A number or `traffic-port`. */
  readonly port: string
  /** '' for TCP. */
  readonly path: string
  readonly intervalSeconds: number
  readonly timeoutSeconds: number
  readonly healthyThreshold: number
  readonly unhealthyThreshold: number
  /** HTTP codes such as 200-399; '' for TCP. */
  readonly codes: string
}

export type ListenerProtocol = 'TCP' | 'UDP' | 'TCP_UDP' | 'TLS'

/** Key `listener/<service port>`. Needs its load balancer and target group. Pending while its load balancer is, or while it moves. id: the ARN. */
export type ListenerResource = Kind<
  'listener',
  { /** Name of the load balancer. */ loadBalancer: string; port: number },
  {
    /** ModifyListener changes it in place, together with the target group. */
    protocol: ListenerProtocol
    /** Name. */
    targetGroup: string
    /** Seen, and on the way: name of the target group it moves to, which is checked and gets no traffic yet. */
    standby?: string
    /** ARNs; the first is the default, the others are added with AddListenerCertificates. Seen: the others sorted. */
    certificates: readonly string[]
    /** '' without TLS. */
    sslPolicy: string
    /** '' for none. */
    alpn: string
    /** As for load balancers. */
    attributes?: Attributes
    tags: Tags
  },
  {
    loadBalancerArn: string
    /** AWS did not take a second target group beside the first. */
    alone?: true
  }
>

/**
 * Document `node-access/<cluster>`, key `node-access-group`: the group every load balancer of the cluster carries, so that one rule lets
 * all of them in to a node port. id: the group's id.
 */
export type NodeAccessGroupResource = Kind<
  'node-access-group',
  { name: string },
  { tags: Tags },
  {
    vpcId: string
    /** What stands in the document: what each owner's target groups use. See fragmentOf in node-rules.ts. */
    fragments: readonly (readonly [owner: Owner & { readonly [key: string]: string }, ports: readonly string[]])[]
    /** Nodes whose security group cannot be told, in words; see Discovery. */
    unresolved: readonly string[]
  }
>

/**
 * Same document, key `node-rules/<group id>`: the rules in one security group of the nodes whose source is the node access group. Seen for
 * every group of the nodes, also where no rule of ours stands in it. id: the group's id. Never created or deleted itself: create and update
 * are Authorize and Revoke, delete is Revoke.
 */
export type NodeRulesResource = Kind<
  'node-rules',
  { groupId: string },
  {
    /** `tcp/30080` or `tcp/30000-30100`, sorted. */
    rules: readonly string[]
  },
  {
    /** Ports that target groups of this cluster use at present, in the same form: their rules are not revoked yet. */
    inUse: readonly string[]
    /** Rules of others in the group: they count towards the quota. */
    others: number
    /** No node has this group any more: what is not in use goes. */
    left?: true
  }
>

export type AwsResource =
  | SecurityGroupResource
  | LoadBalancerResource
  | TargetGroupResource
  | ListenerResource
  | NodeAccessGroupResource
  | NodeRulesResource

export const keys = {
  securityGroup: 'security-group',
  loadBalancer: 'load-balancer',
  targetGroup: (port: number) => `target-group/${port}`,
  listener: (port: number) => `listener/${port}`,
  nodeAccessGroup: 'node-access-group',
  nodeRules: (groupId: string) => `node-rules/${groupId}`,
} as const

const documentPrefix = 'node-access/'

/** The shared document of a cluster. */
export function documentOf(cluster: string): DocumentKey {
  return { kind: 'document', document: documentPrefix + cluster }
}

/** The cluster of a document of this provider. */
export function clusterOf({ document }: DocumentKey): string {
  return document.slice(documentPrefix.length)
}

/** Every resource that reaches this provider was made by it: the shapes are as written here. */
export function aws(resource: Resource): AwsResource {
  return resource as AwsResource
}
