/**
 * The Endpoints object of a Service with a selector, as the endpoints controller of kube-controller-manager writes it
 * (pkg/controller/endpoint, RepackSubsets): the primary family only, at most 1,000 addresses, subsets by port set. Pure.
 */
import type { EndpointAddress, Endpoints, Pod, Service } from '../../../kube/objects.ts'
import {
  addressFamilies,
  belongsInEndpoints,
  endpointPorts,
  familyOf,
  isHeadless,
  isPodReady,
  podAddresses,
  podReference,
  publishesHostname,
  type SlicePort,
} from '../endpoint-slices/endpoint.ts'
import { portsKey } from '../endpoint-slices/packing.ts'
import { headlessLabel } from '../endpoint-slices/service-slices.ts'
import { sameJson } from '../same-json.ts'

export const endpointsManagedByLabel = 'endpoints.kubernetes.io/managed-by'
export const endpointsControllerName = 'endpoint-controller'
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
const maxAddresses = 1000

type Subset = NonNullable<Endpoints['subsets']>[number]
type SubsetPort = NonNullable<Subset['ports']>[number]

/** What has to be written, or undefined when `existing` says it already. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  existing: Endpoints | undefined,
): Endpoints | undefined {
  const { subsets, truncated } = capped(subsetsOf(service, pods))
  const labels: Record<string, string> = { ...service.metadata.labels }
  labels[endpointsManagedByLabel] = endpointsControllerName
  if (isHeadless(service)) labels[headlessLabel] = ''
  else delete labels[headlessLabel]
  const annotations: Record<string, string> = { ...existing?.metadata.annotations }
  if (truncated) annotations[overCapacityAnnotation] = 'truncated'
  else delete annotations[overCapacityAnnotation]
  const wanted: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...existing?.metadata,
      name: service.metadata.name ?? '',
      namespace: service.metadata.namespace ?? '',
      labels,
    },
    ...(subsets.length === 0 ? {} : { subsets }),
  }
  if (Object.keys(annotations).length > 0) wanted.metadata.annotations = annotations
  else delete wanted.metadata.annotations
  return existing !== undefined && sameContent(existing, wanted) ? undefined : wanted
}

function sameContent(a: Endpoints, b: Endpoints): boolean {
  return (
    sameJson(a.metadata.labels ?? {}, b.metadata.labels ?? {}) &&
    sameJson(a.metadata.annotations ?? {}, b.metadata.annotations ?? {}) &&
    sameJson(a.subsets ?? [], b.subsets ?? [])
  )
}

function subsetsOf(service: Service, pods: readonly Pod[]): Subset[] {
  const family = addressFamilies(service)[0] ?? 'IPv4'
  const publishAll = service.spec.publishNotReadyAddresses === true
  const groups = new Map<string, { ports: SlicePort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>()
  for (const pod of pods) {
    if (!belongsInEndpoints(pod, publishAll)) continue
    const ip = podAddresses(pod).find((address) => familyOf(address) === family)
    if (ip === undefined) continue
    const ports = endpointPorts(service, pod)
    if (ports.length === 0 && !isHeadless(service)) continue
    const key = portsKey(ports)
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] }
    const list = publishAll || isPodReady(pod) ? group.ready : group.notReady
    list.push(addressOf(pod, service, ip))
    groups.set(key, group)
  }
  return [...groups.keys()].sort().flatMap((key) => {
    const group = groups.get(key)
    return group === undefined ? [] : [subset(group.ports, group.ready, group.notReady)]
  })
}

function addressOf(pod: Pod, service: Service, ip: string): EndpointAddress {
  const address: EndpointAddress = { ip, targetRef: podReference(pod) }
  if (pod.spec.nodeName) address.nodeName = pod.spec.nodeName
  if (publishesHostname(pod, service) && pod.spec.hostname) address.hostname = pod.spec.hostname
  return address
}

function subset(ports: readonly SlicePort[], ready: EndpointAddress[], notReady: EndpointAddress[]): Subset {
  const result: Subset = {}
  if (ready.length > 0) result.addresses = ready.sort(byAddress)
  if (notReady.length > 0) result.notReadyAddresses = notReady.sort(byAddress)
  if (ports.length > 0) result.ports = ports.map(subsetPort).sort((a, b) => (a.name ?? '').localeCompare(b.name ?? ''))
  return result
}

function subsetPort({ name, protocol, port, appProtocol }: SlicePort): SubsetPort {
  const result: SubsetPort = { port: port ?? 0, protocol: protocol ?? 'TCP' }
  if (name) result.name = name
  if (appProtocol !== undefined) result.appProtocol = appProtocol
  return result
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  const left = `${a.ip} ${a.targetRef?.uid ?? ''}`
  const right = `${b.ip} ${b.targetRef?.uid ?? ''}`
  return left < right ? -1 : left > right ? 1 : 0
}

/** Ready addresses are kept before the others. */
function capped(subsets: readonly Subset[]): { subsets: Subset[]; truncated: boolean } {
  const count = (key: 'addresses' | 'notReadyAddresses') =>
    subsets.reduce((sum, one) => sum + (one[key]?.length ?? 0), 0)
  if (count('addresses') + count('notReadyAddresses') <= maxAddresses)
    return { subsets: [...subsets], truncated: false }
  let room = maxAddresses
  const take = (list: EndpointAddress[] = []) => {
    const taken = list.slice(0, room)
    room -= taken.length
    return taken
  }
  const ready = subsets.map((one) => take(one.addresses))
  const notReady = subsets.map((one) => take(one.notReadyAddresses))
  const kept = subsets.map((one, index) => subset(one.ports ?? [], ready[index] ?? [], notReady[index] ?? []))
  return {
    subsets: kept.filter((one) => one.addresses !== undefined || one.notReadyAddresses !== undefined),
    truncated: true,
  }
}
