/**
 * The contract between the reconcilers and a cloud. The reconcilers know these words and no cloud; a provider knows its cloud
 * and no Kubernetes object. Everything here is data; the verbs with I/O are observe, owners and execute.
 */
export type CloudName = string
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** Who a cloud object belongs to; stamped on every cloud object by tags, labels or description. */
export interface Owner {
  /** Cluster id: separates clusters that share a cloud account. */
  cluster: string
  namespace: string
  name: string
  /** UID of the Service. A new Service with the same name is another owner. */
  uid: string
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP'
export type Family = 'IPv4' | 'IPv6'

export interface LoadBalancerPort {
  name: string
  protocol: Protocol
  /** What clients connect to. */
  port: number
  /** 0: the Service has no node port; a provider that needs one answers Unsupported. */
  nodePort: number
  appProtocol?: string
}

export interface HealthCheck {
  protocol: 'HTTP' | 'TCP'
  /** A port of the node. */
  port: number
  path: string
  intervalSeconds: number
  timeoutSeconds: number
  healthyThreshold: number
  unhealthyThreshold: number
}

/** A node that may receive traffic: eligible, of this cloud, not being removed. */
export interface TargetNode {
  name: string
  providerId: string
  /** InternalIPs, primary first. */
  addresses: readonly string[]
  zone?: string
  /** Those a node selector may ask for. */
  labels?: Readonly<Record<string, string>>
}

/** What one placement asks of its cloud, free of Kubernetes and of any cloud. */
export interface LoadBalancerSpec {
  owner: Owner
  /** Name of the LoadBalancerClass. */
  className: string
  scheme: 'public' | 'internal'
  /** Primary first. */
  families: readonly Family[]
  ports: readonly LoadBalancerPort[]
  /** externalTrafficPolicy. */
  policy: 'Cluster' | 'Local'
  healthCheck: HealthCheck
  /** CIDRs; empty means anybody. */
  sourceRanges: readonly string[]
  affinity: { kind: 'None' } | { kind: 'ClientIP'; timeoutSeconds: number }
  /** Addresses the user asked for; empty means any. */
  requestedAddresses: readonly string[]
  /** How long an established connection may live on after its target or listener was removed; absent: as the cloud has it by default. */
  drainSeconds?: number
  /** How long a load balancer that goes, replaced or released, stays without listeners, so that established connections run out; absent: not at all. */
  deleteDrainSeconds?: number
  /** How long a replacement waits for as many healthy targets as the old load balancer has; absent: as the reconciler has it by default. */
  replacementWaitSeconds?: number
  nodes: readonly TargetNode[]
  /** Provider specific: the class's parameters with the Service's `roadstead.dev/...` annotations over them. */
  parameters: Readonly<Record<string, string>>
}

/** Something a person has to change, in words that say what. `reason` is CamelCase, as in a condition. */
export interface Reason {
  reason: string
  message: string
  /** Set when only this port is affected. */
  port?: { port: number; protocol: Protocol }
}

export interface Unsupported {
  kind: 'unsupported'
  reasons: readonly Reason[]
}

export interface Lowered {
  kind: 'lowered'
  own: readonly Resource[]
  fragments: readonly Fragment[]
  /** The documents of `fragments` stand before own resources are written: what they open is open before it is used. */
  documentsFirst?: boolean
  /** What people should know though all is done as asked: a node left out, a wish that has no effect here. */
  notes?: readonly Reason[]
}

/** A shared document as cloud objects. */
export interface Assembled {
  /** Empty when nobody needs the document and it should go. */
  resources: readonly Resource[]
  /** For all its owners. */
  notes?: readonly Reason[]
}

/** Names a cloud object that many placements write into. */
export interface DocumentKey {
  kind: 'document'
  document: string
}

/** What one placement wants to stand in a shared document. */
export interface Fragment {
  document: string
  owner: Owner
  content: JsonObject
}

/** One cloud object as plain data: what we want or what we saw. */
export interface Resource {
  kind: string
  /** Derived name, unique within the owner (or the document); equal for the wanted and the seen object. */
  key: string
  owner: Owner | DocumentKey
  /** Keys of resources that must exist before this one, and outlive it. */
  needs: readonly string[]
  /** A difference here is a replacement, new before old. */
  immutable: JsonObject
  /** A difference here is an update in place. */
  mutable: JsonObject
  /** The cloud's own id; set on what was observed. */
  id?: string
  /** Wanted resources are always 'ready'. 'pending': exists, is not in effect yet. */
  state: 'ready' | 'pending' | 'deleting'
  /** Observations that are no part of the wanted state: addresses, target health, ... Never compared. */
  observed?: JsonObject
  /**
   * On a wanted resource that clients reach by a published address of its own: so long an older one of its key stands beside it after the
   * new address was published, since names are cached. Longer when the Service's drain time is.
   */
  graceSeconds?: number
  /** On an object whose deletion ends the connections through it. The provider keeps it in the cloud, so that every later process knows it. */
  drain?: Drain
}

export interface Drain {
  /** How long the object stays after the last one that led new connections to it is gone. */
  seconds: number
  /** Milliseconds since the epoch, by the operator's clock: that time has begun. Never on a wanted resource. */
  since?: number
}

/** One cloud mutation, as data. Idempotent: executing it twice leads to the same cloud. */
export type Step =
  | { verb: 'create'; resource: Resource }
  | { verb: 'update'; resource: Resource; from: Resource }
  | { verb: 'delete'; resource: Resource }

export interface Address {
  ip?: string
  hostname?: string
  /** VIP: packets reach the node with this address as destination; Proxy: with the node's. */
  ipMode?: 'VIP' | 'Proxy'
}

export type Addresses =
  | { kind: 'pending'; reason: string; message: string }
  | {
      kind: 'ready'
      addresses: readonly Address[]
      /** One entry per port of the Service where a port failed; absent when all work. */
      ports?: readonly { port: number; protocol: Protocol; error?: string }[]
    }

export interface TargetHealth {
  node: string
  healthy: boolean
  /** Why not, in the cloud's words. */
  reason?: string
  draining?: boolean
  /** Not healthy only because the cloud's first checks of it are not over: for these ports of the Service. */
  checking?: readonly number[]
  /** With `checking`: for another port, or at another registration, it is healthy. */
  serves?: true
}

/** What the Service and its class say while its load balancers are being removed. */
export interface LastWords {
  /** As in LoadBalancerSpec. */
  parameters: Readonly<Record<string, string>>
  /** False: the class is not known any more, so that what it said is missing. */
  whole: boolean
}

/** What a cloud can do; the feature table in the docs is generated from it. */
export interface Features {
  protocols: readonly Protocol[]
  dualStack: boolean
  /** Works for Services without node ports. */
  withoutNodePorts: boolean
  sourceRanges: boolean
  clientIpAffinity: boolean
  requestedAddress: boolean
  /** Keys this provider reads in LoadBalancerSpec.parameters, with one line each for the docs. */
  parameters: Readonly<Record<string, string>>
  limits: { portsPerLoadBalancer: number; targetsPerLoadBalancer: number }
}

/** 'nothing': the cloud took nothing of it, and the next observation says why. */
export type Executed = void | 'nothing'

export interface Provider {
  readonly name: CloudName
  readonly features: Features
  /** It keeps a budget of its own, call by call: nothing around it has to. */
  readonly paced?: boolean
  /** Tells the nodes of this cloud before the first look and whenever they change; for discovery. No I/O. */
  readonly nodes?: (nodes: readonly TargetNode[]) => void
  /** Pure. Whether a node with this `spec.providerID` ('' when it has none) is a machine of this cloud. */
  ownsNode(providerId: string): boolean
  /** Pure. */
  lower(spec: LoadBalancerSpec): Lowered | Unsupported
  /** Pure. The wanted document from all its fragments, for the cloud as observed. */
  assemble(document: DocumentKey, fragments: readonly Fragment[], observed: readonly Resource[]): Assembled
  /**
   * Pure. The steps of a plan as single mutations, in order: a step becomes several, from `from` over intermediate states to `resource`, or
   * none where the object already is as wanted, must not change yet, or goes with another one. With it the provider alone judges kept objects:
   * plan() asks for every one, whether `mutable` differs or not. Without it `mutable` is compared and a step is one mutation.
   */
  readonly refine?: (steps: readonly Step[]) => readonly Step[]
  /** Every cloud object with the target's mark, also half-made ones and ones being deleted. Throws CloudError. */
  observe(target: Owner | DocumentKey, signal: AbortSignal): Promise<Resource[]>
  /** Everything in the cloud with our cluster's mark. Throws CloudError. */
  owners(cluster: string, signal: AbortSignal): AsyncIterable<Owner>
  /** One idempotent mutation. Throws CloudError. */
  execute(step: Step, signal: AbortSignal): Promise<Executed>
  /**
   * Pure. The fragments that stand in an observed document, whoever wrote them. Fragments of owners that are not known to be gone
   * are carried over when the document is written. Present on every provider whose `lower` answers fragments.
   */
  readonly fragments?: (document: DocumentKey, observed: readonly Resource[]) => readonly Fragment[]
  /** Every shared document in the cloud with our cluster's mark; present with `fragments`. Throws CloudError. */
  readonly documents?: (cluster: string, signal: AbortSignal) => Promise<readonly DocumentKey[]>
  /** Pure. Steps ahead of a removal, where a wish of the owner's own stands in its way and is wished no longer: deletion protection. */
  readonly letGo?: (observed: readonly Resource[], words: LastWords) => readonly Step[]
  /** Pure. What to publish, given what was observed. */
  addresses(observed: readonly Resource[]): Addresses
  /** Pure. What people should know of what was observed: a node that the cloud does not take. The same text as long as it is the same matter. */
  readonly notes?: (observed: readonly Resource[], nodes: readonly TargetNode[]) => readonly Reason[]
  /** Pure. What annotations of this cloud's other controllers on a Service of ours are called here. */
  readonly hints?: (annotations: Readonly<Record<string, string>>) => readonly Reason[]
  /** Pure. Health of the targets by node name, given what was observed; `nodes` for clouds that know their machines by other names. */
  targets(observed: readonly Resource[], nodes: readonly TargetNode[]): readonly TargetHealth[]
}

export type CloudErrorKind =
  | 'throttled'
  | 'quota'
  | 'denied'
  | 'invalid'
  | 'conflict'
  | 'in-use'
  | 'not-found'
  /** What was just made is not shown everywhere yet. */
  | 'not-visible'
  | 'unavailable'
  | 'unknown'

/** The only error a provider throws. Made in sdk.ts (or its equivalent), interpreted in reconcilers/requeue.ts. */
export class CloudError extends Error {
  override readonly name = 'CloudError'
  readonly kind: CloudErrorKind
  /** The cloud's own code and request id, for people. */
  readonly code: string | undefined
  readonly requestId: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** CamelCase reason for conditions and events when it says more than the kind does, for example OwnedByOther or AddressPoolExhausted. */
  readonly reason: string | undefined

  constructor(
    kind: CloudErrorKind,
    message: string,
    details: { code?: string; requestId?: string; retryAfterSeconds?: number; reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause })
    this.kind = kind
    this.code = details.code
    this.requestId = details.requestId
    this.retryAfterSeconds = details.retryAfterSeconds
    this.reason = details.reason
  }
}

/** Key for maps and logs: `cluster/namespace/name/uid`. */
export function ownerKey(owner: Owner): string {
  return `${owner.cluster}/${owner.namespace}/${owner.name}/${owner.uid}`
}
