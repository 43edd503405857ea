/**
 * The ruleset of this node, kept up to date Service by Service: what changed is marked, `settle` works the marked Services out again and
 * nothing else. No I/O; time comes in. Objects are read through `ObjectView`, so a Service is always seen with the slices of the same moment.
 */
import type { EndpointSlice, Service } from '../../kube/objects.ts'
import type { Family } from './addresses.ts'
import { adoptedPools, adoptedSessions, healthPortsIn, sessionIdsIn } from './adoption.ts'
import type { Change, ElementSet } from './elements.ts'
import { localReadyCount } from './endpoints.ts'
import { type FlipState, flip, policyView } from './flip.ts'
import { clusterIps, isProxied } from './frontends.ts'
import { createLedger } from './ledger.ts'
import { type NodeFacts, nodeRules, type Pools, serviceRules, type Session } from './rules.ts'
import { createSessionIds } from './sessions.ts'

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
  /** Services with more endpoints than get traffic, and how many that would be. */
  readonly tooMany: ReadonlyMap<string, number>
  /** Where a client of this session may be kept, as `address . port`; undefined when there is no such session. */
  sessionTargets(family: Family, id: string): ReadonlySet<string> | undefined
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

/** Owner of what no Service owns; a Service's key has a slash. */
const nodeOwner = 'node'

interface Kept {
  pools: Pools
  sessions: readonly Session[]
  flip: FlipState | undefined
}

export function createRuleset(view: ObjectView, graceMs: number, initial: NodeFacts): Ruleset {
  const ledger = createLedger()
  ledger.set(nodeOwner, '', nodeRules(initial))
  const marked = new Set<string>()
  const kept = new Map<string, Kept>()
  const waking = new Map<string, number>()
  const checks = new Map<string, HealthCheck[]>()
  const tooMany = new Map<string, number>()
  const sessionIds = createSessionIds()
  /** By family and id. */
  const sessionTargets = new Map<string, ReadonlySet<string>>()
  let node = initial
  let isNodeMarked = false
  let adopted: ElementSet = new Map()
  let adoptedPorts = new Map<string, number[]>()

  const keepSessions = (before: readonly Session[], now: readonly Session[]) => {
    const names = new Set(now.map(({ name }) => name))
    for (const { name, id, family } of before) {
      sessionTargets.delete(`${family} ${id}`)
      if (!names.has(name)) sessionIds.release(name)
    }
    for (const { id, family, targets } of now) sessionTargets.set(`${family} ${id}`, targets)
  }

  const workOut = (key: string, now: number) => {
    const service = view.service(key)
    const before = kept.get(key)
    if (service === undefined || !isProxied(service)) {
      kept.delete(key)
      waking.delete(key)
      checks.delete(key)
      tooMany.delete(key)
      keepSessions(before?.sessions ?? [], [])
      ledger.set(key, '', new Map())
      return
    }
    const policy = policyView(service)
    const [primary] = clusterIps(service)
    const remembered = before === undefined && primary ? adoptedPorts.get(primary.text) : undefined
    const decision = policy && flip(before?.flip, policy, now, graceMs, remembered)
    const slices = view.slices(key)
    const healthPorts = decision?.healthPorts ?? []
    const externalPolicy = decision?.forward ?? 'Cluster'
    if (before === undefined) {
      for (const [name, id] of adoptedSessions(service, externalPolicy, node, adopted)) sessionIds.adopt(name, id)
    }
    const {
      claims,
      pools,
      sessions,
      tooMany: most,
    } = serviceRules({
      service,
      slices,
      node,
      healthPorts,
      externalPolicy,
      previous: before?.pools ?? adoptedPools(service, node, adopted),
      sessionId: (name) => sessionIds.of(name),
    })
    ledger.set(key, service.metadata.creationTimestamp ?? '', claims)
    keepSessions(before?.sessions ?? [], sessions)
    kept.set(key, { pools, sessions, flip: decision?.state })
    if (most === undefined) tooMany.delete(key)
    else tooMany.set(key, most)
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
    tooMany,
    sessionTargets: (family, id) => sessionTargets.get(`${family} ${id}`),
    get healthChecks() {
      return [...checks.values()].flat()
    },
    mark: (key) => marked.add(key),
    markAll() {
      for (const key of [...kept.keys(), ...view.serviceKeys()]) marked.add(key)
    },
    get hasMarked() {
      return isNodeMarked || marked.size > 0
    },
    setNode(facts) {
      node = facts
      isNodeMarked = true
    },
    settle(now) {
      // Not before: what is wanted must not change while it is being written.
      if (isNodeMarked) ledger.set(nodeOwner, '', nodeRules(node))
      isNodeMarked = false
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
      sessionIds.reserve(sessionIdsIn(elements))
    },
    disown() {
      adopted = new Map()
      adoptedPorts = new Map()
      sessionIds.reserve([])
    },
  }
}
