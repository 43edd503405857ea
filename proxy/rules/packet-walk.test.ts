/** Every combination of policies, endpoints, hints, sources, frontends and families: the rules' fate of a packet against the KEPs' (expected-fate.ts). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice, Service, TrafficPolicy } from '../../kube/objects.ts'
import { type Family, families, parseCidr } from './addresses.ts'
import type { ElementSet } from './elements.ts'
import { type EndpointFact, type Expected, expectedFate, type Scenario, type SourceFact } from './expected-fate.ts'
import type { LocalMatch } from './local-detection.ts'
import { type Fate, type Field, fieldOf, type Packet, type WalkOptions } from './packet-walk.ts'
import { type NodeFacts, nodeRules, serviceRules } from './rules.ts'
import { service, states } from './testing.ts'

const policies: readonly TrafficPolicy[] = ['Cluster', 'Local']
const zone = 'a'

/** Name to where it is and how it is: two ready ones elsewhere, so that hints can choose between them. */
const endpointsByName: Readonly<Record<string, Pick<EndpointFact, 'here' | 'state'>>> = {
  'ready here': { here: true, state: 'ready' },
  'ready there': { here: false, state: 'ready' },
  'ready there as well': { here: false, state: 'ready' },
  'draining here': { here: true, state: 'draining' },
  'draining there': { here: false, state: 'draining' },
  'starting here': { here: true, state: 'starting' },
  'stopped there': { here: false, state: 'stopped' },
}
const names = Object.keys(endpointsByName)
const mixtures = Array.from({ length: 2 ** names.length }, (_, bits) =>
  names.filter((_name, index) => bits & (1 << index)),
)

/** For what has little to do with who serves. */
const plainMixtures = mixtures.filter(
  (mixture) => !mixture.some((name) => name === 'ready there as well' || name === 'starting here'),
)

/** Zones and nodes that the hints of an endpoint name. */
type Hints = (name: string) => { zones?: readonly string[]; nodes?: readonly string[] }
const hintings: Readonly<Record<string, Hints>> = {
  none: () => ({}),
  'a zone each, this one for two': (name) => ({ zones: name === 'ready there' ? ['b'] : [zone] }),
  'other zones only': () => ({ zones: ['b', 'c'] }),
  'a zone each but for one': (name) => (name === 'ready there' ? {} : { zones: [zone] }),
  'a node each': (name) => ({ nodes: [endpointsByName[name]?.here ? 'n1' : 'n2'] }),
  'a node each but for one, a zone each': (name) => ({
    nodes: name === 'ready there' ? [] : ['n1'],
    zones: name === 'ready here' ? ['b'] : [zone],
  }),
  'other nodes, a zone each': (name) => ({ nodes: ['n2'], zones: name === 'ready there' ? [zone] : ['b', 'c'] }),
}

interface Detection {
  known: Scenario['detection']
  match: LocalMatch
  pods: readonly string[]
  masqueradeAll?: true
}
const clusterPods: Detection = {
  known: 'Pods of the cluster',
  match: { by: 'addresses' },
  pods: ['10.244.0.0/16', 'fd00:244::/48'],
}
const detections: readonly Detection[] = [
  clusterPods,
  { ...clusterPods, masqueradeAll: true },
  { known: 'nothing', match: { by: 'nothing' }, pods: [] },
  { known: 'Pods of the node', match: { by: 'addresses' }, pods: ['10.244.1.0/24', 'fd00:244:0:1::/64'] },
  { known: 'Pods of the node', match: { by: 'interface', name: 'cni0' }, pods: [] },
  { known: 'Pods of the node', match: { by: 'interface-prefix', prefix: 'cni' }, pods: [] },
]

/** Ranges and whom they admit, by family. */
interface Ranges {
  ranges: readonly string[]
  admitted: Readonly<Record<Family, Scenario['admitted']>>
}
const everybody = ['pod here', 'pod elsewhere', 'node', 'outside'] as const
const noRanges: Ranges = { ranges: [], admitted: { ip: undefined, ip6: undefined } }
const rangings: readonly Ranges[] = [
  { ranges: ['198.51.100.0/24'], admitted: { ip: ['outside'], ip6: [] } },
  { ranges: ['2001:db8:64::/64', '2001:db8:64::10/128'], admitted: { ip: [], ip6: ['outside'] } },
  {
    ranges: ['172.18.0.11/32', '10.244.1.0/24', 'fd00:244::/48'],
    admitted: { ip: ['node', 'pod here'], ip6: ['pod here', 'pod elsewhere'] },
  },
  { ranges: ['0.0.0.0/0', '::/0'], admitted: { ip: everybody, ip6: everybody } },
  { ranges: ['192.0.2.0/24', 'fd00:18::11/128'], admitted: { ip: [], ip6: ['node'] } },
]

