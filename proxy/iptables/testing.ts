/** For tests: sets of elements as rules.ts makes them, of a few words each, and random ones. */
import type { Family } from '../rules/addresses.ts'
import { type ElementId, elementId, type MapName } from '../rules/elements.ts'
import { fingerprint } from '../rules/fingerprint.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'

export const options: SkeletonOptions = {
  local: { ip: { by: 'addresses' }, ip6: { by: 'addresses' } },
  masqueradeAll: false,
  masqueradeBit: 14,
}

export interface FrontendSpec {
  kind: 'cluster-ip' | 'load-balancer' | 'node-port'
  /** Index of the address. */
  at: number
  protocol: 'tcp' | 'udp' | 'sctp'
  port: number
  /** Numbers of endpoints; on this node those below 4. */
  endpoints: readonly number[]
  policy: 'Cluster' | 'Local'
  seconds: number | undefined
  /** Networks by number that may use it. */
  sources: readonly number[]
}

export interface NodeSpec {
  frontends: readonly FrontendSpec[]
  pods: number
  serviceCidrs: number
  hairpin: readonly number[]
  healthPorts: readonly number[]
}

const bases: Readonly<
  Record<Family, Readonly<Record<FrontendSpec['kind'] | 'pod' | 'network', (n: number) => string>>>
> = {
  ip: {
    'cluster-ip': (n) => `10.96.${n >> 8}.${n & 255}`,
    'load-balancer': (n) => `203.0.113.${n & 255}`,
    'node-port': (n) => `172.18.0.${10 + (n & 1)}`,
    pod: (n) => `10.244.${n & 255}.7`,
    network: (n) => (n % 3 === 0 ? `192.0.2.${n}` : `198.51.${n}.0/24`),
  },
  ip6: {
    'cluster-ip': (n) => `fd00:96::${(n + 1).toString(16)}`,
    'load-balancer': (n) => `2001:db8:113::${(n + 1).toString(16)}`,
    'node-port': (n) => `fd00:18::${(10 + (n & 1)).toString(16)}`,
    pod: (n) => `fd00:244::${(n + 1).toString(16)}`,
    network: (n) => (n % 3 === 0 ? `2001:db8::${(n + 1).toString(16)}` : `2001:db8:${(n + 1).toString(16)}::/48`),
  },
}

/** The elements of `spec` in one family, as rules.ts writes them. The first of two frontends at one place counts. */
export function elementsOf(family: Family, spec: NodeSpec): Map<ElementId, string> {
  const elements = new Map<ElementId, string>()
  const words = bases[family]
  const put = (map: MapName, key: string, value = '') => elements.set(elementId(family, map, key), value)
  for (let n = 0; n < spec.pods; n++) put('pods', words.network(n + 3))
  for (let n = 0; n < spec.serviceCidrs; n++) put('service-cidrs', words.network(n + 9))
  for (const n of spec.hairpin) put('hairpin', `${words.pod(n)} . ${words.pod(n)}`)
  for (const port of spec.healthPorts) put('health-ports', `${port}`, words['cluster-ip'](port & 255))
  for (const front of spec.frontends) {
    const address = words[front.kind](front.at)
    const key = `${address} . ${front.protocol} . ${front.port}`
    if (elements.has(elementId(family, 'frontends', key))) continue
    put('frontends', key)
    if (front.kind === 'cluster-ip') put('cluster-ips', address)
    if (front.kind === 'load-balancer' && front.sources.length > 0) {
      put('fw-vips', key)
      for (const n of front.sources) put('fw-allow', `${key} . ${words.network(n)}`)
    }
    if (front.endpoints.length === 0) {
      put('no-ep', key)
      continue
    }
    const target = (n: number) => `${words.pod(n)} . ${8000 + n}`
    const aim = (verdicts: MapName, targets: MapName, letter: string, numbers: readonly number[]) => {
      put(verdicts, key, numbers.length === 0 ? 'drop' : `goto ${letter}${numbers.length}`)
      numbers.forEach((n, slot) => put(targets, `${key} . ${slot}`, target(n)))
    }
    const here = front.endpoints.filter((n) => n < 4)
    aim('svc', 'ep', 'n', front.kind === 'cluster-ip' && front.policy === 'Local' ? here : front.endpoints)
    if (front.kind !== 'cluster-ip' && front.policy === 'Local') {
      put('local-vips', key)
      aim('svc-local', 'ep-local', 'l', here)
    } else if (front.kind !== 'cluster-ip') put('masq', key)
    if (front.seconds !== undefined) {
      // One session where the endpoints are the same, and only there.
      const isInternal = front.kind === 'cluster-ip'
      const hash = fingerprint(JSON.stringify([front.endpoints, front.policy, isInternal, front.seconds]))
      const session = `${hash.slice(0, 4)}:${hash.slice(4, 8)}`
      put('session', key, session)
      put('learn', session, `goto t${front.seconds}`)
    }
  }
  return elements
}

/** A random node; the same for the same seed. */
export function randomNode(seed: number, most = 80): NodeSpec {
  let state = seed | 1
  const below = (limit: number) => {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
  const oneOf = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const numbers = (limit: number, count: number) => [
    ...new Set(Array.from({ length: below(count + 1) }, () => below(limit))),
  ]
  const frontend = (): FrontendSpec => ({
    kind: oneOf(['cluster-ip', 'load-balancer', 'node-port']),
    at: below(40),
    protocol: oneOf(['tcp', 'udp', 'sctp']),
    port: oneOf([80, 1 + below(65_535), 30_000 + below(300)]),
    endpoints: numbers(10, 6),
    policy: oneOf(['Cluster', 'Local']),
    seconds: oneOf([undefined, 1, 10_800, 86_400]),
    sources: numbers(8, 3),
  })
  return {
    frontends: Array.from({ length: below(most + 1) }, frontend),
    pods: below(4),
    serviceCidrs: below(3),
    hairpin: numbers(10, 4),
    healthPorts: numbers(2768, 3).map((port) => 30_000 + port),
  }
}
