/**
 * LoadBalancerClass: what a Service picks with `spec.loadBalancerClass: roadstead.dev/<name>`. Written by administrators; it names the
 * clouds, the scheme, defaults, limits and the namespaces that may use it. The YAML beside this file is the same schema for the API server.
 */
import { z } from 'zod'
import { dnsLabel, group, labelSelector, parseSpec, version } from './metadata.ts'
import type { Condition, Kind, Metadata, Parsed } from './metadata.ts'

const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be a CIDR such as 192.0.2.0/24 or 2001:db8::/32' })

const healthCheck = z.strictObject({
  /** HTTP asks kube-proxy's health endpoint; TCP connects to the port. externalTrafficPolicy Local always uses HTTP on the health check node port. */
  protocol: z.enum(['HTTP', 'TCP']).default('HTTP'),
  /** Of the node; 10256 is the health endpoint of every Kubernetes node proxy. */
  port: z.int().min(1).max(65535).default(10256),
  path: z.string().startsWith('/').max(1024).default('/healthz'),
  intervalSeconds: z.int().min(1).max(300).default(5),
  timeoutSeconds: z.int().min(1).max(120).default(3),
  healthyThreshold: z.int().min(1).max(10).default(2),
  unhealthyThreshold: z.int().min(1).max(10).default(2),
})

const classDefaults = z.strictObject({
  healthCheck: healthCheck.prefault({}),
  /** How long an established connection may live on after its node or listener was removed; absent: as the cloud has it by default. */
  drainSeconds: z.int().min(0).max(3600).optional(),
  /** How long a load balancer that goes, replaced or released, stays without listeners so that established connections run out; absent: not at all. */
  deleteDrainSeconds: z.int().min(0).max(3600).optional(),
  /** How long a replacement waits for as many healthy targets as the old load balancer has; absent: 600. */
  replacementWaitSeconds: z.int().min(0).max(86_400).optional(),
  /** For Services that name none; empty means anybody. */
  sourceRanges: z.array(cidr).max(200).default([]),
  /** Name of the provider's address pool. */
  addressPool: z.string().min(1).max(253).optional(),
})

const limits = z.strictObject({
  /** Services of this class in one namespace. */
  servicesPerNamespace: z.int().min(0).optional(),
  portsPerService: z.int().min(1).max(1000).optional(),
})

const cloud = z.strictObject({
  /** The name the operator was given with --provider. */
  name: dnsLabel,
  /** Provider specific; the keys are listed in the provider's reference. */
  parameters: z.record(z.string(), z.string()).default({}),
})

const loadBalancerClassSpec = z
  .strictObject({
    clouds: z.array(cloud).min(1, 'must name at least one cloud').max(8),
    scheme: z.enum(['public', 'internal']).default('internal'),
    /** Serves Services of type LoadBalancer that have no class. At most one class should say so; the oldest one wins. */
    default: z.boolean().default(false),
    /** How many clouds must serve before the Service is Ready: one, every one, or more than half. */
    readiness: z.enum(['any', 'all', 'quorum']).default('any'),
    /** Namespaces that may use the class; absent: all. */
    namespaceSelector: labelSelector.optional(),
    /** Whether Services may ask for an address (spec.loadBalancerIP or the annotation roadstead.dev/addresses). */
    allowRequestedAddresses: z.boolean().default(true),
    limits: limits.prefault({}),
    defaults: classDefaults.prefault({}),
  })
  .superRefine((spec, context) => {
    const names = spec.clouds.map(({ name }) => name)
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue
      context.addIssue({ code: 'custom', path: ['clouds', index, 'name'], message: `cloud ${name} is named twice` })
    }
    const { intervalSeconds, timeoutSeconds } = spec.defaults.healthCheck
    if (timeoutSeconds > intervalSeconds) {
      const path = ['defaults', 'healthCheck', 'timeoutSeconds']
      context.addIssue({ code: 'custom', path, message: `must not exceed intervalSeconds (${intervalSeconds})` })
    }
  })

export type LoadBalancerClassSpec = z.output<typeof loadBalancerClassSpec>

export interface LoadBalancerClass {
  apiVersion?: string
  kind?: string
  metadata: Metadata
  spec: z.input<typeof loadBalancerClassSpec>
  status?: { conditions?: Condition[] }
}

export const loadBalancerClasses: Kind<LoadBalancerClass> = {
  group,
  version,
  plural: 'loadbalancerclasses',
  kind: 'LoadBalancerClass',
  namespaced: false,
}

/** The spec with every default filled in, or what is wrong with it. */
export function parseLoadBalancerClass(object: { spec?: unknown }): Parsed<LoadBalancerClassSpec> {
  return parseSpec(loadBalancerClassSpec, object.spec)
}
