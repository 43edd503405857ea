/**
 * Node ports on this machine's loopback addresses. The kernel does not forward packets from 127.0.0.0/8 to elsewhere (and should not be made
 * to: CVE-2020-8558), nor from ::1 at all, so this process listens there and connects to the Service like any program on the node; all
 * policies then hold by the rules. TCP only: a UDP port has no connection that would tell answers apart. Connections end with this process.
 */
import { connect, createServer, type Socket } from 'node:net'
import type { Log } from '../kube/log.ts'
import type { Service } from '../kube/objects.ts'
import { type Address, type Family, parseAddress } from './rules/addresses.ts'
import { type ElementSet, elementId } from './rules/elements.ts'
import { clusterIps, isProxied } from './rules/frontends.ts'
import { createOpenPorts, type OpenPorts } from './open-ports.ts'
import type { ObjectView } from './rules/ruleset.ts'

export interface LocalNodePort {
  /** `127.0.0.1:30080` */
  place: string
  service: string
  host: string
  port: number
  /** Where the Service is reached from here. */
  to: { host: string; port: number }
}

const loopback: Readonly<Record<Family, string>> = { ip: '127.0.0.1', ip6: '::1' }

/**
 * Those of one Service. A port without endpoints is not among them: who tries it is refused.
 * @param nodeAddresses where the kernel answers node ports; without one, the ClusterIP leads to the Service
 */
export function localNodePorts(
  key: string,
  service: Service,
  families: readonly Family[],
  nodeAddresses: readonly Address[],
  rules: ElementSet,
): LocalNodePort[] {
  if (!isProxied(service) || (service.spec.type !== 'NodePort' && service.spec.type !== 'LoadBalancer')) return []
  return (service.spec.ports ?? []).flatMap(({ protocol, port, nodePort }) => {
    if (!nodePort || (protocol ?? 'TCP') !== 'TCP') return []
    return families.flatMap((family): LocalNodePort[] => {
      const clusterIp = clusterIps(service).find((address) => address.family === family)
      if (clusterIp === undefined) return []
      if (rules.has(elementId(family, 'no-ep', `${clusterIp.text} . tcp . ${port}`))) return []
      const node = nodeAddresses.find((address) => address.family === family)
      const host = loopback[family]
      const to = node ? { host: node.text, port: nodePort } : { host: clusterIp.text, port }
      return [{ place: `${host}:${nodePort}`, service: key, host, port: nodePort, to }]
    })
  })
}

export interface LocalNodePortsOptions {
  /** None: nothing is ever opened. */
  families: readonly Family[]
  view: Pick<ObjectView, 'service' | 'serviceKeys'>
  nodeAddresses(): readonly Address[]
  rules(): ElementSet
  log: Log
  /** Another program has the port. Called once. */
  onFailure(wanted: LocalNodePort, error: unknown): void
}

export interface LocalNodePorts extends Omit<OpenPorts<never>, 'set'> {
  /** Something of this Service changed. */
  mark(serviceKey: string): void
  markAll(): void
  /** The rules have just been worked out: what the marked Services want follows from them. Marks that come from now on are for the next time. */
  settled(): void
  /** The rules worked out last are in the kernel: opens and closes what follows from them. */
  written(): void
}

export function createLocalNodePorts(options: LocalNodePortsOptions): LocalNodePorts {
  const { families, view } = options
  const marked = new Set<string>()
  const wanted = new Map<string, LocalNodePort[]>()
  let isNew = false
  const ports = createOpenPorts<LocalNodePort>({ ...options, open: forward })
  return {
    retry: () => ports.retry(),
    idle: () => ports.idle(),
    close: () => ports.close(),
    mark: (key) => void (families.length > 0 && marked.add(key)),
    markAll() {
      if (families.length > 0) for (const key of [...view.serviceKeys(), ...wanted.keys()]) marked.add(key)
    },
    settled() {
      if (marked.size > 0) isNew = true
      for (const key of marked) {
        const service = view.service(key)
        const list = service ? localNodePorts(key, service, families, options.nodeAddresses(), options.rules()) : []
        if (list.length === 0) wanted.delete(key)
        else wanted.set(key, list)
      }
      marked.clear()
    },
    written() {
      if (isNew) ports.set([...wanted.values()].flat())
      isNew = false
    },
  }
}

/** Connections that are under way stay when the port is closed, as they do in the kernel. */
function forward(current: () => LocalNodePort): Promise<{ close(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => join(client, current().to))
    server.once('error', reject)
    const { host, port } = current()
    server.listen({ host, port, ipv6Only: parseAddress(host)?.family === 'ip6' }, () => {
      server.off('error', reject)
      // Out of file descriptors, for example: this connection is lost, the port stays open.
      server.on('error', () => {})
      resolve({
        // Resolves at once: nobody waits for connections to end.
        close: () => {
          server.close()
          return Promise.resolve()
        },
      })
    })
  })
}

/** Each side's end is the other's, by itself; a reset is passed on. `pipe` reads no faster than the other side takes. */
function join(client: Socket, to: { host: string; port: number }): void {
  const service = connect({ ...to, allowHalfOpen: true, noDelay: true })
  for (const [one, other] of [
    [client, service],
    [service, client],
  ] as const) {
    one.pipe(other)
    one.on('error', () => other.resetAndDestroy())
    // Destroyed without an end of its own: nothing more will come.
    one.on('close', () => one.readableEnded || other.destroy())
  }
}
