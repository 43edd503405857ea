/**
 * Cluster IPs and node ports for one write: taken at once, given back when the write fails, old ones released only after it succeeded.
 * A leak is possible in no path here; double use never is. Source: pkg/registry/core/service/storage/alloc.go.
 * A dry run goes through the same steps and is always undone, so the values it reports are ones that could be had.
 */
import type { IPFamily, Service } from '../../../../kube/objects.ts'
import type { Allocation } from '../../strategy.ts'
import { invalid } from '../field-error.ts'
import { internalFailure, invalidFailure, StatusFailure } from '../status-failure.ts'
import type { ClusterIps } from './cluster-ips.ts'
import { initFamilies, isSettledPreferDualStack } from './families.ts'
import type { NodePorts } from './node-ports.ts'
import {
  isHeadless,
  needsClusterIp,
  needsHealthCheckPort,
  nodePortsOf,
  hasNodePortType,
  wantsNodePorts,
} from './traits.ts'
import { dropForeignFields, dropFromExternalName, keepAllocated, syncClusterIps } from './type-change.ts'

export interface ServiceSpaces {
  /** By family, the cluster's default first. */
  clusterIps: ReadonlyMap<IPFamily, ClusterIps>
  nodePorts: NodePorts
}

/** What to undo when the write fails and what to release when it succeeded. */
interface Transaction {
  undo: (() => void)[]
  done: (() => void)[]
}

export function allocateForCreate(spaces: ServiceSpaces, service: Service, dryRun: boolean): Allocation {
  return inTransaction(dryRun, (transaction) => {
    syncClusterIps(service, undefined)
    initFamilies(service, undefined, [...spaces.clusterIps.keys()])
    if (needsClusterIp(service) && !isHeadless(service)) takeClusterIps(spaces, service, 0, transaction)
    if (hasNodePortType(service)) takeNodePortsForCreate(spaces, service, transaction)
    if (needsHealthCheckPort(service)) takeHealthCheckPort(spaces, service, transaction)
    dropFromExternalName(service)
  })
}

export function allocateForUpdate(spaces: ServiceSpaces, service: Service, old: Service, dryRun: boolean): Allocation {
  return inTransaction(dryRun, (transaction) => {
    keepAllocated(service, old)
    syncClusterIps(service, old)
    initFamilies(service, old, [...spaces.clusterIps.keys()])
    updateClusterIps(spaces, service, old, transaction)
    updateNodePorts(spaces, service, old, transaction)
    dropForeignFields(service, old)
  })
}

/** Everything the Service holds, when it is really gone. */
export function releaseAll(spaces: ServiceSpaces, service: Service): void {
  if (needsClusterIp(service) && !isHeadless(service)) releaseClusterIps(spaces, service.spec.clusterIPs ?? [])
  for (const port of nodePortsOf(service)) spaces.nodePorts.release(port)
  const { healthCheckNodePort } = service.spec
  if (needsHealthCheckPort(service) && healthCheckNodePort) spaces.nodePorts.release(healthCheckNodePort)
}

function inTransaction(dryRun: boolean, run: (transaction: Transaction) => void): Allocation {
  const transaction: Transaction = { undo: [], done: [] }
  let open = true
  const close = (steps: readonly (() => void)[]) => {
    if (open) for (const step of steps) step()
    open = false
  }
  const rollback = () => close(transaction.undo.toReversed())
  try {
    run(transaction)
  } catch (error) {
    rollback()
    throw error
  }
  return { commit: () => (dryRun ? rollback() : close(transaction.done)), rollback }
}

function takeClusterIps(spaces: ServiceSpaces, service: Service, from: number, transaction: Transaction): void {
  const { spec } = service
  // Messages show the addresses still to come as empty texts.
  const addresses = (spec.ipFamilies ?? []).map((_, i) => spec.clusterIPs?.[i] ?? '')
  spec.clusterIPs = addresses
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    if (i < from) continue
    const space = spaces.clusterIps.get(family)
    if (space === undefined) continue
    addresses[i] = takeClusterIp(space, service, addresses[i] ?? '', transaction)
  }
  if (addresses[0] !== undefined) spec.clusterIP = addresses[0]
}

function takeClusterIp(space: ClusterIps, service: Service, wanted: string, transaction: Transaction): string {
  const name = service.metadata.name ?? ''
  if (wanted !== '') {
    const refused = space.take(wanted, `${service.metadata.namespace}/${name}`)
    if (refused !== undefined) {
      const text = `failed to allocate IP ${wanted}: ${refused}`
      throw refusal(service, invalid('spec.clusterIPs', service.spec.clusterIPs, text))
    }
    transaction.undo.push(() => space.release(wanted))
    return wanted
  }
  const address = space.takeNext()
  if (address === undefined) {
    throw internalFailure(`failed to allocate a serviceIP for Service ${JSON.stringify(name)}: range is full`)
  }
  transaction.undo.push(() => space.release(address))
  return address
}

