/**
 * Who serves behind each frontend of UDP and SCTP on this node, kept up to date Service by Service like the ruleset, and which frontends
 * have changed so that flows may be stale. Not the same as the endpoints that new packets are sent to: policies and topology do not count.
 * No I/O. `settle` has to be called at the moment when the ruleset settles, so that both have seen the same objects.
 */
import type { ElementId } from '../rules/elements.ts'
import { portEndpoints } from '../rules/endpoints.ts'
import { frontends, isProxied } from '../rules/frontends.ts'
import { createLedger } from '../rules/ledger.ts'
import type { Claims, NodeFacts } from '../rules/rules.ts'
import type { ObjectView } from '../rules/ruleset.ts'
import type { FlowProtocol, FrontendId } from './flow.ts'
import { doubtful, targetsIn, targetsText } from './stale.ts'

export interface ServedFrontends {
  /** Something of this Service changed. */
  mark(serviceKey: string): void
  markAll(): void
  setNode(facts: NodeFacts): void
  /** Works out what is marked. */
  settle(): void
  /** Frontends that may have stale flows since the last call. */
  doubts(): FrontendId[]
  /** Targets whose flows live on; undefined when it is no frontend of UDP or SCTP. */
  targets(frontend: FrontendId): ReadonlySet<string> | undefined
}

export function createServedFrontends(view: ObjectView, initial: NodeFacts): ServedFrontends {
  const ledger = createLedger()
  const marked = new Set<string>()
  const known = new Set<string>()
  /** Asked for with every flow of a sweep. */
  let asked = new Map<FrontendId, ReadonlySet<string>>()
  let node = initial

  const workOut = (key: string) => {
    const claims = claimsOf(view, key, node)
    if (claims.size > 0) known.add(key)
    else if (!known.delete(key)) return
    ledger.set(key, view.service(key)?.metadata.creationTimestamp ?? '', claims)
  }

  return {
    mark: (key) => void marked.add(key),
    markAll() {
      for (const key of [...known, ...view.serviceKeys()]) marked.add(key)
    },
    setNode(facts) {
      node = facts
    },
    settle() {
      for (const key of marked) workOut(key)
      if (marked.size > 0) asked = new Map()
      marked.clear()
    },
    doubts() {
      const doubts = doubtful(ledger.pending())
      ledger.written()
      return doubts
    },
    targets(frontend) {
      const text = ledger.desired.get(frontend)
      if (text === undefined) return undefined
      const targets = asked.get(frontend) ?? targetsIn(text)
      asked.set(frontend, targets)
      return targets
    },
  }
}

/** Frontend to targets; a group each, as in the ruleset: of two Services with the same address and port, the same one has it. */
function claimsOf(view: ObjectView, key: string, node: NodeFacts): Claims {
  const claims = new Map<string, ReadonlyMap<ElementId, string>>()
  const service = view.service(key)
  if (service === undefined || !isProxied(service)) return claims
  for (const port of service.spec.ports ?? []) {
    const named = { name: port.name ?? '', protocol: port.protocol ?? 'TCP' } as const
    if (named.protocol === 'TCP') continue
    const protocol = named.protocol.toLowerCase() as FlowProtocol
    for (const front of frontends(service, port, node)) {
      const endpoints = portEndpoints(view.slices(key), named, front.family, node)
      const text = targetsText(protocol, endpoints)
      if (text !== undefined) claims.set(front.key, new Map([[`${front.family} ${front.key}`, text]]))
    }
  }
  return claims
}