const addressesOf: Readonly<Record<Family, Readonly<Record<string, string>>>> = {
  ip: {
    node: '172.18.0.11',
    vip: '203.0.113.1',
    proxied: '203.0.113.2',
    external: '192.0.2.99',
    clusterIp: '10.96.0.1',
    outside: '198.51.100.10',
    'pod here': '10.244.1.99',
    'pod elsewhere': '10.244.2.99',
  },
  ip6: {
    node: 'fd00:18::11',
    vip: '2001:db8:113::1',
    proxied: '2001:db8:113::2',
    external: '2001:db8:99::1',
    clusterIp: 'fd00:96::1',
    outside: '2001:db8:64::10',
    'pod here': 'fd00:244:0:1::99',
    'pod elsewhere': 'fd00:244:0:2::99',
  },
}
const at = (family: Family, name: string) => addressesOf[family][name] ?? ''
const targetPort = 8080

function endpointAddress(family: Family, name: string): string {
  const network = endpointsByName[name]?.here ? 1 : 2
  const host = names.indexOf(name) + 1
  return family === 'ip' ? `10.244.${network}.${host}` : `fd00:244:0:${network}::${host}`
}

interface Source {
  fact: SourceFact
  packet: (family: Family) => Pick<Packet, 'source' | 'own' | 'through'>
}
const pod = (who: 'pod here' | 'pod elsewhere', endpoint?: string): Source => ({
  fact: { who, ...(endpoint && { endpoint }) },
  packet: (family) => ({
    source: endpoint ? endpointAddress(family, endpoint) : at(family, who),
    own: false,
    through: who === 'pod here' ? 'cni0' : 'eth0',
  }),
})
const sources: readonly Source[] = [
  pod('pod here'),
  pod('pod here', 'ready here'),
  pod('pod here', 'draining here'),
  pod('pod elsewhere'),
  pod('pod elsewhere', 'ready there'),
  { fact: { who: 'node' }, packet: (family) => ({ source: at(family, 'node'), own: true }) },
  // A load balancer's address may be bound on the node, which then sends from it (reference: source ranges that admit the node).
  { fact: { who: 'node' }, packet: (family) => ({ source: at(family, 'vip'), own: true }) },
  { fact: { who: 'outside' }, packet: (family) => ({ source: at(family, 'outside'), own: false, through: 'eth0' }) },
]

const frontends: Readonly<Record<Scenario['frontend'], (family: Family) => Pick<Packet, 'to' | 'port'>>> = {
  ClusterIP: (family) => ({ to: at(family, 'clusterIp'), port: 80 }),
  'unknown port': (family) => ({ to: at(family, 'clusterIp'), port: 81 }),
  NodePort: (family) => ({ to: at(family, 'node'), port: 30_080 }),
  VIP: (family) => ({ to: at(family, 'vip'), port: 80 }),
  'proxied VIP': (family) => ({ to: at(family, 'proxied'), port: 80 }),
  externalIP: (family) => ({ to: at(family, 'external'), port: 80 }),
}

interface Case {
  internal: TrafficPolicy
  external: TrafficPolicy
  mixture: readonly string[]
  hints: Hints
  detection: Detection
  ranging: Ranges
  externalIps: boolean
  sticky: boolean
}

