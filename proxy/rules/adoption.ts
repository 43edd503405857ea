/**
 * What a previous process has left in the kernel, as far as the next one goes on with it: places of endpoints, ids of sessions, health check
 * node ports held open. Pure.
 */
import type { Service, TrafficPolicy } from '../../kube/objects.ts'
import { type ElementSet, elementId, partsOf } from './elements.ts'
import { type Frontend, frontends } from './frontends.ts'
import { type NodeFacts, type Pools, poolName, scopeOf, sessionName } from './rules.ts'

/** Health check node ports that were held open, by ClusterIP. */
export function healthPortsIn(elements: ElementSet): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const [id, address] of elements) {
    const { map, key } = partsOf(id)
    if (map === 'health-ports') found.set(address, [...(found.get(address) ?? []), Number(key)])
  }
  return found
}

/** Ids of all sessions. */
export function sessionIdsIn(elements: ElementSet): Set<string> {
  return new Set([...elements.keys()].map(partsOf).flatMap(({ map, key }) => (map === 'learn' ? [key] : [])))
}

/** The sessions of a Service that had an id: name to id. */
export function adoptedSessions(
  service: Service,
  externalPolicy: TrafficPolicy,
  node: NodeFacts,
  adopted: ElementSet,
): Map<string, string> {
  const found = new Map<string, string>()
  for (const [port, front] of portsAndFronts(service, node, adopted)) {
    const id = adopted.get(elementId(front.family, 'session', front.key))
    if (id !== undefined) found.set(sessionName(service, port, scopeOf(front, { service, externalPolicy })), id)
  }
  return found
}

export function adoptedPools(service: Service, node: NodeFacts, adopted: ElementSet): Pools {
  const pools = new Map<string, string[]>()
  for (const [port, front] of portsAndFronts(service, node, adopted)) {
    for (const [scope, map] of poolMaps(service, front)) {
      const name = poolName(front.family, port, scope)
      if (pools.has(name)) continue
      const slots: string[] = []
      for (let slot = 0; ; slot++) {
        const target = adopted.get(elementId(front.family, map, `${front.key} . ${slot}`))
        if (target === undefined) break
        slots.push(target)
      }
      if (slots.length > 0) pools.set(name, slots)
    }
  }
  return pools
}

function portsAndFronts(service: Service, node: NodeFacts, adopted: ElementSet) {
  if (adopted.size === 0) return []
  return (service.spec.ports ?? []).flatMap((port) => {
    const named = { name: port.name ?? '', protocol: port.protocol ?? 'TCP' }
    return frontends(service, port, node).map((front) => [named, front] as const)
  })
}

/** Which pool stands in which map under a frontend; the counterpart of `aim` in rules.ts. */
function poolMaps(service: Service, front: Frontend): (readonly ['cluster' | 'local', 'ep' | 'ep-local'])[] {
  if (front.kind !== 'cluster-ip') {
    return [
      ['cluster', 'ep'],
      ['local', 'ep-local'],
    ]
  }
  return [[service.spec.internalTrafficPolicy === 'Local' ? 'local' : 'cluster', 'ep']]
}
