/**
 * Node ports for Services that said `allocateLoadBalancerNodePorts: false`, from the pool that covers them. The API server has the last word: a
 * port it calls taken (422) is put aside and another one tried. Without a covering pool the Service stays without node ports.
 */
import { parseNodePortPool } from '../../crds/node-port-pool.ts'
import type { NodePortPool, NodePortPoolSpec } from '../../crds/node-port-pool.ts'
import { isApiError } from '../../kube/client.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Service } from '../../kube/objects.ts'
import { services } from '../../kube/resources.ts'
import type { Reason } from '../../providers/contract.ts'
import { selects } from '../label-selector.ts'
import { component } from '../words.ts'
import { candidates, filled, poolPorts, portsToFill, usedPorts } from './allocate.ts'
import type { PortRange } from './allocate.ts'

type NodePortResult =
  /** Nothing to do, or no pool covers the Service. */
  { kind: 'unchanged' } | { kind: 'written'; service: Service; pool: string } | { kind: 'refused'; reason: Reason }

export interface NodePortDeps {
  client: KubeClient
  pools: () => Iterable<NodePortPool>
  services: () => Iterable<Service>
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>>
  serverRange: PortRange
  /** Our own write, for whoever looks at the cache next. */
  learn: (service: Service) => void
}

export interface NodePorts {
  /** Fills the missing node ports of a Service of the class. Throws ApiError when the write fails for another reason than a taken port. */
  fill(service: Service, className: string, signal: AbortSignal): Promise<NodePortResult>
  /** Use of one pool. */
  use(spec: NodePortPoolSpec): { capacity: number; allocated: number }
}

/** A port that the server refuses is in use by something our cache does not show yet; more tries than this are for the next pass. */
const tries = 8

export function createNodePorts(deps: NodePortDeps): NodePorts {
  const { client, pools, services: all, namespaceLabels, serverRange, learn } = deps
  /** Chosen, and not yet to be seen in the cache. */
  const reserved = new Set<number>()

  function covering(service: Service, className: string): { name: string; spec: NodePortPoolSpec } | undefined {
    const labels = namespaceLabels(service.metadata.namespace ?? '')
    const byName = [...pools()].toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
    for (const pool of byName) {
      const parsed = parseNodePortPool(pool)
      if (!parsed.ok || pool.metadata.deletionTimestamp !== undefined) continue
      const { classes, namespaceSelector } = parsed.value
      if (classes !== undefined && !classes.includes(className)) continue
      if (selects(namespaceSelector, labels)) return { name: pool.metadata.name ?? '', spec: parsed.value }
    }
    return undefined
  }

  return {
    async fill(service, className, signal) {
      const ports = service.spec.ports ?? []
      const complete = ports.every(({ nodePort }) => nodePort)
      if (service.spec.allocateLoadBalancerNodePorts !== false || complete) return { kind: 'unchanged' }
      const missing = portsToFill(ports)
      const pool = covering(service, className)
      if (pool === undefined) return { kind: 'unchanged' }
      const refused = new Set<number>()
      for (let attempt = 1; attempt <= tries; attempt++) {
        const taken = new Set([...usedPorts(all()), ...reserved, ...refused])
        const chosen = candidates(pool.spec, taken, serverRange, service.metadata.uid ?? '').slice(0, missing)
        if (chosen.length < missing) return exhausted(pool, missing, usedPorts(all()))
        for (const port of chosen) reserved.add(port)
        try {
          const written = await write(client, service, filled(ports, chosen), signal)
          learn(written)
          return { kind: 'written', service: written, pool: pool.name }
        } catch (error) {
          const taken = takenPorts(error, filled(ports, chosen))
          if (taken.length === 0) throw error
          for (const port of taken) refused.add(port)
        } finally {
          for (const port of chosen) reserved.delete(port)
        }
      }
      const message = `the API server called ${refused.size} ports of NodePortPool ${pool.name} taken: ${[...refused].join(', ')}; the operator tries others`
      return { kind: 'refused', reason: { reason: 'NodePortTaken', message } }
    },
    use(spec) {
      const ports = poolPorts(spec)
      return { capacity: ports.size, allocated: countIn(ports, usedPorts(all())) }
    },
  }
}

function countIn(ports: ReadonlySet<number>, used: ReadonlySet<number>): number {
  return [...ports].filter((port) => used.has(port)).length
}

function write(client: KubeClient, service: Service, ports: unknown, signal: AbortSignal): Promise<Service> {
  const { namespace = '', name = '', resourceVersion } = service.metadata
  const body = { metadata: { resourceVersion }, spec: { ports } }
  return client.patch(services, { namespace, name }, { type: 'merge', body }, { fieldManager: component }, signal)
}

function exhausted(
  pool: { name: string; spec: NodePortPoolSpec },
  missing: number,
  used: ReadonlySet<number>,
): NodePortResult {
  const ports = poolPorts(pool.spec)
  const allocated = countIn(ports, used)
  const message = `NodePortPool ${pool.name} has ${allocated} of ${ports.size} ports in use and the Service needs ${missing}; add a range to the pool or delete Services that use it`
  return { kind: 'refused', reason: { reason: 'NodePortPoolExhausted', message } }
}

/** The node ports that a 422 names: `spec.ports[1].nodePort`. */
function takenPorts(error: unknown, ports: readonly { nodePort?: number }[]): number[] {
  if (!isApiError(error, 422)) return []
  return (error.status?.details?.causes ?? []).flatMap(({ field }) => {
    const index = /^spec\.ports\[(\d+)\]\.nodePort$/.exec(field ?? '')?.[1]
    const port = index === undefined ? undefined : ports[Number(index)]?.nodePort
    return port === undefined ? [] : [port]
  })
}
