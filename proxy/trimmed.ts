/** What the informers keep of each object: the fields the proxy reads. Everything else would only cost memory. Pure. */
import type { EndpointSlice, Node, ObjectMeta, Service, ServicePort } from '../kube/objects.ts'
import { policyCondition } from './rules/flip.ts'

const serviceNameLabel = 'kubernetes.io/service-name'
const proxyLabels = ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless'] as const
const zoneLabel = 'topology.kubernetes.io/zone'

/** `namespace/name` of the Service a slice belongs to; undefined when it belongs to none. */
export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.[serviceNameLabel]
  return name ? [slice.metadata.namespace ?? '', name].join('/') : undefined
}

/** @param common of all objects of an informer */
export function trimService({ metadata, spec, status }: Service, common: Common = createCommon()): Service {
  const ingress = status?.loadBalancer?.ingress
  const condition = status?.conditions?.find((candidate) => candidate.type === policyCondition)
  const { clusterIP, clusterIPs, ports = [] } = spec
  return {
    metadata: trimMeta(metadata, common),
    spec: defined({
      type: common.text(spec.type),
      // With a node port a list is nobody else's.
      ports: ports.some(({ nodePort }) => nodePort) ? ports.map(servicePort) : common.value(ports.map(servicePort)),
      clusterIP: clusterIPs === undefined ? clusterIP : undefined,
      clusterIPs,
      externalTrafficPolicy: common.text(spec.externalTrafficPolicy),
      internalTrafficPolicy: unlessUsual(spec.internalTrafficPolicy, 'Cluster'),
      healthCheckNodePort: spec.healthCheckNodePort,
      sessionAffinity: unlessUsual(spec.sessionAffinity, 'None'),
      sessionAffinityConfig: spec.sessionAffinityConfig,
      externalIPs: spec.externalIPs,
      loadBalancerClass: common.text(spec.loadBalancerClass),
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

/** @param common of all objects of an informer */
export function trimSlice(
  { metadata, addressType, endpoints, ports }: EndpointSlice,
  common: Common = createCommon(),
): EndpointSlice {
  return {
    metadata: trimSliceMeta(metadata, common),
    addressType: common.text(addressType),
    endpoints: (endpoints ?? []).map(({ addresses, conditions, nodeName, hints }) => {
      const kept = addresses.slice(0, 1)
      // As a literal it takes two thirds of what it takes when it grows field by field.
      if (conditions && nodeName !== undefined && !hints) {
        return { addresses: kept, conditions: common.value(conditions), nodeName: common.text(nodeName) }
      }
      return defined({
        addresses: kept,
        conditions: conditions && common.value(conditions),
        nodeName: common.text(nodeName),
        hints: hints && common.value(hints),
      })
    }),
    ...(ports && {
      ports: common.value(ports.map(({ name, protocol, port }) => defined({ name, protocol, port }))),
    }),
  }
}

function trimMeta(metadata: ObjectMeta, common: Common): ObjectMeta {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels } = metadata
  const trimmed = { name, namespace: common.text(namespace), uid, resourceVersion, creationTimestamp } as ObjectMeta
  if (deletionTimestamp !== undefined) trimmed.deletionTimestamp = deletionTimestamp
  for (const label of proxyLabels) {
    const value = labels?.[label]
    if (value !== undefined) (trimmed.labels ??= {})[label] = value
  }
  return trimmed
}

function trimSliceMeta({ name, namespace, uid, resourceVersion, labels }: ObjectMeta, common: Common): ObjectMeta {
  const service = labels?.[serviceNameLabel]
  return {
    name,
    namespace: common.text(namespace),
    uid,
    resourceVersion,
    labels: service === undefined ? {} : { 'kubernetes.io/service-name': service },
  } as ObjectMeta
}

function servicePort({ name, protocol, port, nodePort }: ServicePort): ServicePort {
  return defined({ name, protocol, port, nodePort })
}

/** What is left out means the same as the API's default. */
function unlessUsual<T>(value: T | undefined, usual: T): T | undefined {
  return value === usual ? undefined : value
}

/** More different values than that are not common. */
const mostCommon = 10_000

/** What many objects have in common is kept once: names of namespaces and nodes, conditions, whole lists of ports. */
export interface Common {
  text<T extends string | undefined>(text: T): T
  /** Equal as JSON. */
  value<T extends object>(value: T): T
}

export function createCommon(): Common {
  const known = new Map<string, unknown>()
  const one = <T>(key: string, value: T): T => {
    const found = known.get(key)
    if (found !== undefined) return found as T
    if (known.size >= mostCommon) known.clear()
    known.set(key, value)
    return value
  }
  return {
    text: (text) => (text === undefined ? text : one(text, text)),
    value: (value) => one(JSON.stringify(value), value),
  }
}

export function trimNode(node: Node): Node {
  const { taints, podCIDR, podCIDRs = podCIDR ? [podCIDR] : [] } = node.spec ?? {}
  const { name, uid, resourceVersion, deletionTimestamp, labels } = node.metadata
  const zone = labels?.[zoneLabel]
  return {
    metadata: defined({
      name,
      uid,
      resourceVersion,
      deletionTimestamp,
      labels: zone === undefined ? undefined : { [zoneLabel]: zone },
    }),
    ...((taints || podCIDRs.length > 0) && { spec: defined({ taints, podCIDRs }) }),
    ...(node.status?.addresses && { status: { addresses: node.status.addresses } }),
  }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** Without the fields that are undefined. */
function defined<T extends object>(object: T): Defined<T> {
  const kept: Partial<T> = {}
  for (const field in object) if (object[field] !== undefined) kept[field] = object[field]
  return kept as Defined<T>
}
