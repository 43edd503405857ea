/** Questions about a Service's spec that defaults, allocation, wiping and validation all ask. */
import type { Service } from '../../../../kube/objects.ts'

export const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges'

export function needsClusterIp(service: Service): boolean {
  return service.spec.type !== 'ExternalName'
}

/** Of a type that has node ports, whether or not they are wanted. */
export function hasNodePortType(service: Service): boolean {
  return service.spec.type === 'NodePort' || service.spec.type === 'LoadBalancer'
}

/** New node ports are to be given out. */
export function wantsNodePorts(service: Service): boolean {
  if (service.spec.type === 'NodePort') return true
  return service.spec.type === 'LoadBalancer' && service.spec.allocateLoadBalancerNodePorts !== false
}

export function needsHealthCheckPort(service: Service): boolean {
  return service.spec.type === 'LoadBalancer' && service.spec.externalTrafficPolicy === 'Local'
}

export function isExternallyAccessible(service: Service): boolean {
  const { type, externalIPs } = service.spec
  return hasNodePortType(service) || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0)
}

/** `clusterIPs: [None]`, whatever the type. */
export function isHeadless(service: Service): boolean {
  return service.spec.clusterIPs?.length === 1 && service.spec.clusterIPs[0] === 'None'
}

export function hasSelector(service: Service): boolean {
  return Object.keys(service.spec.selector ?? {}).length > 0
}

export function nodePortsOf(service: Service): number[] {
  return (service.spec.ports ?? []).flatMap((port) => (port.nodePort ? [port.nodePort] : []))
}

export function sameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  const left = a ?? []
  const right = b ?? []
  return left.length === right.length && left.every((value, i) => value === right[i])
}