function sliceOf(family: Family, { mixture, hints }: Case): EndpointSlice {
  return {
    metadata: { namespace: 'default', name: `web-${family}`, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: family === 'ip' ? 'IPv4' : 'IPv6',
    ports: [{ name: '', protocol: 'TCP', port: targetPort }],
    endpoints: mixture.map((name) => {
      const { here = false, state = 'ready' } = endpointsByName[name] ?? {}
      const { zones = [], nodes = [] } = hints(name)
      return {
        addresses: [endpointAddress(family, name)],
        nodeName: here ? 'n1' : 'n2',
        conditions: { ready: states.ready, draining: states.leaving, stopped: states.gone, starting: states.starting }[
          state
        ],
        hints: { forZones: zones.map((each) => ({ name: each })), forNodes: nodes.map((each) => ({ name: each })) },
      }
    }),
  }
}

function serviceOf({ internal, external, ranging, sticky }: Case): Service {
  const both = (name: string) => families.map((family) => at(family, name))
  return {
    ...service({
      type: 'LoadBalancer',
      clusterIPs: both('clusterIp'),
      ports: [{ port: 80, protocol: 'TCP', nodePort: 30_080 }],
      externalIPs: both('external'),
      internalTrafficPolicy: internal,
      externalTrafficPolicy: external,
      sessionAffinity: sticky ? 'ClientIP' : 'None',
      ...(ranging.ranges.length > 0 && { loadBalancerSourceRanges: [...ranging.ranges] }),
    }),
    status: {
      loadBalancer: {
        ingress: [
          ...both('vip').map((ip) => ({ ip })),
          ...both('proxied').map((ip) => ({ ip, ipMode: 'Proxy' as const })),
        ],
      },
    },
  }
}

function field(each: Case): Field {
  const own = families.map((family) => ({ family, text: at(family, 'node') }))
  const node: NodeFacts = {
    nodeName: 'n1',
    zone,
    addresses: own,
    nodePortAddresses: own,
    externalIps: each.externalIps,
    pods: each.detection.pods.flatMap((text) => parseCidr(text) ?? []),
    serviceCidrs: [],
  }
  const { claims } = serviceRules({
    service: serviceOf(each),
    slices: families.map((family) => sliceOf(family, each)),
    node,
    externalPolicy: each.external,
    healthPorts: [],
    previous: new Map(),
    sessionId: (name) => name.replaceAll(' ', '_'),
  })
  const elements: ElementSet = new Map([...claims.values(), ...nodeRules(node).values()].flatMap((group) => [...group]))
  const { match, masqueradeAll = false } = each.detection
  const options: WalkOptions = { local: { ip: match, ip6: match }, masqueradeAll }
  return fieldOf(elements, options)
}

/** Where an endpoint listens to its name, hidden sources included. */
const nameOf = new Map(
  families.flatMap((family) =>
    names.flatMap((name): [string, string][] =>
      ['', ' masq'].map((masq) => [`${endpointAddress(family, name)} . ${targetPort}${masq}`, name + masq]),
    ),
  ),
)

/** As the KEPs name them. */
function named(fate: Fate): Expected {
  return typeof fate === 'string' ? fate : fate.map((target) => nameOf.get(target) ?? target).sort()
}

/** Throws with the first case that is otherwise than expected; gives the number of packets. */
function compare(cases: Iterable<Case>): { packets: number; fates: Map<string, number> } {
  let packets = 0
  const fates = new Map<string, number>()
  for (const each of cases) {
    const { walk } = field(each)
    const endpoints = each.mixture.map((name): EndpointFact => {
      const { zones = [], nodes = [] } = each.hints(name)
      const { here = false, state = 'ready' } = endpointsByName[name] ?? {}
      return { name, here, state, zoneHints: zones, nodeHints: nodes }
    })
    for (const family of families) {
      for (const source of sources) {
        for (const [frontend, place] of Object.entries(frontends)) {
          const scenario: Scenario = {
            frontend: frontend as Scenario['frontend'],
            internal: each.internal,
            external: each.external,
            endpoints,
            source: source.fact,
            admitted: each.ranging.admitted[family],
            detection: each.detection.known,
            masqueradeAll: each.detection.masqueradeAll ?? false,
            externalIps: each.externalIps,
            here: { node: 'n1', zone },
          }
          const fate = named(walk({ ...source.packet(family), ...place(family), protocol: 'tcp' }))
          const expected = expectedFate(scenario)
          packets++
          const kind = typeof expected === 'string' ? expected : 'forward'
          fates.set(kind, (fates.get(kind) ?? 0) + 1)
          if (String(fate) === String(expected)) continue
          assert.deepEqual(
            fate,
            expected,
            `${family} from ${JSON.stringify(source.packet(family))}: ${JSON.stringify(scenario)}`,
          )
        }
      }
    }
  }
  return { packets, fates }
}

function* combinations(more: {
  mixed?: readonly (readonly string[])[]
  hints?: readonly Hints[]
  detections?: readonly Detection[]
  rangings?: readonly Ranges[]
  externalIps?: boolean
  sticky?: boolean
}): Generator<Case> {
  const { hints = [() => ({})], externalIps = true, sticky = false } = more
  for (const mixture of more.mixed ?? plainMixtures)
    for (const internal of policies)
      for (const external of policies)
        for (const hint of hints)
          for (const detection of more.detections ?? [clusterPods])
            for (const ranging of more.rangings ?? [noRanges])
              yield { internal, external, mixture, hints: hint, detection, ranging, externalIps, sticky }
}

const perCase = families.length * sources.length * Object.keys(frontends).length
const base = plainMixtures.length * policies.length ** 2 * perCase

describe('a packet is treated as the KEPs say', () => {
  test('for all policies, endpoint states, hints, sources, frontends and families', () => {
    const { packets, fates } = compare(combinations({ mixed: mixtures, hints: Object.values(hintings) }))
    assert.equal(packets, 344_064)
    assert.equal(packets, (mixtures.length / plainMixtures.length) * base * Object.keys(hintings).length)
    assert.deepEqual([...fates.keys()].sort(), ['drop', 'forward', 'pass', 'reject'])
  })

  test('however Pods are told from others', () => {
    assert.equal(compare(combinations({ detections })).packets, base * detections.length)
  })

  test('with source ranges for some, none and all, of either family', () => {
    assert.equal(compare(combinations({ rangings })).packets, base * rangings.length)
  })

  test('without externalIPs', () => {
    assert.equal(compare(combinations({ externalIps: false })).packets, base)
  })

  test('also where a client is remembered: never at an endpoint that it could not get without', () => {
    const some = Object.values(hintings).slice(0, 2)
    assert.equal(compare(combinations({ sticky: true, hints: some })).packets, base * some.length)
  })
})
