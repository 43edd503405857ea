/**
 * What the DNS server knows, by name: kept up to date change by change, so an answer is a few map look-ups.
 * A change costs the records of its one Service. Keys are lower case `namespace/name`.
 */
import type { EndpointSlice, Namespace, Service } from '../../kube/objects.ts'
import { type ServiceRecords, serviceRecords } from './service-records.ts'

const serviceNameLabel = 'kubernetes.io/service-name'

export interface RecordIndex {
  /** Cluster domain, for example `cluster.local`. */
  readonly zone: string
  hasNamespace(namespace: string): boolean
  service(namespace: string, name: string): ServiceRecords | undefined
  /** Full names for an address in its canonical spelling. */
  pointers(address: string): string[]
  /** Counts changes: the serial number of the zone. */
  readonly serial: number
}

export interface RecordIndexWriter extends RecordIndex {
  setNamespace(namespace: Namespace): void
  removeNamespace(namespace: Namespace): void
  setService(service: Service): void
  removeService(service: Service): void
  setSlice(slice: EndpointSlice): void
  removeSlice(slice: EndpointSlice): void
}

interface Entry {
  service?: Service | undefined
  records?: ServiceRecords | undefined
  readonly slices: Map<string, EndpointSlice>
}

export function createRecordIndex(clusterDomain = 'cluster.local'): RecordIndexWriter {
  const zone = clusterDomain.toLowerCase().replace(/\.$/, '')
  const namespaces = new Set<string>()
  const entries = new Map<string, Entry>()
  const ownerOfSlice = new Map<string, string>()
  const namesByAddress = new Map<string, Map<string, string[]>>()
  let serial = 1

  const entryAt = (key: string): Entry => {
    const entry = entries.get(key) ?? { slices: new Map() }
    entries.set(key, entry)
    return entry
  }

  const refresh = (key: string, entry: Entry) => {
    serial++
    for (const address of entry.records?.pointers.keys() ?? []) dropPointers(address, key)
    entry.records = entry.service === undefined ? undefined : serviceRecords(entry.service, [...entry.slices.values()])
    for (const [address, hosts] of entry.records?.pointers ?? []) {
      const byService = namesByAddress.get(address) ?? new Map<string, string[]>()
      namesByAddress.set(address, byService)
      byService.set(
        key,
        hosts.map((host) => fullName(key, host)),
      )
    }
    if (entry.service === undefined && entry.slices.size === 0) entries.delete(key)
  }
  const dropPointers = (address: string, key: string) => {
    const byService = namesByAddress.get(address)
    byService?.delete(key)
    if (byService?.size === 0) namesByAddress.delete(address)
  }
  const fullName = (key: string, host: string) => {
    const [namespace = '', name = ''] = key.split('/')
    return `${host === '' ? '' : `${host}.`}${name}.${namespace}.svc.${zone}`
  }
  const dropSlice = (sliceKey: string) => {
    const key = ownerOfSlice.get(sliceKey)
    if (key === undefined) return
    ownerOfSlice.delete(sliceKey)
    const entry = entryAt(key)
    entry.slices.delete(sliceKey)
    refresh(key, entry)
  }
  const serviceKeyOf = ({ metadata }: Service) => keyOf(metadata.namespace, metadata.name)

  return {
    zone,
    get serial() {
      return serial
    },
    hasNamespace: (namespace) => namespaces.has(namespace),
    service: (namespace, name) => entries.get(`${namespace}/${name}`)?.records,
    pointers: (address) => [...(namesByAddress.get(address)?.values() ?? [])].flat(),
    setNamespace({ metadata }) {
      serial++
      namespaces.add((metadata.name ?? '').toLowerCase())
    },
    removeNamespace({ metadata }) {
      serial++
      namespaces.delete((metadata.name ?? '').toLowerCase())
    },
    setService(service) {
      const key = serviceKeyOf(service)
      const entry = entryAt(key)
      entry.service = service
      refresh(key, entry)
    },
    removeService(service) {
      const key = serviceKeyOf(service)
      const entry = entryAt(key)
      entry.service = undefined
      refresh(key, entry)
    },
    setSlice(slice) {
      const sliceKey = keyOf(slice.metadata.namespace, slice.metadata.name)
      const name = slice.metadata.labels?.[serviceNameLabel]
      const key = name === undefined || name === '' ? undefined : keyOf(slice.metadata.namespace, name)
      if (ownerOfSlice.get(sliceKey) !== key) dropSlice(sliceKey)
      if (key === undefined) return
      ownerOfSlice.set(sliceKey, key)
      const entry = entryAt(key)
      entry.slices.set(sliceKey, slice)
      refresh(key, entry)
    },
    removeSlice(slice) {
      dropSlice(keyOf(slice.metadata.namespace, slice.metadata.name))
    },
  }
}

function keyOf(namespace: string | undefined, name: string | undefined): string {
  return `${namespace ?? ''}/${name ?? ''}`.toLowerCase()
}
