/**
 * From a Service with a selector, its Pods and Nodes to the changes of its EndpointSlices. Pure.
 * Only slices with our managed-by label are looked at; Services without selector and ExternalName Services are left alone
 * (their slices are somebody else's, or were ours before the selector went: the real controller leaves those as well).
 */
import type { Endpoint, EndpointSlice, Node, Pod, Service } from '../../../kube/objects.ts'
import {
  type AddressFamily,
  addressFamilies,
  belongsInEndpoints,
  endpointPorts,
  isHeadless,
  podEndpoint,
  type SlicePort,
} from './endpoint.ts'
import { serviceNameLabel } from '../world.ts'
import { packSlices, portsKey, type SliceChanges } from './packing.ts'

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const headlessLabel = 'service.kubernetes.io/headless'
export const sliceControllerName = 'endpointslice-controller.k8s.io'

const reservedLabels = new Set([serviceNameLabel, managedByLabel, headlessLabel])

export interface ServiceView {
  service: Service
  /** The Pods that the selector matches, in the Service's namespace. */
  pods: readonly Pod[]
  node: (name: string) => Node | undefined
  /** Slices of this Service with our managed-by label. */
  slices: readonly EndpointSlice[]
}

export function hasSelector(service: Service): boolean {
  return Object.keys(service.spec.selector ?? {}).length > 0
}

/** Whether this controller writes slices for the Service. */
export function wantsSlices(service: Service): boolean {
  return hasSelector(service) && service.spec.type !== 'ExternalName'
}

export function planServiceSlices(view: ServiceView): SliceChanges {
  const { service, slices } = view
  const changes: SliceChanges = { create: [], update: [], remove: [] }
  if (!wantsSlices(service)) return changes
  const families = addressFamilies(service)
  const usable = slices.filter(
    (slice) => families.includes(slice.addressType as AddressFamily) && isOwnedBy(slice, service),
  )
  changes.remove.push(...slices.filter((slice) => !usable.includes(slice)))
  for (const family of families) {
    const packed = packSlices(
      portGroups(view, family),
      usable.filter((slice) => slice.addressType === family),
      (ports) => blankSlice(service, family, ports),
    )
    // A Service on its way out gets no new slices: the garbage collector is removing the old ones.
    if (service.metadata.deletionTimestamp === undefined) changes.create.push(...packed.create)
    changes.update.push(...packed.update)
    changes.remove.push(...packed.remove)
  }
  return changes
}

function portGroups({ service, pods, node }: ServiceView, family: AddressFamily) {
  const groups = new Map<string, { ports: SlicePort[]; endpoints: Endpoint[] }>()
  for (const pod of pods) {
    if (!belongsInEndpoints(pod, true)) continue
    const its = pod.spec.nodeName === undefined ? undefined : node(pod.spec.nodeName)
    // A Pod whose Node is gone is about to be collected; only publishNotReadyAddresses asks for it nevertheless.
    if (its === undefined && service.spec.publishNotReadyAddresses !== true) continue
    const endpoint = podEndpoint(pod, its, service, family)
    if (endpoint === undefined) continue
    const ports = endpointPorts(service, pod)
    const key = portsKey(ports)
    const group = groups.get(key) ?? { ports, endpoints: [] }
    group.endpoints.push(endpoint)
    groups.set(key, group)
  }
  return [...groups.values()]
}

function isOwnedBy(slice: EndpointSlice, service: Service): boolean {
  return (slice.metadata.ownerReferences ?? []).some(
    (owner) => owner.uid === service.metadata.uid && owner.kind === 'Service' && owner.apiVersion === 'v1',
  )
}

function blankSlice(service: Service, family: AddressFamily, ports: SlicePort[]): EndpointSlice {
  const name = service.metadata.name ?? ''
  const labels = Object.fromEntries(
    Object.entries(service.metadata.labels ?? {}).filter(([key]) => !reservedLabels.has(key)),
  )
  if (isHeadless(service)) labels[headlessLabel] = ''
  labels[serviceNameLabel] = name
  labels[managedByLabel] = sliceControllerName
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace: service.metadata.namespace ?? '',
      labels,
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          name,
          uid: service.metadata.uid ?? '',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    addressType: family,
    ports,
    endpoints: [],
  }
}
