/**
 * One Service's part of the ruleset: Service, its EndpointSlices and this node in, elements out. Pure.
 * Elements come in groups (a frontend, a ClusterIP, a hairpin pair), each of which two Services can claim; ledger.ts decides who gets it.
 * What the elements mean to a packet: elements.ts.
 */
import type { EndpointSlice, Service, TrafficPolicy } from '../../kube/objects.ts'
import {
  type Address,
  type Cidr,
  contains,
  type Family,
  families,
  outermost,
  parseCidr,
  rangeKey,
} from './addresses.ts'
import { type ElementId, elementId, type MapName } from './elements.ts'
import { type Place, portEndpoints, reachable } from './endpoints.ts'
import { type Answering, clusterIps, type Frontend, frontends, isProxied } from './frontends.ts'
import { maxSlots, place as placeInSlots } from './slots.ts'

export interface NodeFacts extends Place, Answering {
  /** Networks of Pods, if that is how they are known (local-detection.ts). */
  pods: readonly Cidr[]
  /** Networks that ClusterIPs are taken from. */
  serviceCidrs: readonly Cidr[]
  /** All the node's own addresses. */
  addresses: readonly Address[]
}

/** Pool name to targets by slot. The slots of before go in again, so that endpoints keep their places. */
export type Pools = ReadonlyMap<string, readonly string[]>

export interface RulesInput {
  service: Service
  slices: readonly EndpointSlice[]
  node: NodeFacts
  /** The external policy in force (flip.ts); usually the spec's. */
  externalPolicy: TrafficPolicy
  /** Health check node ports held open (flip.ts), written down so that a restarted proxy knows them. */
  healthPorts: readonly number[]
  previous: Pools
  /** Gives the id of a session (sessions.ts) by its name. */
  sessionId: (name: string) => string
}

/** Group name to elements. Two Services that claim a group never get half of it each. */
export type Claims = ReadonlyMap<string, ReadonlyMap<ElementId, string>>

export interface ServiceRules {
  claims: Claims
  pools: Pools
  sessions: readonly Session[]
  /** The most endpoints that a pool of it should have, when these are too many (slots.ts). */
  tooMany: number | undefined
}

/** Session affinity of a Service port in one family: its clients are kept at one of `targets` each. */
export interface Session {
  name: string
  id: string
  family: Family
  targets: ReadonlySet<string>
}

const none: ServiceRules = { claims: new Map(), pools: new Map(), sessions: [], tooMany: undefined }

/** What is so on this node whatever Services there are. */
export function nodeRules({ pods, serviceCidrs }: NodeFacts): Claims {
  const elements = new Map<ElementId, string>()
  for (const [map, ranges] of [
    ['pods', pods],
    ['service-cidrs', serviceCidrs],
  ] as const) {
    for (const range of outermost(ranges)) elements.set(elementId(range.family, map, rangeKey(range)), '')
  }
  return new Map([['node', elements]])
}

/** Name of a pool of `pools`. */
export function poolName(family: Family, port: { name: string; protocol: string }, scope: 'cluster' | 'local'): string {
  return [family, scope, port.protocol, port.name].join(' ')
}

