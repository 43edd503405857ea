/**
 * Which node ports to try for a Service, from a pool, lowest conflict risk first. Pure. Ports are one space whatever the protocol, health check
 * node ports included (KEP-3668; kubernetes/kubernetes#54885).
 */
import type { NodePortPoolSpec } from '../../crds/node-port-pool.ts'
import type { Service, ServicePort } from '../../kube/objects.ts'

export interface PortRange {
  from: number
  to: number
}

/** Every port that some Service holds. */
export function usedPorts(services: Iterable<Service>): Set<number> {
  const used = new Set<number>()
  for (const { spec } of services) {
    for (const { nodePort } of spec.ports ?? []) if (nodePort) used.add(nodePort)
    if (spec.healthCheckNodePort) used.add(spec.healthCheckNodePort)
  }
  return used
}

export function poolPorts({ ranges }: Pick<NodePortPoolSpec, 'ranges'>): Set<number> {
  const ports = new Set<number>()
  for (const { from, to } of ranges) for (let port = from; port <= to; port++) ports.add(port)
  return ports
}

/**
 * Free ports of the pool, safest first: outside the API server's dynamic band (it draws from that one for everybody else), then numbers
 * people do not pick by hand (no multiples of ten), then spread by `seed` so that two operators or a retry do not meet on the same one.
 */
export function candidates(
  pool: Pick<NodePortPoolSpec, 'ranges'>,
  taken: ReadonlySet<number>,
  serverRange: PortRange,
  seed: string,
): number[] {
  const dynamicFrom = serverRange.from + staticBand(serverRange)
  const risk = (port: number) => (port >= dynamicFrom ? 2 : 0) + (port % 10 === 0 ? 1 : 0)
  return [...poolPorts(pool)]
    .filter((port) => port >= serverRange.from && port <= serverRange.to && !taken.has(port))
    .map((port) => ({ port, risk: risk(port), spread: hash(`${seed}/${port}`) }))
    .toSorted((a, b) => a.risk - b.risk || a.spread - b.spread)
    .map(({ port }) => port)
}

/** Size of the band that the API server's own allocation leaves for last: min(max(16, size/32), 128), none in small ranges. */
function staticBand({ from, to }: PortRange): number {
  const size = to - from + 1
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128)
}

/**
 * Ports a Service needs and does not have. Entries with an equal port (TCP and UDP 53) share one node port, as the API server does on create;
 * here also when one is added later: some clouds have one listener for both, which has one node port.
 */
export function portsToFill(ports: readonly ServicePort[]): number {
  const held = heldPorts(ports)
  return new Set(ports.filter(({ port, nodePort }) => !nodePort && !held.has(port)).map(({ port }) => port)).size
}

/** Port number -> the node port that an entry of it has. */
function heldPorts(ports: readonly ServicePort[]): Map<number, number> {
  return new Map(ports.toReversed().flatMap(({ port, nodePort }) => (nodePort ? [[port, nodePort] as const] : [])))
}

/** The Service's ports with `given` filled in, in order. */
export function filled(ports: readonly ServicePort[], given: readonly number[]): ServicePort[] {
  const byPort = heldPorts(ports)
  const rest = [...given]
  return ports.map((entry) => {
    if (entry.nodePort) return entry
    const nodePort = byPort.get(entry.port) ?? rest.shift()
    if (nodePort === undefined) return entry
    byPort.set(entry.port, nodePort)
    return { ...entry, nodePort }
  })
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value >>> 0
}