function updateClusterIps(spaces: ServiceSpaces, service: Service, old: Service, transaction: Transaction): void {
  if (isSettledPreferDualStack(service, old)) return
  if (!needsClusterIp(old)) {
    if (needsClusterIp(service) && !isHeadless(service)) takeClusterIps(spaces, service, 0, transaction)
    return
  }
  if (isHeadless(old)) return
  const held = old.spec.clusterIPs ?? []
  if (!needsClusterIp(service)) {
    transaction.done.push(() => releaseClusterIps(spaces, held))
    return
  }
  const [before, now] = [old.spec.ipFamilies?.length ?? 0, service.spec.ipFamilies?.length ?? 0]
  if (before === 1 && now === 2) takeClusterIps(spaces, service, 1, transaction)
  if (before === 2 && now === 1) transaction.done.push(() => releaseClusterIps(spaces, held.slice(1)))
}

function releaseClusterIps(spaces: ServiceSpaces, addresses: readonly string[]): void {
  for (const address of addresses) for (const space of spaces.clusterIps.values()) space.release(address)
}

/** Ports with the same number (TCP and UDP 53) share one node port. */
function takeNodePortsForCreate(spaces: ServiceSpaces, service: Service, transaction: Transaction): void {
  const ports = service.spec.ports ?? []
  const given = new Map<number, number>()
  for (const [i, port] of ports.entries()) {
    if (!port.nodePort && !wantsNodePorts(service)) continue
    const shared = given.get(port.port)
    if (shared === undefined) {
      const asked = ports.find((candidate) => candidate.port === port.port && candidate.nodePort)?.nodePort
      port.nodePort = asked ? takeNodePort(spaces, service, i, asked, transaction) : nextNodePort(spaces, transaction)
      given.set(port.port, port.nodePort)
    } else if (!port.nodePort) port.nodePort = shared
    else if (port.nodePort !== shared) takeNodePort(spaces, service, i, port.nodePort, transaction)
  }
}

function takeNodePort(
  spaces: ServiceSpaces,
  service: Service,
  index: number,
  port: number,
  transaction: Transaction,
): number {
  const refused = spaces.nodePorts.take(port)
  if (refused !== undefined) throw refusal(service, invalid(`spec.ports[${index}].nodePort`, port, refused))
  transaction.undo.push(() => spaces.nodePorts.release(port))
  return port
}

function nextNodePort(spaces: ServiceSpaces, transaction: Transaction): number {
  const port = spaces.nodePorts.takeNext()
  if (port === undefined) throw internalFailure('failed to allocate a nodePort: range is full')
  transaction.undo.push(() => spaces.nodePorts.release(port))
  return port
}

function updateNodePorts(spaces: ServiceSpaces, service: Service, old: Service, transaction: Transaction): void {
  const held = new Set(nodePortsOf(old))
  if (hasNodePortType(service)) replaceNodePorts(spaces, service, held, transaction)
  const kept = new Set(hasNodePortType(service) ? nodePortsOf(service) : [])
  if (hasNodePortType(old)) {
    for (const port of held) if (!kept.has(port)) transaction.done.push(() => spaces.nodePorts.release(port))
  }
  const [needed, needs] = [needsHealthCheckPort(old), needsHealthCheckPort(service)]
  if (!needed && needs) takeHealthCheckPort(spaces, service, transaction)
  const before = old.spec.healthCheckNodePort
  if (needed && !needs && before) transaction.done.push(() => spaces.nodePorts.release(before))
}

function replaceNodePorts(
  spaces: ServiceSpaces,
  service: Service,
  held: ReadonlySet<number>,
  transaction: Transaction,
): void {
  const taken = new Set<number>()
  const seen = new Set<string>()
  for (const [i, port] of (service.spec.ports ?? []).entries()) {
    if (!port.nodePort && !wantsNodePorts(service)) continue
    if (!port.nodePort) port.nodePort = nextNodePort(spaces, transaction)
    else if (!held.has(port.nodePort) && !taken.has(port.nodePort)) {
      taken.add(takeNodePort(spaces, service, i, port.nodePort, transaction))
    }
    const pair = `${port.protocol} ${port.nodePort}`
    if (seen.has(pair)) throw duplicateNodePort(port.protocol ?? 'TCP', port.nodePort)
    seen.add(pair)
  }
}

function takeHealthCheckPort(spaces: ServiceSpaces, service: Service, transaction: Transaction): void {
  const asked = service.spec.healthCheckNodePort
  if (!asked) {
    const port = spaces.nodePorts.takeNext()
    if (port === undefined) throw internalFailure('failed to allocate a HealthCheck NodePort 0: range is full')
    service.spec.healthCheckNodePort = port
    transaction.undo.push(() => spaces.nodePorts.release(port))
    return
  }
  const refused = spaces.nodePorts.take(asked)
  if (refused !== undefined) {
    throw internalFailure(`failed to allocate requested HealthCheck NodePort ${asked}: ${refused}`)
  }
  transaction.undo.push(() => spaces.nodePorts.release(asked))
}

function refusal(service: Service, error: ReturnType<typeof invalid>): StatusFailure {
  return invalidFailure({ group: '', kind: 'Service' }, service.metadata.name ?? '', [error])
}

/** The real server answers this one with a bare error, which becomes a 500 without a cause. */
function duplicateNodePort(protocol: string, port: number): StatusFailure {
  return new StatusFailure({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: `duplicate nodePort: {${protocol} ${port}}`,
    code: 500,
  })
}
