/**
 * The local cloud's objects as they travel over its control API, for both ends: what clients may ask for (`spec`),
 * whose it is (`tags`) and what the cloud says about it (`status`). Parsed here once, on both sides.
 */
import { z } from 'zod'

const port = z.int().min(1).max(65_535)

const tags = z.strictObject({
  cluster: z.string(),
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
})
export type Tags = z.infer<typeof tags>

const loadBalancerSpec = z.strictObject({
  scheme: z.enum(['public', 'internal']),
  families: z
    .array(z.enum(['IPv4', 'IPv6']))
    .min(1)
    .max(2),
  /** At most one a family. */
  requestedAddresses: z.array(z.string()),
  /** How long it is to stay without listeners before it is deleted, and since when it does (milliseconds since the epoch). The caller waits. */
  drain: z.strictObject({ seconds: z.number().min(0), since: z.number().optional() }).optional(),
})

const healthCheck = z.strictObject({
  protocol: z.enum(['HTTP', 'TCP']),
  port,
  path: z.string(),
  intervalSeconds: z.number().positive(),
  timeoutSeconds: z.number().positive(),
  healthyThreshold: z.int().min(1),
  unhealthyThreshold: z.int().min(1),
})
export type HealthCheckSpec = z.infer<typeof healthCheck>

const target = z.strictObject({
  node: z.string().min(1),
  /** At most one a family is used, the first of each; the first of all is the one that is checked. */
  addresses: z.array(z.union([z.ipv4(), z.ipv6()])).min(1),
})

const targetGroupSpec = z.strictObject({
  healthCheck,
  targets: z.array(target).max(1000),
  drainSeconds: z.number().min(0),
})

const listenerSpec = z.strictObject({
  /** Names of the objects this one joins. */
  loadBalancer: z.string(),
  targetGroup: z.string(),
  protocol: z.enum(['TCP', 'UDP']),
  port,
  forward: z.discriminatedUnion('mode', [
    z.strictObject({ mode: z.literal('node-port'), nodePort: port }),
    z.strictObject({ mode: z.literal('passthrough') }),
  ]),
  /** CIDRs; empty means anybody. */
  sourceRanges: z.array(z.union([z.cidrv4(), z.cidrv6()])),
  /** 0: no affinity. */
  affinitySeconds: z.int().min(0),
})

const name = z.string().min(1).max(500)

/** What a client sends to create or change an object. */
export const cloudRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('load-balancer'), name, tags, spec: loadBalancerSpec }),
  z.strictObject({ kind: z.literal('target-group'), name, tags, spec: targetGroupSpec }),
  z.strictObject({ kind: z.literal('listener'), name, tags, spec: listenerSpec }),
])
export type CloudRequest = z.infer<typeof cloudRequest>
export type LoadBalancerRequest = Extract<CloudRequest, { kind: 'load-balancer' }>
export type TargetGroupRequest = Extract<CloudRequest, { kind: 'target-group' }>
export type ListenerRequest = Extract<CloudRequest, { kind: 'listener' }>
export type CloudKind = CloudRequest['kind']

const targetStatus = z.object({
  node: z.string(),
  state: z.enum(['initial', 'healthy', 'unhealthy', 'draining']),
  reason: z.string().optional(),
})
export type TargetStatus = z.infer<typeof targetStatus>

const state = z.enum(['ready', 'pending'])
const status = z.object({
  state,
  /** Load balancers: primary family first. */
  addresses: z.array(z.string()).optional(),
  /** Target groups. */
  targets: z.array(targetStatus).optional(),
  /** Target groups: some health check has been in effect. */
  inService: z.boolean().optional(),
})
type CloudStatus = z.infer<typeof status>

/** What a client gets. */
export const cloudObject = cloudRequest.and(z.object({ status }))
export type CloudObject = CloudRequest & { status: CloudStatus }
export const cloudList = z.object({ items: z.array(cloudObject) })

export const errorBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), requestId: z.string().optional() }),
})

/** Codes of the control API's refusals. http.ts turns them into CloudErrors. */
export type RefusalCode =
  | 'InvalidRequest'
  | 'AddressNotInPool'
  | 'AddressInUse'
  | 'AddressPoolExhausted'
  | 'TooManyLoadBalancers'
  | 'NotFound'
  | 'AlreadyExists'
  | 'OwnedByOther'
  | 'DuplicateListener'
  | 'InUse'
  | 'Throttled'
  | 'InternalError'

export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode

  constructor(code: RefusalCode, message: string) {
    super(message)
    this.code = code
  }
}
