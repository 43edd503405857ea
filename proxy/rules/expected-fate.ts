/**
 * For tests: what must happen to a packet for a Service, written down from the enhancement proposals (KEPs), the Service API and
 * kube-proxy's documented behaviour, in their own terms. It knows nothing of rules.ts, of elements or of address arithmetic:
 * who is where, and who is admitted, is part of the scenario. Rulings are read from the top; the first that applies decides.
 */
import type { TrafficPolicy } from '../../kube/objects.ts'

export interface EndpointFact {
  /** How the endpoint is told in the result. */
  name: string
  here: boolean
  /** `draining`: terminating and serving. `stopped`: terminating, not serving. `starting`: neither ready nor serving. */
  state: 'ready' | 'draining' | 'stopped' | 'starting'
  zoneHints: readonly string[]
  nodeHints: readonly string[]
}

export interface SourceFact {
  who: 'pod here' | 'pod elsewhere' | 'node' | 'outside'
  /** The endpoint that it is. */
  endpoint?: string
}

export interface Scenario {
  frontend: 'ClusterIP' | 'unknown port' | 'NodePort' | 'VIP' | 'proxied VIP' | 'externalIP'
  internal: TrafficPolicy
  external: TrafficPolicy
  endpoints: readonly EndpointFact[]
  source: SourceFact
  /** Who may use the load balancer's address; undefined: there are no ranges. */
  admitted: readonly SourceFact['who'][] | undefined
  /** What the proxy knows of who is a Pod. */
  detection: 'nothing' | 'Pods of the cluster' | 'Pods of the node'
  masqueradeAll: boolean
  externalIps: boolean
  here: { node: string; zone: string | undefined }
}

/** Names of endpoints, with ` masq` where the source is hidden. Sorted. */
export type Expected = 'pass' | 'reject' | 'drop' | readonly string[]

interface Ruling {
  from: string
  when: (s: Scenario) => boolean
  ruled: 'pass' | 'reject' | 'drop' | 'node' | 'cluster'
}

const rulings: readonly Ruling[] = [
  {
    from: 'KEP-1860: an address whose ipMode is Proxy is reached through the load balancer, nodes leave it alone',
    when: (s) => s.frontend === 'proxied VIP',
    ruled: 'pass',
  },
  {
    from: 'KEP-5707: externalIPs are served where an administrator says so',
    when: (s) => s.frontend === 'externalIP' && !s.externalIps,
    ruled: 'pass',
  },
  {
    from: 'KEP-3866: what is sent to a ClusterIP on a port of no Service is refused',
    when: (s) => s.frontend === 'unknown port',
    ruled: 'reject',
  },
  {
    from: 'Service API: loadBalancerSourceRanges restrict traffic through the load balancer, and nothing else',
    when: (s) => s.frontend === 'VIP' && s.admitted !== undefined && !s.admitted.includes(s.source.who),
    ruled: 'drop',
  },
  {
    from: 'KEP-3866: a Service that nobody serves refuses connections, whatever its policies',
    when: (s) => !s.endpoints.some(canServe),
    ruled: 'reject',
  },
  {
    from: 'KEP-2086: internalTrafficPolicy Local without an endpoint on the node drops',
    when: (s) => s.frontend === 'ClusterIP' && s.internal === 'Local' && onNode(s).length === 0,
    ruled: 'drop',
  },
  {
    from: 'KEP-2086: internalTrafficPolicy Local uses endpoints of the node, and is about the ClusterIP only',
    when: (s) => s.frontend === 'ClusterIP' && s.internal === 'Local',
    ruled: 'node',
  },
  {
    from: 'KEP-2086: internalTrafficPolicy Cluster uses all',
    when: (s) => s.frontend === 'ClusterIP',
    ruled: 'cluster',
  },
  {
    from: 'Service API: externalTrafficPolicy Cluster uses all',
    when: (s) => s.external === 'Cluster',
    ruled: 'cluster',
  },
  {
    from: 'kube-proxy, short circuit: what comes from inside was never external traffic, externalTrafficPolicy Local does not bind it',
    when: (s) => s.source.who === 'node' || isKnownPod(s),
    ruled: 'cluster',
  },
  {
    from: 'Service API: externalTrafficPolicy Local drops where the node has no endpoint',
    when: (s) => onNode(s).length === 0,
    ruled: 'drop',
  },
  { from: 'Service API: externalTrafficPolicy Local uses endpoints of the node', when: () => true, ruled: 'node' },
]

