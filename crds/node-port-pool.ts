/**
 * NodePortPool: ports an administrator sets aside for Services with `allocateLoadBalancerNodePorts: false`. A Service is covered when its
 * namespace and its class are; the operator then writes ports of the ranges into its spec.
 */
import { z } from 'zod'
import { dnsLabel, group, labelSelector, parseSpec, version } from './metadata.ts'
import type { Condition, Kind, Metadata, Parsed } from './metadata.ts'

const portNumber = z.int().min(1).max(65535)

const portRange = z
  .strictObject({ from: portNumber, to: portNumber })
  .refine(({ from, to }) => from <= to, { path: ['to'], message: 'must not be smaller than from' })

const nodePortPoolSpec = z.strictObject({
  /** Inclusive; inside the API server's --service-node-port-range. */
  ranges: z.array(portRange).min(1, 'must hold at least one range').max(32),
  /** Namespaces the pool serves; absent: all. */
  namespaceSelector: labelSelector.optional(),
  /** Names of LoadBalancerClasses the pool serves; absent: all. */
  classes: z.array(dnsLabel).optional(),
})

export type NodePortPoolSpec = z.output<typeof nodePortPoolSpec>

export interface NodePortPool {
  apiVersion?: string
  kind?: string
  metadata: Metadata
  spec: z.input<typeof nodePortPoolSpec>
  status?: {
    /** Ports in the ranges. */
    capacity?: number
    /** Ports of the ranges that some Service holds, whoever gave them out. */
    allocated?: number
    conditions?: Condition[]
  }
}

export const nodePortPools: Kind<NodePortPool> = {
  group,
  version,
  plural: 'nodeportpools',
  kind: 'NodePortPool',
  namespaced: false,
}

/** The checked spec, or what is wrong with it. */
export function parseNodePortPool(object: { spec?: unknown }): Parsed<NodePortPoolSpec> {
  return parseSpec(nodePortPoolSpec, object.spec)
}
