/**
 * The ruleset of this node, kept up to date Service by Service: what changed is marked, `settle` works the marked Services out again and
 * nothing else. No I/O; time comes in. Objects are read through `ObjectView`, so a Service is always seen with the slices of the same moment.
 */
import type { EndpointSlice, Service } from '../kube/objects.ts'
import { type Change, type ElementSet, elementId, partsOf } from './elements.ts'
import { localReadyCount } from './endpoints.ts'
import { type FlipState, flip, policyView } from './flip.ts'
import { clusterIps, type Frontend, frontends, isProxied } from './frontends.ts'
import { createLedger } from './ledger.ts'
import { type NodeFacts, type Pools, poolName, serviceRules } from './rules.ts'

export interface ObjectView {
  /** Keys of all Services, `namespace/name`. */
  serviceKeys(): Iterable<string>
  service(key: string): Service | undefined
  slices(serviceKey: string): readonly EndpointSlice[]
}

/** A health check node port that has to answer, and what it says. */
export interface HealthCheck {
  port: number
  service: string
  localEndpoints: number
}

export interface Ruleset {
  readonly desired: ElementSet
  /** Health checks of all Services. */
  readonly healthChecks: readonly HealthCheck[]
  /** Something of this Service changed. */
  mark(serviceKey: string): void
  markAll(): void
  readonly hasMarked: boolean
  setNode(facts: NodeFacts): void
  /** Works out what is marked. Returns when to call again though nothing was marked (ms since the epoch). */
  settle(now: number): number | undefined
  pending(): Change
  written(): void
  /** Before the first settle: what a previous process has left in the kernel, so that endpoints keep their slots and ports stay open. */
  adopt(elements: ElementSet): void
  /** Forgets what was adopted. */
  disown(): void
}

interface Kept {
  pools: Pools
  flip: FlipState | undefined
}

export function createRuleset(view: ObjectView, graceMs: number, initial: NodeFacts): Ruleset {
  const ledger = createLedger()
  const marked = new Set<string>()
  const kept = new Map<string, Kept>()
  const waking = new Map<string, number>()
  const checks = new Map<string, HealthCheck[]>()
  let node = initial
  let adopted: ElementSet = new Map()
  let adoptedPorts = new Map<string, number[]>()

  const workOut = (key: string, now: number) => {
    const service = view.service(key)
    if (service === undefined || !isProxied(service)) {
      kept.delete(key)
      waking.delete(key)
      checks.delete(key)
      ledger.set(key, '', new Map())
      return
    }
    const before = kept.get(key)
    const policy = policyView(service)
    const [primary] = clusterIps(service)
    const remembered = before === undefined && primary ? adoptedPorts.get(primary.text) : undefined
    const decision = policy && flip(before?.flip, policy, now, graceMs, remembered)
    const slices = view.slices(key)
    const healthPorts = decision?.healthPorts ?? []
    const { claims, pools } = serviceRules({
      service,
      slices,
      node,
      healthPorts,
      externalPolicy: decision?.forward ?? 'Cluster',
      previous: before?.pools ?? adoptedPools(service, node, adopted),
    })
    ledger.set(key, service.metadata.creationTimestamp ?? '', claims)
    kept.set(key, { pools, flip: decision?.state })
    if (decision?.wakeAt === undefined) waking.delete(key)
    else waking.set(key, decision.wakeAt)
    if (healthPorts.length === 0) checks.delete(key)
    else {
      const localEndpoints = localReadyCount(slices, node.nodeName, primary?.family ?? 'ip')
      checks.set(
        key,
        healthPorts.map((port) => ({ port, service: key, localEndpoints })),
      )
    }
  }

  return {
    desired: ledger.desired,
    get healthChecks() {
      return [...checks.values()].flat()
    },
    mark: (key) => marked.add(key),
    markAll() {
      for (const key of [...kept.keys(), ...view.serviceKeys()]) marked.add(key)
    },
    get hasMarked() {
      return marked.size > 0
    },
    setNode(facts) {
      node = facts
    },
    settle(now) {
      for (const [key, wakeAt] of waking) if (wakeAt <= now) marked.add(key)
      for (const key of marked) workOut(key, now)
      marked.clear()
      return waking.size === 0 ? undefined : Math.min(...waking.values())
    },
    pending: () => ledger.pending(),
    written: () => ledger.written(),
    adopt(elements) {
      adopted = elements
      adoptedPorts = healthPortsIn(elements)
    },
    disown() {
      adopted = new Map()
      adoptedPorts = new Map()
    },
  }
}

/** Health check node ports that a previous process held open, by ClusterIP. */
function healthPortsIn(elements: ElementSet): Map<string, number[]> {
  const found = new Map<string, number[]>()
  for (const [id, address] of elements) {
    const { map, key } = partsOf(id)
    if (map === 'health-ports') found.set(address, [...(found.get(address) ?? []), Number(key)])
  }
  return found
}

function adoptedPools(service: Service, node: NodeFacts, adopted: ElementSet): Pools {
  const pools = new Map<string, string[]>()
  if (adopted.size === 0) return pools
  for (const port of service.spec.ports ?? []) {
    const named = { name: port.name ?? '', protocol: port.protocol ?? 'TCP' }
    for (const front of frontends(service, port, node.nodePortAddresses)) {
      for (const [scope, map] of poolMaps(service, front)) {
        const name = poolName(front.family, named, scope)
        if (pools.has(name)) continue
        const slots: string[] = []
        for (let slot = 0; ; slot++) {
          const target = adopted.get(elementId(front.family, map, `${front.key} . ${slot}`))
          if (target === undefined) break
          slots.push(target)
        }
        if (slots.length > 0) pools.set(name, slots)
      }
    }
  }
  return pools
}

/** Which pool stands in which map under a frontend; the counterpart of `aim` in rules.ts. */
function poolMaps(service: Service, front: Frontend): (readonly ['cluster' | 'local', 'ep' | 'ep-local'])[] {
  if (front.kind !== 'cluster-ip') {
    return [
      ['cluster', 'ep'],
      ['local', 'ep-local'],
    ]
  }
  return [[service.spec.internalTrafficPolicy === 'Local' ? 'local' : 'cluster', 'ep']]
}
