/**
 * How a packet from a Pod of this cluster or node ("local") is told from one that came from outside, by family. It decides who is
 * masqueraded when it uses a ClusterIP, and who is sent to all endpoints in spite of external policy Local. Modes are kube-proxy's.
 */
import { type Cidr, type Family, families } from './addresses.ts'

export const detectLocalModes = ['ClusterCIDR', 'NodeCIDR', 'BridgeInterface', 'InterfaceNamePrefix'] as const

export interface LocalDetection {
  mode: (typeof detectLocalModes)[number]
  /** For BridgeInterface. */
  bridge: string
  /** For InterfaceNamePrefix. */
  interfacePrefix: string
}

/** `nothing`: nobody counts as local, and nobody is masqueraded for not being it. `addresses`: who is in `pods` (elements.ts). */
export type LocalMatch =
  | { by: 'nothing' }
  | { by: 'addresses' }
  | { by: 'interface'; name: string }
  | { by: 'interface-prefix'; prefix: string }

export type LocalMatches = Readonly<Record<Family, LocalMatch>>

/** The fixed part of it: what is matched. Networks of Pods are elements and may change. */
export function localMatches(detection: LocalDetection, clusterCidrs: readonly Cidr[]): LocalMatches {
  const match = (family: Family): LocalMatch => {
    switch (detection.mode) {
      case 'ClusterCIDR':
        return { by: clusterCidrs.some((range) => range.family === family) ? 'addresses' : 'nothing' }
      case 'NodeCIDR':
        // Until the node has a network for Pods everything is masqueraded, which works for everybody.
        return { by: 'addresses' }
      case 'BridgeInterface':
        return { by: 'interface', name: detection.bridge }
      default:
        return { by: 'interface-prefix', prefix: detection.interfacePrefix }
    }
  }
  return Object.fromEntries(families.map((family) => [family, match(family)])) as Record<Family, LocalMatch>
}

/** Where Pods are, for `pods`. @param nodeCidrs of the Node object */
export function podNetworks(
  { mode }: LocalDetection,
  clusterCidrs: readonly Cidr[],
  nodeCidrs: readonly Cidr[],
): readonly Cidr[] {
  if (mode === 'ClusterCIDR') return clusterCidrs
  return mode === 'NodeCIDR' ? nodeCidrs : []
}
