/**
 * LoadBalancer: what exists in the clouds for one Service, and why. Same name and namespace as the Service, owned by it, written only by the
 * operator. It has no spec and no status subresource: one write creates or changes it, and role-based access keeps others from writing.
 */
import { z } from 'zod'
import { group, parseSpec, version } from './metadata.ts'
import type { Kind, Metadata, Parsed } from './metadata.ts'

const address = z.object({
  ip: z.string().optional(),
  hostname: z.string().optional(),
  ipMode: z.enum(['VIP', 'Proxy']).optional(),
})

const placementStatus = z.object({
  cloud: z.string(),
  /** Ready: everything stands and is in effect. Released: nothing is left. */
  state: z.enum(['Pending', 'Progressing', 'Ready', 'Failed', 'Unsupported', 'Releasing']),
  reason: z.string(),
  message: z.string(),
  addresses: z.array(address),
  targets: z.object({
    healthy: z.number(),
    total: z.number(),
    /** Names of targets that get no new connections, with the cloud's reason. */
    unhealthy: z.array(z.object({ node: z.string(), reason: z.string() })),
  }),
  resources: z.array(z.object({ kind: z.string(), key: z.string(), id: z.string(), state: z.string() })),
})

const loadBalancerStatus = z.object({
  service: z.object({ name: z.string(), uid: z.string() }),
  className: z.string(),
  /** Names of the clouds, joined by a comma. */
  clouds: z.string(),
  /** First address. */
  address: z.string(),
  addresses: z.array(z.string()),
  ready: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  /** healthy/total over all clouds. */
  targets: z.string(),
  /** Ids of the load balancers, joined by a comma. */
  cloudIds: z.string(),
  placements: z.array(placementStatus),
  /** When anything in this status last changed. */
  lastChangeTime: z.string(),
})

export type PlacementStatus = z.infer<typeof placementStatus>
export type LoadBalancerStatus = z.infer<typeof loadBalancerStatus>

export interface LoadBalancer {
  apiVersion?: string
  kind?: string
  metadata: Metadata
  status: LoadBalancerStatus
}

export const loadBalancers: Kind<LoadBalancer> = {
  group,
  version,
  plural: 'loadbalancers',
  kind: 'LoadBalancer',
  namespaced: true,
}

/** The status as the operator writes it; a hand-made object without one is answered with its mistakes. */
export function parseLoadBalancer(object: { status?: unknown }): Parsed<LoadBalancerStatus> {
  return parseSpec(loadBalancerStatus, object.status, 'status')
}
