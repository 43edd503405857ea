/**
 * Hand-written Endpoints of a Service without selector as EndpointSlices, so that consumers of slices see them.
 * As pkg/controller/endpointslicemirroring: labels and annotations are copied, up to 1,000 addresses of a subset,
 * `endpointslice.kubernetes.io/skip-mirror: "true"` and leader election records are not mirrored. Pure.
 */
import type { EndpointAddress, Endpoint, Endpoints, EndpointSlice, Service } from '../../../kube/objects.ts'
import { type AddressFamily, familyOf, type SlicePort } from '../endpoint-slices/endpoint.ts'
import { packSlices, type PortGroup, type SliceChanges } from '../endpoint-slices/packing.ts'
import { hasSelector, managedByLabel } from '../endpoint-slices/service-slices.ts'
import { serviceNameLabel } from '../world.ts'

export const mirroringControllerName = 'endpointslicemirroring-controller.k8s.io'
const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
const notCopied = new Set([
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
])
const maxAddressesPerSubset = 1000

/** `slices` are those of the Service that carry the mirroring label. */
export function planMirror(
  service: Service | undefined,
  endpoints: Endpoints | undefined,
  slices: readonly EndpointSlice[],
): SliceChanges {
  if (service === undefined || endpoints === undefined || hasSelector(service) || !isMirrored(endpoints)) {
    return { create: [], update: [], remove: [...slices] }
  }
  const changes: SliceChanges = { create: [], update: [], remove: [] }
  for (const family of ['IPv4', 'IPv6'] as const) {
    const packed = packSlices(
      portGroups(endpoints, family),
      slices.filter((slice) => slice.addressType === family),
      (ports) => blankSlice(endpoints, family, ports),
      { limit: maxAddressesPerSubset, keepOne: false },
    )
    if (endpoints.metadata.deletionTimestamp === undefined) changes.create.push(...packed.create)
    changes.update.push(...packed.update)
    changes.remove.push(...packed.remove)
  }
  changes.remove.push(...slices.filter(({ addressType }) => addressType !== 'IPv4' && addressType !== 'IPv6'))
  return changes
}

/** Old leader elections kept their record in an annotation of an Endpoints object. */
export function isElectionRecord({ metadata }: Endpoints): boolean {
  return metadata.annotations?.[leaderAnnotation] !== undefined
}

function isMirrored(endpoints: Endpoints): boolean {
  return endpoints.metadata.labels?.[skipMirrorLabel] !== 'true' && !isElectionRecord(endpoints)
}

function portGroups(endpoints: Endpoints, family: AddressFamily): PortGroup[] {
  return (endpoints.subsets ?? []).map(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const all = [
      ...addresses.map((address) => endpointOf(address, true)),
      ...notReadyAddresses.map((address) => endpointOf(address, false)),
    ].slice(0, maxAddressesPerSubset)
    return {
      ports: ports.map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' })),
      endpoints: all.filter((endpoint) => familyOf(endpoint.addresses[0] ?? '') === family),
    }
  })
}

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  const endpoint: Endpoint = { addresses: [ip], conditions: { ready } }
  if (hostname) endpoint.hostname = hostname
  if (nodeName) endpoint.nodeName = nodeName
  if (targetRef !== undefined) endpoint.targetRef = targetRef
  return endpoint
}

function blankSlice(endpoints: Endpoints, family: AddressFamily, ports: SlicePort[]): EndpointSlice {
  const { name = '', namespace = '', uid = '', labels, annotations } = endpoints.metadata
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: mirroringControllerName },
      annotations: Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => !notCopied.has(key))),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Endpoints', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    addressType: family,
    ports,
    endpoints: [],
  }
}
