/**
 * A ruleset's changing part as data: elements of named maps and sets, nothing else. An element is written the way nft prints it,
 * so both writers, the listing parser and the tests mean the same thing by it. Identity is `<family> <map> <key>`; sets have the value ''.
 */
import type { Family } from './addresses.ts'

/**
 * What the proxy wants of the node, whatever mode carries it out. A frontend is `address . protocol . port`. Keys and values:
 *
 * node
 * - `pods`            set of networks. Where Pods are, if addresses tell (--detect-local-mode ClusterCIDR, NodeCIDR); else empty
 * - `service-cidrs`   set of networks. ClusterIPs of the cluster: what goes to an address there that no frontend has is refused
 * - `cluster-ips`     set of addresses. Refused on ports that are no frontend; sources that are not local are masqueraded
 *
 * frontends
 * - `frontends`       set. All of them; a new connection that was not translated (tried before the Service was here) is refused
 * - `no-ep`           set of frontends. No endpoint anywhere: refused, whoever asks; comes before everything but `fw-vips`
 * - `fw-vips`         set of frontends. Only sources in `fw-allow` may use it, the others are dropped
 * - `fw-allow`        set of frontend . network
 * - `masq`            set of frontends. Masqueraded whoever asks (external policy Cluster)
 * - `local-vips`      set of frontends. Masqueraded when the node itself asks (external policy Local)
 * - `svc`             frontend: `goto n<k>`: to one of the k endpoints in `ep`, by equal chance; or `drop`
 * - `ep`              frontend . slot: `address . port`, slots 0 to k - 1
 * - `svc-local`       frontend: `goto l<k>`: to one of the k endpoints in `ep-local`; or `drop`. Comes before `svc`, and only for
 *                     sources that are neither local (Pods) nor this node's own addresses
 * - `ep-local`        as `ep`
 * - `hairpin`         set of address . the same address, of endpoints here: masqueraded when they reach themselves through a frontend
 *
 * session affinity
 * - `session`         frontend: id of a session, `xxxx:yyyy` (hex). Frontends of one Service port that choose from the same
 *                     endpoints have the same id: a client keeps its endpoint across them
 * - `learn`           id of a session: `goto t<seconds>`. So long after its last new connection a client is remembered
 *
 * notes of the proxy to itself, without effect on packets
 * - `health-ports`    health check node port: ClusterIP of the Service it is held open for
 *
 * What clients are remembered is in maps that only the kernel fills; these are not among the elements.
 */
export const elementMaps = [
  'pods',
  'service-cidrs',
  'cluster-ips',
  'frontends',
  'no-ep',
  'fw-vips',
  'fw-allow',
  'masq',
  'local-vips',
  'svc',
  'ep',
  'svc-local',
  'ep-local',
  'hairpin',
  'session',
  'learn',
  'health-ports',
] as const

export type MapName = (typeof elementMaps)[number]

/** `<family> <map> <key>` */
export type ElementId = string

/** Id to value. Verdicts are `goto n3` or `drop`, endpoints `10.244.1.5 . 8080`, sets ''. */
export type ElementSet = ReadonlyMap<ElementId, string>

/** What one atomic batch does: removals first, then additions. A replaced value is in both. */
export interface Change {
  readonly remove: ElementSet
  readonly add: ElementSet
}

export interface ElementParts {
  family: Family
  map: MapName
  key: string
}

export function elementId(family: Family, map: MapName, key: string): ElementId {
  // Joined, not concatenated: V8 keeps the pieces of a concatenation as long as the whole, and these stay.
  return [family, map, key].join(' ')
}

export function partsOf(id: ElementId): ElementParts {
  const first = id.indexOf(' ')
  const second = id.indexOf(' ', first + 1)
  return {
    family: id.slice(0, first) as Family,
    map: id.slice(first + 1, second) as MapName,
    key: id.slice(second + 1),
  }
}

export function isEmpty(change: Change): boolean {
  return change.remove.size === 0 && change.add.size === 0
}

/** The change that leads from `before` to `after`. */
export function difference(before: ElementSet, after: ElementSet): Change {
  const remove = new Map<ElementId, string>()
  const add = new Map<ElementId, string>()
  for (const [id, value] of before) if (after.get(id) !== value) remove.set(id, value)
  for (const [id, value] of after) if (before.get(id) !== value) add.set(id, value)
  return { remove, add }
}

/** `set` after the change. Throws what the kernel would refuse: removing what is not there, adding over another value. */
export function applied(change: Change, set: ElementSet): Map<ElementId, string> {
  const result = new Map(set)
  for (const id of change.remove.keys()) {
    if (!result.delete(id)) throw new Error(`no such element: ${id}`)
  }
  for (const [id, value] of change.add) {
    if (result.has(id) && result.get(id) !== value) throw new Error(`element exists with another value: ${id}`)
    result.set(id, value)
  }
  return result
}

/** Chains that the verdicts among these elements go to. */
export function chainsOf(elements: ElementSet): Map<Family, Set<string>> {
  const chains = new Map<Family, Set<string>>()
  for (const [id, value] of elements) {
    if (!value.startsWith('goto ')) continue
    const { family } = partsOf(id)
    let names = chains.get(family)
    if (names === undefined) chains.set(family, (names = new Set()))
    names.add(value.slice('goto '.length))
  }
  return chains
}
