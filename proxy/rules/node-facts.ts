/** What the proxy reads from its own Node object and command line about where it stands. Pure. */
import type { Node } from '../../kube/objects.ts'
import { type Address, type Cidr, contains, families, parseAddress, parseCidr } from './addresses.ts'
import { type LocalDetection, podNetworks } from './local-detection.ts'
import type { NodeFacts } from './rules.ts'

/** Where node ports are answered: on the node's primary address of each family, on its addresses inside these ranges, or on both. */
export interface NodePortAddresses {
  primary: boolean
  ranges: readonly Cidr[]
}

export interface Standing {
  nodeName: string
  /** `--node-ip`: taken instead of the Node object's addresses. */
  nodeIps: readonly Address[]
  nodePortAddresses: NodePortAddresses
  localDetection: LocalDetection
  clusterCidrs: readonly Cidr[]
  externalIps: boolean
}

/**
 * @param node undefined: not there (yet); node ports then work as far as `--node-ip` goes
 * @param interfaceAddresses the addresses of the node's network interfaces, read only where ranges were given
 */
export function nodeFacts(
  standing: Standing,
  node: Node | undefined,
  interfaceAddresses: readonly Address[],
  serviceCidrs: readonly Cidr[] = [],
): NodeFacts {
  const listed = node === undefined ? [] : nodeAddresses(node)
  const own = standing.nodeIps.length > 0 ? standing.nodeIps : listed
  const primary = families.flatMap((family) => own.find((address) => address.family === family) ?? [])
  const { nodePortAddresses: wanted } = standing
  return {
    nodeName: standing.nodeName,
    zone: node?.metadata.labels?.['topology.kubernetes.io/zone'],
    addresses: own,
    externalIps: standing.externalIps,
    pods: podNetworks(standing.localDetection, standing.clusterCidrs, cidrsOf(node?.spec?.podCIDRs)),
    serviceCidrs,
    nodePortAddresses: unique([
      ...(wanted.primary ? primary : []),
      ...interfaceAddresses.filter(
        (address) => !isLoopback(address) && wanted.ranges.some((range) => contains(range, address)),
      ),
    ]),
  }
}

function cidrsOf(texts: readonly string[] = []): Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? [])
}

/** Internal addresses before external ones, in the order of the object. */
function nodeAddresses(node: Node): Address[] {
  const all = node.status?.addresses ?? []
  return (['InternalIP', 'ExternalIP'] as const).flatMap((type) =>
    all.filter((entry) => entry.type === type).flatMap((entry) => parseAddress(entry.address) ?? []),
  )
}

function unique(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [address.text, address])).values()]
}

function isLoopback({ text }: Address): boolean {
  return text === '::1' || text.startsWith('127.')
}

const autoscalerTaint = 'ToBeDeletedByClusterAutoscaler'

/**
 * Whether load balancers may send new connections here: not while the node is being removed, or when it is gone (KEP-3836).
 * @param listed false: nobody knows yet. Then it may, as with kube-proxy (proxy_health.go, `nodeEligible` at the start): proxies that are
 * restarted while the API server is away forward by the rules they find, and must not take their nodes out of every load balancer. Without
 * such rules /healthz is 503 anyway (health.ts).
 */
export function isEligible(node: Node | undefined, listed: boolean): boolean {
  if (node === undefined) return !listed
  if (node.metadata.deletionTimestamp !== undefined) return false
  return !(node.spec?.taints ?? []).some((taint) => taint.key === autoscalerTaint)
}

export function sameFacts(a: NodeFacts, b: NodeFacts): boolean {
  const list = (addresses: readonly (Address | Cidr)[]) => addresses.map((address) => address.text).join()
  return (
    a.nodeName === b.nodeName &&
    a.zone === b.zone &&
    list(a.addresses) === list(b.addresses) &&
    list(a.nodePortAddresses) === list(b.nodePortAddresses) &&
    list(a.pods) === list(b.pods) &&
    list(a.serviceCidrs) === list(b.serviceCidrs) &&
    a.externalIps === b.externalIps
  )
}