interface Masquerading {
  from: string
  when: (s: Scenario, endpoint: EndpointFact) => boolean
}

const masquerading: readonly Masquerading[] = [
  {
    from: 'a Pod that reaches itself would discard the answer of its own address (hairpin); that is for its own node to do',
    when: (s, endpoint) => endpoint.here && s.source.endpoint === endpoint.name,
  },
  {
    from: 'KEP-3866: the answer to external traffic must come back this way where the endpoint may be elsewhere',
    when: (s) => s.frontend !== 'ClusterIP' && s.external === 'Cluster',
  },
  {
    from: 'externalTrafficPolicy Local: of internal traffic only the node itself is hidden; its address may be the load balancer’s',
    when: (s) => s.frontend !== 'ClusterIP' && s.source.who === 'node',
  },
  {
    from: 'kube-proxy --masquerade-all: everything to ClusterIPs',
    when: (s) => s.frontend === 'ClusterIP' && s.masqueradeAll,
  },
  {
    from: 'KEP-2450: ClusterIPs are for Pods; others are hidden, where Pods can be told from others',
    when: (s) => s.frontend === 'ClusterIP' && s.detection !== 'nothing' && !isKnownPod(s),
  },
]

export function expectedFate(s: Scenario): Expected {
  const ruling = rulings.find(({ when }) => when(s))?.ruled ?? 'drop'
  if (ruling !== 'node' && ruling !== 'cluster') return ruling
  const endpoints = ruling === 'node' ? onNode(s) : acrossCluster(s)
  return endpoints
    .map((endpoint) => (masquerading.some(({ when }) => when(s, endpoint)) ? `${endpoint.name} masq` : endpoint.name))
    .sort()
}

/** KEP-2450: how the proxy knows a Pod. */
function isKnownPod({ source, detection }: Scenario): boolean {
  if (detection === 'nothing') return false
  return source.who === 'pod here' || (source.who === 'pod elsewhere' && detection === 'Pods of the cluster')
}

function canServe({ state }: EndpointFact): boolean {
  return state === 'ready' || state === 'draining'
}

/** KEP-1669: ready ones, and where there is none of these, those that still serve while they end. */
function preferred(endpoints: readonly EndpointFact[]): EndpointFact[] {
  const ready = endpoints.filter(({ state }) => state === 'ready')
  return ready.length > 0 ? ready : endpoints.filter(({ state }) => state === 'draining')
}

/** KEP-1669: the choice is made among the node's own, whatever others there are. Hints play no part (KEP-2433). */
function onNode({ endpoints }: Scenario): EndpointFact[] {
  return preferred(endpoints.filter(({ here }) => here))
}

/** KEP-2433 and KEP-3015: hints are followed when every ready endpoint has one and one is for us; the node's before the zone's. */
function acrossCluster({ endpoints, here }: Scenario): EndpointFact[] {
  const chosen = preferred(endpoints)
  const ready = chosen.filter(({ state }) => state === 'ready')
  if (ready.length === 0) return chosen
  const hintsFor: [string | undefined, (endpoint: EndpointFact) => readonly string[]][] = [
    [here.node, (endpoint) => endpoint.nodeHints],
    [here.zone, (endpoint) => endpoint.zoneHints],
  ]
  for (const [place, hints] of hintsFor) {
    if (place === undefined || ready.some((endpoint) => hints(endpoint).length === 0)) continue
    const ours = ready.filter((endpoint) => hints(endpoint).includes(place))
    if (ours.length > 0) return ours
  }
  return ready
}
