/**
 * One Pod behind one Service as an EndpointSlice endpoint: addresses by family, conditions, ports, hostname, hints.
 * The rules are those of k8s.io/endpointslice (utils.go, trafficdist.go); nothing here reads time or the network.
 */
import type { Endpoint, EndpointSlice, Node, Pod, Service, ServicePort } from '../../../kube/objects.ts'

export type AddressFamily = 'IPv4' | 'IPv6'
export type SlicePort = NonNullable<EndpointSlice['ports']>[number]

export const zoneLabel = 'topology.kubernetes.io/zone'

export function isHeadless(service: Service): boolean {
  const ip = service.spec.clusterIP
  return ip === undefined || ip === '' || ip === 'None'
}

/** The families a Service publishes; headless Services of old writers without ipFamilies publish both. */
export function addressFamilies(service: Service): AddressFamily[] {
  const families = service.spec.ipFamilies ?? []
  if (families.length > 0) return [...families]
  if (!isHeadless(service)) return [familyOf(service.spec.clusterIP ?? '')]
  return ['IPv4', 'IPv6']
}

export function familyOf(address: string): AddressFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}

export function isPodReady(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some((condition) => condition.type === 'Ready' && condition.status === 'True')
}

/** Finished Pods and Pods without an address are in nobody's endpoints. */
export function belongsInEndpoints(pod: Pod, includeTerminating: boolean): boolean {
  const phase = pod.status?.phase
  if (phase === 'Failed' || phase === 'Succeeded') return false
  if (podAddresses(pod).length === 0) return false
  return includeTerminating || pod.metadata.deletionTimestamp === undefined
}

export function podAddresses(pod: Pod): string[] {
  const ips = pod.status?.podIPs ?? []
  if (ips.length > 0) return ips.map(({ ip }) => ip)
  const ip = pod.status?.podIP
  return ip === undefined || ip === '' ? [] : [ip]
}

/** The Pod's addresses of one family as an endpoint, or undefined when it has none of that family. */
export function podEndpoint(
  pod: Pod,
  node: Node | undefined,
  service: Service,
  family: AddressFamily,
): Endpoint | undefined {
  const addresses = podAddresses(pod).filter((address) => familyOf(address) === family)
  if (addresses.length === 0) return undefined
  const serving = isPodReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating)
  const endpoint: Endpoint = {
    addresses,
    conditions: { ready, serving, terminating },
    targetRef: podReference(pod),
  }
  if (pod.spec.nodeName) endpoint.nodeName = pod.spec.nodeName
  const zone = node?.metadata.labels?.[zoneLabel]
  if (zone) endpoint.zone = zone
  if (publishesHostname(pod, service) && pod.spec.hostname) endpoint.hostname = pod.spec.hostname
  return withHints(endpoint, service.spec.trafficDistribution)
}

export function podReference(pod: Pod): NonNullable<Endpoint['targetRef']> {
  return {
    kind: 'Pod',
    namespace: pod.metadata.namespace ?? '',
    name: pod.metadata.name ?? '',
    uid: pod.metadata.uid ?? '',
  }
}

/** Pods with hostname and subdomain get a name of their own under the Service named like the subdomain. */
export function publishesHostname(pod: Pod, service: Service): boolean {
  return (
    (pod.spec.hostname ?? '') !== '' &&
    pod.spec.subdomain === service.metadata.name &&
    pod.metadata.namespace === service.metadata.namespace
  )
}

/** KEP-4444 and KEP-3015: ready endpoints are hinted to their own zone, with PreferSameNode to their node as well. */
export function withHints(endpoint: Endpoint, distribution: string | undefined): Endpoint {
  const close = distribution === 'PreferClose' || distribution === 'PreferSameZone' || distribution === 'PreferSameNode'
  if (!close || endpoint.conditions?.ready !== true) return endpoint
  const hints: NonNullable<Endpoint['hints']> = {}
  if (endpoint.zone !== undefined) hints.forZones = [{ name: endpoint.zone }]
  if (distribution === 'PreferSameNode' && endpoint.nodeName !== undefined) {
    hints.forNodes = [{ name: endpoint.nodeName }]
  }
  return hints.forZones === undefined && hints.forNodes === undefined ? endpoint : { ...endpoint, hints }
}

/** The Service's ports as numbers in this Pod; a named target port that the Pod lacks is left out. */
export function endpointPorts(service: Service, pod: Pod): SlicePort[] {
  const ports: SlicePort[] = []
  for (const servicePort of service.spec.ports ?? []) {
    const port = targetPort(pod, servicePort)
    if (port === undefined) continue
    const found: SlicePort = { name: servicePort.name ?? '', protocol: servicePort.protocol ?? 'TCP', port }
    if (servicePort.appProtocol !== undefined) found.appProtocol = servicePort.appProtocol
    ports.push(found)
  }
  return ports
}

function targetPort(pod: Pod, { targetPort, port, protocol }: ServicePort): number | undefined {
  if (typeof targetPort !== 'string') return targetPort === undefined || targetPort === 0 ? port : targetPort
  for (const container of pod.spec.containers) {
    const named = container.ports?.find(
      (candidate) => candidate.name === targetPort && (candidate.protocol ?? 'TCP') === (protocol ?? 'TCP'),
    )
    if (named !== undefined) return named.containerPort
  }
  return undefined
}
