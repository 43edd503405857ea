/**
 * A LoadBalancerSpec as objects of the local cloud, pure: one load balancer with an address per family, one target group
 * for all ports, one listener per port. Only the scheme, the protocol and the port of a listener are part of a key, so every other edit is an update
 * in place and the address stays.
 */
import ipaddr from 'ipaddr.js'
import type { Lowered, LoadBalancerPort, LoadBalancerSpec, Reason, Unsupported } from '../contract.ts'

export interface LowerOptions {
  /** Address ranges of the load balancer when known here: wishes outside are refused before anything is made. */
  pools: readonly string[]
}

export const portsPerLoadBalancer = 100
export const targetsPerLoadBalancer = 1000
const defaultDrainSeconds = 30

export function lower(spec: LoadBalancerSpec, { pools }: LowerOptions = { pools: [] }): Lowered | Unsupported {
  const mode = modeOf(spec)
  const reasons = [
    ...(mode === undefined ? [unknownMode(spec)] : []),
    ...spec.ports.flatMap(({ protocol, port }) => (protocol === 'SCTP' ? [noSctp(port)] : [])),
    ...limitReasons(spec),
    ...spec.requestedAddresses.flatMap((address) => addressReasons(address, spec, pools)),
  ]
  if (reasons.length > 0 || mode === undefined) return { kind: 'unsupported', reasons }
  const balancer = `load-balancer/${spec.scheme}`
  const wanted = { owner: spec.owner, state: 'ready' as const }
  return {
    kind: 'lowered',
    fragments: [],
    own: [
      {
        ...wanted,
        kind: 'load-balancer',
        key: balancer,
        needs: [],
        immutable: { scheme: spec.scheme },
        mutable: { families: [...spec.families], requestedAddresses: [...spec.requestedAddresses].sort() },
        drain: { seconds: spec.deleteDrainSeconds ?? 0 },
      },
      {
        ...wanted,
        kind: 'target-group',
        key: 'target-group',
        needs: [],
        immutable: {},
        mutable: {
          healthCheck: { ...spec.healthCheck },
          targets: targets(spec),
          drainSeconds: spec.drainSeconds ?? defaultDrainSeconds,
        },
      },
      ...[...spec.ports].sort(byPort).map(({ protocol, port, nodePort }) => ({
        ...wanted,
        kind: 'listener',
        key: `listener/${spec.scheme}/${protocol.toLowerCase()}/${port}`,
        needs: [balancer, 'target-group'],
        immutable: { protocol, port },
        mutable: {
          forward: mode === 'passthrough' ? { mode } : { mode, nodePort },
          sourceRanges: [...new Set(spec.sourceRanges)].sort(),
          affinitySeconds: spec.affinity.kind === 'ClientIP' ? spec.affinity.timeoutSeconds : 0,
        },
      })),
    ],
  }
}

/** One mode for all ports: clients of one address should not see two ways. */
function modeOf({ ports, parameters }: LoadBalancerSpec): 'node-port' | 'passthrough' | undefined {
  const wish = parameters['mode'] ?? 'node-port'
  if (wish === 'passthrough') return wish
  if (wish !== 'node-port') return undefined
  return ports.some(({ nodePort }) => nodePort === 0) ? 'passthrough' : wish
}

function targets({ nodes, families }: LoadBalancerSpec) {
  return [...nodes]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, addresses }) => {
      const used = families.flatMap((family) => addresses.find((address) => familyOf(address) === family) ?? [])
      return used.length > 0 ? [{ node: name, addresses: used }] : []
    })
}

function addressReasons(address: string, { families }: LoadBalancerSpec, pools: readonly string[]): Reason[] {
  if (!ipaddr.isValid(address)) {
    return [{ reason: 'InvalidAddress', message: `the requested address "${address}" is not an IP address` }]
  }
  if (!families.includes(familyOf(address))) {
    const message = `the requested address ${address} is ${familyOf(address)}, the Service is ${families.join(' and ')}`
    return [{ reason: 'InvalidAddress', message }]
  }
  const parsed = ipaddr.parse(address)
  const inside = pools.some((pool) => {
    const [network, bits] = ipaddr.parseCIDR(pool)
    return network.kind() === parsed.kind() && parsed.match(network, bits)
  })
  if (pools.length === 0 || inside) return []
  return [{ reason: 'AddressNotInPool', message: `the requested address ${address} is not in ${pools.join(', ')}` }]
}

function limitReasons({ ports, nodes }: LoadBalancerSpec): Reason[] {
  const reasons: Reason[] = []
  if (ports.length > portsPerLoadBalancer) {
    reasons.push({
      reason: 'TooManyPorts',
      message: `${ports.length} ports; at most ${portsPerLoadBalancer} are possible`,
    })
  }
  if (nodes.length > targetsPerLoadBalancer) {
    const message = `${nodes.length} nodes; at most ${targetsPerLoadBalancer} are possible: narrow the class's node selector`
    reasons.push({ reason: 'TooManyTargets', message })
  }
  return reasons
}

function noSctp(port: number): Reason {
  const message = `port ${port}: the local load balancer forwards TCP and UDP, not SCTP; remove the port from the Service`
  return { reason: 'UnsupportedProtocol', message, port: { port, protocol: 'SCTP' } }
}

function unknownMode({ parameters }: LoadBalancerSpec): Reason {
  const message = `parameter mode is "${parameters['mode']}"; use node-port or passthrough`
  return { reason: 'InvalidParameter', message }
}

function byPort(a: LoadBalancerPort, b: LoadBalancerPort): number {
  return a.port - b.port || (a.protocol < b.protocol ? -1 : 1)
}

function familyOf(address: string): 'IPv4' | 'IPv6' {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}
