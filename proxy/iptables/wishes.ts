/**
 * What the elements of one family say, gathered by frontend: iptables has a chain for a frontend where nftables has elements of many maps.
 * No text of rules here; what an element means stands in elements.ts.
 */
import type { Family } from '../rules/addresses.ts'
import { type Change, type ElementSet, type ElementParts, partsOf } from '../rules/elements.ts'

/** One way to choose: endpoints by slot (`address . port`), or none: packets are dropped. Undefined: it does not apply. */
export interface Choice {
  verdict: string | undefined
  readonly targets: (string | undefined)[]
}

export interface FrontendWish {
  readonly address: string
  readonly protocol: string
  readonly port: number
  /** Nobody answers: refuse. */
  refused: boolean
  /** Only `sources` may use it. */
  restricted: boolean
  readonly sources: Set<string>
  masqueraded: boolean
  masqueradedForNode: boolean
  readonly anywhere: Choice
  /** For sources outside of the cluster and the node, before `anywhere`. */
  readonly here: Choice
  session: string | undefined
  /** How many elements are about it; it is gone at 0. */
  elements: number
}

export interface Wishes {
  readonly family: Family
  readonly frontends: Map<string, FrontendWish>
  readonly clusterIps: Set<string>
  readonly serviceCidrs: Set<string>
  readonly pods: Set<string>
  /** Addresses. */
  readonly hairpin: Set<string>
  /** Seconds by session. */
  readonly remembered: Map<string, number>
  /** Port to ClusterIP. */
  readonly healthPorts: Map<string, string>
}

/** What a change was about. */
export interface Touched {
  readonly frontends: Set<string>
  readonly clusterIps: Set<string>
  /** Something that is no frontend's. */
  node: boolean
}

export function noWishes(family: Family): Wishes {
  return {
    family,
    frontends: new Map(),
    clusterIps: new Set(),
    serviceCidrs: new Set(),
    pods: new Set(),
    hairpin: new Set(),
    remembered: new Map(),
    healthPorts: new Map(),
  }
}

/** Takes the change into `wishes`; elements of the other family are passed over. */
export function follow(wishes: Wishes, change: Change): Touched {
  const touched: Touched = { frontends: new Set(), clusterIps: new Set(), node: false }
  const sessions = new Set<string>()
  const take = (elements: ElementSet, isThere: boolean) => {
    for (const [id, value] of elements) {
      const parts = partsOf(id)
      if (parts.family !== wishes.family) continue
      if (parts.map === 'learn') sessions.add(parts.key)
      if (parts.map === 'cluster-ips') touched.clusterIps.add(parts.key)
      const frontend = isOfNode(parts)
        ? takeNode(wishes, parts, value, isThere)
        : takeFrontend(wishes, parts, value, isThere)
      if (frontend === undefined) touched.node = true
      else touched.frontends.add(frontend)
    }
  }
  take(change.remove, false)
  take(change.add, true)
  if (touched.clusterIps.size > 0 || sessions.size > 0) {
    for (const [key, { address, session }] of wishes.frontends) {
      if (touched.clusterIps.has(address) || (session !== undefined && sessions.has(session)))
        touched.frontends.add(key)
    }
  }
  return touched
}

const ofNode = new Set<string>(['pods', 'service-cidrs', 'cluster-ips', 'hairpin', 'learn', 'health-ports'])

function isOfNode({ map }: ElementParts): boolean {
  return ofNode.has(map)
}

function takeNode(wishes: Wishes, { map, key }: ElementParts, value: string, isThere: boolean): undefined {
  const put = (set: Set<string>, member: string) => (isThere ? set.add(member) : set.delete(member))
  if (map === 'pods') put(wishes.pods, key)
  else if (map === 'service-cidrs') put(wishes.serviceCidrs, key)
  else if (map === 'cluster-ips') put(wishes.clusterIps, key)
  else if (map === 'hairpin') put(wishes.hairpin, key.split(' . ')[0] ?? '')
  else if (map === 'learn') {
    if (isThere) wishes.remembered.set(key, Number(value.slice('goto t'.length)))
    else wishes.remembered.delete(key)
  } else if (isThere) wishes.healthPorts.set(key, value)
  else wishes.healthPorts.delete(key)
  return undefined
}

/** The frontend's key. */
function takeFrontend(wishes: Wishes, { map, key }: ElementParts, value: string, isThere: boolean): string {
  const [address = '', protocol = '', port = '', last = ''] = key.split(' . ')
  const frontend = `${address} . ${protocol} . ${port}`
  let wish = wishes.frontends.get(frontend)
  if (wish === undefined) wishes.frontends.set(frontend, (wish = noWish(address, protocol, Number(port))))
  wish.elements += isThere ? 1 : -1
  if (wish.elements === 0) wishes.frontends.delete(frontend)
  if (map === 'no-ep') wish.refused = isThere
  else if (map === 'fw-vips') wish.restricted = isThere
  else if (map === 'fw-allow') {
    if (isThere) wish.sources.add(last)
    else wish.sources.delete(last)
  } else if (map === 'masq') wish.masqueraded = isThere
  else if (map === 'local-vips') wish.masqueradedForNode = isThere
  else if (map === 'svc') wish.anywhere.verdict = isThere ? value : undefined
  else if (map === 'ep') wish.anywhere.targets[Number(last)] = isThere ? value : undefined
  else if (map === 'svc-local') wish.here.verdict = isThere ? value : undefined
  else if (map === 'ep-local') wish.here.targets[Number(last)] = isThere ? value : undefined
  else if (map === 'session') wish.session = isThere ? value : undefined
  return frontend
}

function noWish(address: string, protocol: string, port: number): FrontendWish {
  return {
    address,
    protocol,
    port,
    refused: false,
    restricted: false,
    sources: new Set(),
    masqueraded: false,
    masqueradedForNode: false,
    anywhere: { verdict: undefined, targets: [] },
    here: { verdict: undefined, targets: [] },
    session: undefined,
    elements: 0,
  }
}

/** Endpoints to choose from; empty: drop. Undefined: the choice does not apply. */
export function endpointsOf({ verdict, targets }: Choice): string[] | undefined {
  if (verdict === undefined) return undefined
  const count = Number(/^goto [nl](\d+)$/.exec(verdict)?.[1] ?? 0)
  return targets.slice(0, count).flatMap((target) => target ?? [])
}
