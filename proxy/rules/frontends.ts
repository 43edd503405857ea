/**
 * Which addresses and ports of a Service this node answers for. Pure.
 * ClusterIPs, node ports on the node's addresses, load balancer addresses whose ipMode is VIP or unset (KEP-1860), and externalIPs where
 * the administrator allows them (CVE-2020-8554: whoever may write a Service can catch any address with them).
 */
import type { Service, ServicePort } from '../../kube/objects.ts'
import { type Address, type Family, parseAddress } from './addresses.ts'

export interface Frontend {
  kind: 'cluster-ip' | 'node-port' | 'load-balancer' | 'external-ip'
  family: Family
  address: string
  /** `address . protocol . port`, as nft writes it. */
  key: string
}

/** Services this proxy is responsible for. The labels and rules are kube-proxy's. */
export function isProxied(service: Service): boolean {
  const labels = service.metadata.labels ?? {}
  return (
    !('service.kubernetes.io/service-proxy-name' in labels) &&
    !('service.kubernetes.io/headless' in labels) &&
    service.spec.type !== 'ExternalName' &&
    clusterIps(service).length > 0
  )
}

/** Its ClusterIPs; none for a headless Service. */
export function clusterIps(service: Service): Address[] {
  const { clusterIPs, clusterIP } = service.spec
  const texts = clusterIPs !== undefined && clusterIPs.length > 0 ? clusterIPs : [clusterIP ?? '']
  return addressesOf(texts)
}

/** Addresses where a load balancer sends packets on with the address unchanged, so that the node has to catch them. */
function capturedIngress(service: Service): Address[] {
  if (service.spec.type !== 'LoadBalancer') return []
  const ingress = service.status?.loadBalancer?.ingress ?? []
  return addressesOf(ingress.flatMap((entry) => (entry.ipMode === 'Proxy' ? [] : (entry.ip ?? []))))
}

/** What of this node decides where Services are answered. */
export interface Answering {
  /** Where node ports are answered. */
  nodePortAddresses: readonly Address[]
  externalIps: boolean
}

/** An address that is a load balancer's and an externalIP as well is the load balancer's: its source ranges hold. */
export function frontends(service: Service, port: ServicePort, answering: Answering): Frontend[] {
  const at = (kind: Frontend['kind'], addresses: readonly Address[], number: number): Frontend[] =>
    addresses.map(({ family, text }) => ({
      kind,
      family,
      address: text,
      // Kept for long: see elementId.
      key: [text, (port.protocol ?? 'TCP').toLowerCase(), number].join(' . '),
    }))
  const hasNodePort = service.spec.type === 'NodePort' || service.spec.type === 'LoadBalancer'
  const all = [
    ...at('cluster-ip', clusterIps(service), port.port),
    ...at('load-balancer', capturedIngress(service), port.port),
    ...(answering.externalIps ? at('external-ip', addressesOf(service.spec.externalIPs ?? []), port.port) : []),
    ...(hasNodePort && port.nodePort ? at('node-port', answering.nodePortAddresses, port.nodePort) : []),
  ]
  const seen = new Set<string>()
  return all.filter(({ key }) => !seen.has(key) && seen.add(key))
}

function addressesOf(texts: readonly string[]): Address[] {
  return texts.flatMap((text) => parseAddress(text) ?? [])
}
