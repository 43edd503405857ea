/**
 * The in-memory provider: the whole contract without sockets, clock or randomness, for the reconcilers' tests, the simulation and
 * the benches. Nodes whose providerID starts with `memory://` are its machines.
 */
import type { Addresses, Features, Provider, Resource, TargetHealth } from '../contract.ts'
import type { MemoryCloud } from './cloud.ts'
import { assemble, fragmentsOf, lower } from './lower.ts'

const features: Features = {
  protocols: ['TCP', 'UDP'],
  dualStack: true,
  withoutNodePorts: false,
  sourceRanges: true,
  clientIpAffinity: true,
  requestedAddress: false,
  parameters: {
    mode: 'node-port (default; every port needs one) or passthrough, which needs none',
    'shared-document': 'name of a document this load balancer also writes into',
  },
  limits: { portsPerLoadBalancer: 100, targetsPerLoadBalancer: 5000 },
}

/** `name` lets a test run several clouds side by side. */
export function createMemoryProvider(cloud: MemoryCloud, name = 'memory'): Provider {
  return {
    name,
    features,
    ownsNode: (providerId) => providerId.startsWith(`${name}://`),
    lower,
    assemble,
    fragments: fragmentsOf,
    documents: (cluster) => cloud.documents(cluster),
    observe: (target) => cloud.observe(target),
    async *owners(cluster) {
      yield* await cloud.owners(cluster)
    },
    async execute(step) {
      if (step.verb === 'create') return cloud.create(step.resource)
      if (step.verb === 'update') return cloud.update(step.resource, step.from)
      return cloud.remove(step.resource)
    },
    addresses,
    targets,
  }
}

function addresses(observed: readonly Resource[]): Addresses {
  const balancers = observed.filter(({ kind, state }) => kind === 'load-balancer' && state === 'ready')
  const used = new Set(observed.filter(({ kind }) => kind === 'listener').flatMap(({ needs }) => needs))
  // One that drains has no listener any more.
  const ready = balancers.find(({ key }) => used.has(key)) ?? balancers[0]
  const ips = ready?.observed?.['addresses']
  if (!Array.isArray(ips))
    return { kind: 'pending', reason: 'Provisioning', message: 'the load balancer is being made' }
  return { kind: 'ready', addresses: ips.map((ip) => ({ ip: String(ip), ipMode: 'Proxy' as const })) }
}

function targets(observed: readonly Resource[]): TargetHealth[] {
  return observed
    .filter(({ kind }) => kind === 'target-group')
    .flatMap(({ mutable, state }) => {
      const listed = mutable['targets']
      if (!Array.isArray(listed)) return []
      return listed.map((target) => {
        const node = String((target as { node?: unknown }).node)
        return state === 'ready' ? { node, healthy: true } : { node, healthy: false, reason: 'not checked yet' }
      })
    })
}
