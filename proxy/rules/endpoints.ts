/**
 * Which endpoints of a Service port may get traffic, from its EndpointSlices. Pure.
 * Rules: ready ones first; when none in scope is ready, those that still serve while terminating (KEP-1669), separately for
 * "anywhere" and "on this node". Topology hints (KEP-2433, KEP-3015) narrow "anywhere" only, and only when every ready endpoint has one.
 */
import type { EndpointSlice, Protocol } from '../../kube/objects.ts'
import { type Family, parseAddress } from './addresses.ts'

export interface ServiceEndpoint {
  ip: string
  /** `ip . port`, as nft writes it. */
  target: string
  ready: boolean
  serving: boolean
  terminating: boolean
  local: boolean
  zones: readonly string[]
  nodes: readonly string[]
}

export interface Place {
  nodeName: string
  zone: string | undefined
}

export interface Reachable {
  /** Targets for policy Cluster. */
  cluster: string[]
  /** Targets for policy Local. */
  local: string[]
  /** Addresses of `local` ones and of this node's others that are reachable: they may connect to themselves through the Service. */
  localIps: string[]
  /** Whether anything anywhere could answer. */
  any: boolean
}

/** Endpoints of one port (by name and protocol, like EndpointSlices are joined with Services) in one family, each target once. */
export function portEndpoints(
  slices: readonly EndpointSlice[],
  port: { name: string; protocol: Protocol },
  family: Family,
  place: Place,
): ServiceEndpoint[] {
  const found = new Map<string, ServiceEndpoint>()
  for (const slice of slices) {
    if (slice.addressType !== addressTypes[family]) continue
    const match = slice.ports?.find(
      (candidate) => (candidate.name ?? '') === port.name && (candidate.protocol ?? 'TCP') === port.protocol,
    )
    if (match?.port === undefined) continue
    for (const { addresses, conditions, nodeName, hints } of slice.endpoints) {
      // Consumers use the first address only (discovery.k8s.io/v1).
      const address = parseAddress(addresses[0] ?? '')
      if (address === undefined || address.family !== family) continue
      const ready = conditions?.ready ?? true
      const endpoint: ServiceEndpoint = {
        ip: address.text,
        // Kept for long: see elementId.
        target: [address.text, match.port].join(' . '),
        ready,
        serving: conditions?.serving ?? ready,
        terminating: conditions?.terminating ?? false,
        local: nodeName === place.nodeName,
        zones: hints?.forZones?.map((zone) => zone.name) ?? [],
        nodes: hints?.forNodes?.map((node) => node.name) ?? [],
      }
      // While the controller moves an endpoint between slices it stands in both: the better state counts.
      const other = found.get(endpoint.target)
      if (other === undefined || rank(endpoint) > rank(other)) found.set(endpoint.target, endpoint)
    }
  }
  return [...found.values()]
}

export function reachable(endpoints: readonly ServiceEndpoint[], place: Place): Reachable {
  const ready = endpoints.filter((endpoint) => endpoint.ready)
  const leaving = endpoints.filter((endpoint) => !endpoint.ready && endpoint.serving && endpoint.terminating)
  const cluster = ready.length > 0 ? near(ready, place) : leaving
  const localReady = ready.filter((endpoint) => endpoint.local)
  const local = localReady.length > 0 ? localReady : leaving.filter((endpoint) => endpoint.local)
  const targetsOf = (list: readonly ServiceEndpoint[]) => list.map((endpoint) => endpoint.target)
  const localIps = [...cluster, ...local].filter((endpoint) => endpoint.local).map((endpoint) => endpoint.ip)
  return {
    cluster: targetsOf(cluster),
    local: targetsOf(local),
    localIps: [...new Set(localIps)],
    any: ready.length > 0 || leaving.length > 0,
  }
}

/**
 * Distinct addresses of ready endpoints on this node: what a health check node port counts. Terminating ones do not count.
 * One family, the Service's first one, so that a Pod with two addresses counts once.
 */
export function localReadyCount(slices: readonly EndpointSlice[], nodeName: string, family: Family): number {
  const ips = new Set<string>()
  for (const slice of slices) {
    if (slice.addressType !== addressTypes[family]) continue
    for (const { addresses, conditions, nodeName: on } of slice.endpoints) {
      if (on === nodeName && (conditions?.ready ?? true) && addresses[0] !== undefined) ips.add(addresses[0])
    }
  }
  return ips.size
}

const addressTypes = { ip: 'IPv4', ip6: 'IPv6' } as const

function rank(endpoint: ServiceEndpoint): number {
  return (endpoint.ready ? 4 : 0) + (endpoint.serving ? 2 : 0) + (endpoint.local ? 1 : 0)
}

function near(ready: readonly ServiceEndpoint[], place: Place): readonly ServiceEndpoint[] {
  const onNode = (endpoint: ServiceEndpoint) => endpoint.nodes.includes(place.nodeName)
  if (ready.every((endpoint) => endpoint.nodes.length > 0) && ready.some(onNode)) return ready.filter(onNode)
  const { zone } = place
  if (zone === undefined) return ready
  const inZone = (endpoint: ServiceEndpoint) => endpoint.zones.includes(zone)
  if (ready.every((endpoint) => endpoint.zones.length > 0) && ready.some(inZone)) return ready.filter(inZone)
  return ready
}