export function serviceRules(input: RulesInput): ServiceRules {
  const { service, slices, node } = input
  if (!isProxied(service)) return none
  const claims = new Map<string, Map<ElementId, string>>()
  const pools = new Map<string, readonly string[]>()
  const sessions = new Map<string, Session>()
  let most = 0
  const claim = (group: string, family: Family, map: MapName, key: string, value = '') => {
    const elements = claims.get(group) ?? new Map<ElementId, string>()
    claims.set(group, elements.set(elementId(family, map, key), value))
  }

  const [primary] = clusterIps(service)
  for (const { family, text } of clusterIps(service)) claim(['cluster-ip', text].join(' '), family, 'cluster-ips', text)
  if (primary !== undefined) {
    for (const port of input.healthPorts) {
      claim(`health-port ${port}`, primary.family, 'health-ports', `${port}`, primary.text)
    }
  }

  const seconds = affinitySeconds(service)
  for (const port of service.spec.ports ?? []) {
    const named = { name: port.name ?? '', protocol: port.protocol ?? 'TCP' } as const
    const fronts = frontends(service, port, node)
    for (const family of families) {
      const ofFamily = fronts.filter((front) => front.family === family)
      if (ofFamily.length === 0) continue
      const found = reachable(portEndpoints(slices, named, family, node), node)
      for (const ip of found.localIps) claim(`hairpin ${ip}`, family, 'hairpin', `${ip} . ${ip}`)
      const pool = (scope: 'cluster' | 'local'): readonly string[] => {
        const name = poolName(family, named, scope)
        most = Math.max(most, found[scope].length)
        const slots = pools.get(name) ?? placeInSlots(input.previous.get(name) ?? [], found[scope])
        pools.set(name, slots)
        return slots
      }
      for (const front of ofFamily) {
        const put = (map: MapName, key: string, value = '') => claim(front.key, family, map, key, value)
        put('frontends', front.key)
        if (!found.any) put('no-ep', front.key)
        else {
          const scope = scopeOf(front, input)
          forward(front, scope, pool, put)
          if (seconds !== undefined) {
            const name = sessionName(service, named, scope)
            const id = input.sessionId(name)
            put('session', front.key, id)
            claim(`session ${id}`, family, 'learn', id, `goto t${seconds}`)
            const targets = new Set(scope === 'both' ? [...pool('cluster'), ...pool('local')] : pool(scope))
            sessions.set(`${family} ${name}`, { name, id, family, targets })
          }
        }
        if (front.kind === 'load-balancer') restrictSources(front, input, put)
      }
    }
  }
  return { claims, pools, sessions: [...sessions.values()], tooMany: most > maxSlots ? most : undefined }
}

type Put = (map: MapName, key: string, value?: string) => void

/** Which endpoints a frontend leads to. `both`: on this node for outsiders, anywhere for Pods and the node. */
type Scope = 'cluster' | 'local' | 'both'

/** Frontends with the same endpoints share what is remembered; where the endpoints differ, the one must not lead to the other's. */
export function sessionName(service: Service, port: { name: string; protocol: string }, scope: Scope): string {
  return `${service.metadata.namespace}/${service.metadata.name} ${port.protocol} ${port.name} ${scope}`
}

export function scopeOf(
  { kind }: Frontend,
  { service, externalPolicy }: Pick<RulesInput, 'service' | 'externalPolicy'>,
): Scope {
  if (kind === 'cluster-ip') return service.spec.internalTrafficPolicy === 'Local' ? 'local' : 'cluster'
  return externalPolicy === 'Local' ? 'both' : 'cluster'
}

function forward(
  front: Frontend,
  scope: Scope,
  pool: (scope: 'cluster' | 'local') => readonly string[],
  put: Put,
): void {
  const aim = (verdicts: MapName, targets: MapName, chain: string, slots: readonly string[]) => {
    put(verdicts, front.key, slots.length === 0 ? 'drop' : `goto ${chain}${slots.length}`)
    slots.forEach((target, slot) => put(targets, `${front.key} . ${slot}`, target))
  }
  aim('svc', 'ep', 'n', pool(scope === 'local' ? 'local' : 'cluster'))
  if (scope === 'both') {
    // Pods and the node itself are sent everywhere (as if they had used the ClusterIP); all others to this node's endpoints only.
    put('local-vips', front.key)
    aim('svc-local', 'ep-local', 'l', pool('local'))
  } else if (front.kind !== 'cluster-ip') put('masq', front.key)
}

/** Undefined without session affinity. The default is the API's: three hours. */
function affinitySeconds(service: Service): number | undefined {
  if (service.spec.sessionAffinity !== 'ClientIP') return undefined
  return service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800
}

/** loadBalancerSourceRanges apply to load balancer addresses only, never to node ports (kube-proxy does the same). */
function restrictSources(front: Frontend, { service, node }: RulesInput, put: Put): void {
  const ranges = (service.spec.loadBalancerSourceRanges ?? []).flatMap((text) => parseCidr(text.trim()) ?? [])
  if (ranges.length === 0) return
  const ofFamily = ranges.filter((range) => range.family === front.family)
  if (ofFamily.some((range) => range.prefix === 0)) return
  // The node may have the address on an interface and use it as its source: whoever admits the node admits the address.
  const admitsNode = ofFamily.some((range) => node.addresses.some((address) => contains(range, address)))
  const itself = parseCidr(`${front.address}/${front.family === 'ip' ? 32 : 128}`)
  put('fw-vips', front.key)
  for (const range of outermost(admitsNode && itself !== undefined ? [...ofFamily, itself] : ofFamily)) {
    put('fw-allow', `${front.key} . ${rangeKey(range)}`)
  }
}
