/**
 * The records of one Service, computed when the Service or one of its EndpointSlices changes. Pure.
 * A headless Service without a ready endpoint has no name at all (NXDOMAIN, specification 2.4.1).
 */
import type { EndpointSlice, Service } from '../../kube/objects.ts'
import { canonicalAddress, dashed, recordTypeOf } from './names.ts'

interface ServiceTarget {
  port: number
  /** A host label of this Service, or '' for the Service's own name. */
  host: string
}

/** The A and AAAA addresses of one name. */
export interface HostRecords {
  A: string[]
  AAAA: string[]
}

export interface ServiceRecords {
  /** The Service's own name; undefined when it does not exist in DNS. */
  own: HostRecords | undefined
  /** ExternalName: everything asked of the own name is answered with this CNAME. */
  cname?: string
  /** Endpoints by host label: hostname or dashed address. */
  hosts: ReadonlyMap<string, HostRecords>
  /** `_port._proto` -> where it is. */
  targets: ReadonlyMap<string, ServiceTarget[]>
  /** Address -> host labels ('' for the Service's own name) that PTR answers give. */
  pointers: ReadonlyMap<string, string[]>
}

export function serviceRecords(service: Service, slices: readonly EndpointSlice[]): ServiceRecords {
  const { type, externalName, clusterIP } = service.spec
  if (type === 'ExternalName') {
    const nothing = { hosts: new Map(), targets: new Map(), pointers: new Map() }
    return { own: undefined, cname: (externalName ?? '').toLowerCase().replace(/\.$/, ''), ...nothing }
  }
  if (clusterIP === undefined || clusterIP === '') return { own: undefined, ...endpointRecords([]) }
  return clusterIP === 'None' ? headlessRecords(slices) : clusterIpRecords(service, slices)
}

function clusterIpRecords(service: Service, slices: readonly EndpointSlice[]): ServiceRecords {
  const own: HostRecords = { A: [], AAAA: [] }
  const pointers = new Map<string, string[]>()
  for (const ip of service.spec.clusterIPs ?? [service.spec.clusterIP ?? '']) {
    const address = canonicalAddress(ip)
    if (address === undefined) continue
    own[recordTypeOf(address)].push(address)
    pointers.set(address, [''])
  }
  const targets = new Map<string, ServiceTarget[]>()
  for (const { name, protocol, port } of service.spec.ports ?? []) {
    if (name) targets.set(serviceLabel(name, protocol), [{ port, host: '' }])
  }
  return { own, hosts: endpointRecords(slices).hosts, targets, pointers }
}

function headlessRecords(slices: readonly EndpointSlice[]): ServiceRecords {
  const records = endpointRecords(slices)
  if (records.hosts.size === 0) return { own: undefined, ...records }
  const hosts = [...records.hosts.values()]
  const own = { A: unique(hosts.flatMap((host) => host.A)), AAAA: unique(hosts.flatMap((host) => host.AAAA)) }
  return { own, ...records }
}

function endpointRecords(slices: readonly EndpointSlice[]): Pick<ServiceRecords, 'hosts' | 'targets' | 'pointers'> {
  const hosts = new Map<string, HostRecords>()
  const targets = new Map<string, ServiceTarget[]>()
  const pointers = new Map<string, string[]>()
  for (const { host, address, ports } of readyAddresses(slices)) {
    const records = hosts.get(host) ?? { A: [], AAAA: [] }
    hosts.set(host, records)
    pushNew(records[recordTypeOf(address)], address)
    pointers.set(address, unique([...(pointers.get(address) ?? []), host]))
    for (const { name, protocol, port } of ports) {
      if (!name || port === undefined) continue
      const label = serviceLabel(name, protocol)
      const list = targets.get(label) ?? []
      targets.set(label, list)
      if (!list.some((target) => target.host === host && target.port === port)) list.push({ port, host })
    }
  }
  return { hosts, targets, pointers }
}

/** `ready` left out counts as ready (discovery.k8s.io/v1: nil should be interpreted as true). */
function* readyAddresses(slices: readonly EndpointSlice[]) {
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue
    for (const { addresses, conditions, hostname } of slice.endpoints ?? []) {
      if (conditions?.ready === false) continue
      for (const text of addresses) {
        const address = canonicalAddress(text)
        if (address === undefined) continue
        yield { host: hostname ? hostname.toLowerCase() : dashed(address), address, ports: slice.ports ?? [] }
      }
    }
  }
}

function serviceLabel(port: string, protocol: string | undefined): string {
  return `_${port}._${protocol ?? 'TCP'}`.toLowerCase()
}

function pushNew(list: string[], value: string): void {
  if (!list.includes(value)) list.push(value)
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}
