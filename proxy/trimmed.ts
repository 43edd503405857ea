/** What the informers keep of each object: the fields the proxy reads. Everything else would only cost memory. Pure. */
import type { EndpointSlice, Node, ObjectMeta, Service } from '../kube/objects.ts'
import { policyCondition } from './flip.ts'

const serviceNameLabel = 'kubernetes.io/service-name'

/** `namespace/name` of the Service a slice belongs to; undefined when it belongs to none. */
export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name ? `${slice.metadata.namespace ?? ''}/${name}` : undefined
}

export function trimService(service: Service): Service {
  const { spec, status } = service
  const ingress = status?.loadBalancer?.ingress
  const condition = status?.conditions?.find((candidate) => candidate.type === policyCondition)
  return {
    metadata: trimMeta(service.metadata, isProxyLabel),
    spec: defined({
      type: spec.type,
      ports: (spec.ports ?? []).map(({ name, protocol, port, nodePort }) =>
        defined({ name, protocol, port, nodePort }),
      ),
      clusterIP: spec.clusterIP,
      clusterIPs: spec.clusterIPs,
      externalTrafficPolicy: spec.externalTrafficPolicy,
      internalTrafficPolicy: spec.internalTrafficPolicy,
      healthCheckNodePort: spec.healthCheckNodePort,
      sessionAffinity: spec.sessionAffinity,
      sessionAffinityConfig: spec.sessionAffinityConfig,
      externalIPs: spec.externalIPs,
      loadBalancerClass: spec.loadBalancerClass,
      loadBalancerSourceRanges: spec.loadBalancerSourceRanges,
    }),
    ...((ingress || condition) && {
      status: defined({
        loadBalancer: ingress && { ingress: ingress.map(({ ip, ipMode }) => defined({ ip, ipMode })) },
        conditions: condition && [condition],
      }),
    }),
  }
}

export function trimSlice(slice: EndpointSlice): EndpointSlice {
  return {
    metadata: trimMeta(slice.metadata, (label) => label === serviceNameLabel || isProxyLabel(label)),
    addressType: slice.addressType,
    endpoints: (slice.endpoints ?? []).map(({ addresses, conditions, nodeName, hints }) =>
      defined({ addresses: addresses.slice(0, 1), conditions, nodeName, hints }),
    ),
    ...(slice.ports && { ports: slice.ports.map(({ name, protocol, port }) => defined({ name, protocol, port })) }),
  }
}

export function trimNode(node: Node): Node {
  const { taints, podCIDR, podCIDRs = podCIDR ? [podCIDR] : [] } = node.spec ?? {}
  return {
    metadata: trimMeta(node.metadata, (label) => label === 'topology.kubernetes.io/zone'),
    ...((taints || podCIDRs.length > 0) && { spec: defined({ taints, podCIDRs }) }),
    ...(node.status?.addresses && { status: { addresses: node.status.addresses } }),
  }
}

function isProxyLabel(label: string): boolean {
  return label === 'service.kubernetes.io/service-proxy-name' || label === 'service.kubernetes.io/headless'
}

function trimMeta(metadata: ObjectMeta, keepLabel: (label: string) => boolean): ObjectMeta {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels } = metadata
  const kept = Object.entries(labels ?? {}).filter(([label]) => keepLabel(label))
  return defined({
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    deletionTimestamp,
    labels: kept.length > 0 ? Object.fromEntries(kept) : undefined,
  })
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** Without the fields that are undefined. */
function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
}
