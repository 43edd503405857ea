/**
 * What the proxy does, and the tests that show it: docs/reference/proxy.md is made from this and from what a run of the tests found
 * (scripts/reference/proxy.ts). A test is named by its title; a `*` stands for what a title puts in. Whoever renames a test renames it here.
 */
import type { ModeName } from '../../proxy/mode-names.ts'

export interface Shown {
  file: string
  title: string
  /** Which modes it is about, where neither its suite nor its file says it and it is not about all. */
  modes?: readonly ModeName[]
}

export interface Behaviour {
  /** Lower case with hyphens; unique. */
  id: string
  point: keyof typeof points
  text: string
  shown: readonly Shown[]
  /** Nothing in it depends on the mode: a test in one of them counts for all. */
  sameCode?: true
  /** Why a mode has no test of it. A test that is there and skipped gives its own reason. */
  lacking?: Partial<Record<ModeName, string>>
}

export const points = {
  1: 'Services',
  2: 'Health',
  3: 'Connection tracking and kernel settings',
  4: 'Restarts, and changes made by others',
  5: 'Configuration and metrics',
  6: 'Changes of externalTrafficPolicy',
  7: 'Modes',
  8: 'Writing the rules',
} as const

const of =
  (file: string) =>
  (...titles: readonly string[]): Shown[] =>
    titles.map((title) => ({ file, title }))

const real = (name: string) => of(`integration/proxy/${name}.test.ts`)
const unit = (name: string) => of(`proxy/${name}.test.ts`)

const clusterIp = real('cluster-ip')
const external = real('external')
const addresses = real('addresses')
const refusal = real('refusal')
const affinity = real('affinity')
const topology = real('topology')
const policy = real('policy')
const restart = real('restart')
const conntrack = real('conntrack')
const process = real('process')
const ipvs = real('ipvs')
const iptables = real('iptables-process')
const walk = unit('packet-walk')
const everyPacket = walk('for all policies, endpoint states, hints, sources, frontends and families')

export const behaviours: readonly Behaviour[] = [
  {
    id: 'cluster-ip',
    point: 1,
    text: 'A ClusterIP leads to all ready endpoints, over TCP and UDP, IPv4 and IPv6, from Pods and nodes',
    shown: [...clusterIp('a Pod reaches all ready endpoints, over IPv4 and IPv6, TCP and UDP'), ...everyPacket],
  },
  {
    id: 'sctp',
    point: 1,
    text: 'SCTP through ClusterIPs, node ports and load balancer addresses',
    shown: real('sctp')(
      'an association with a ClusterIP, a node port and a load balancer address is translated there and back',
    ),
  },
  {
    id: 'node-port',
    point: 1,
    text: 'Node ports on every node, TCP and UDP; a change of the number closes the old one',
    shown: external(
      'policy Cluster: every node port leads to all endpoints and hides the client',
      'UDP through node ports and load balancer addresses',
      'a node port edit opens the new port and closes the old one; the type change closes everything',
    ),
  },
  {
    id: 'node-port-addresses',
    point: 1,
    text: 'Node ports on the primary addresses, on networks that are given, or on all addresses as they come and go',
    shown: addresses(
      'node ports are answered on the primary addresses only',
      'node ports are answered on all addresses, and on one that comes until it goes',
      'node ports are answered on the networks that are given',
    ),
  },
  {
    id: 'load-balancer-address',
    point: 1,
    text: 'Load balancer addresses (ipMode VIP) are answered on the node, with and without node ports',
    shown: external(
      'a load balancer address is answered on the node it is sent to, without any node port',
      'policy Local without node ports (passthrough) keeps the client address',
    ),
  },
  {
    id: 'ip-mode-proxy',
    point: 1,
    text: 'Addresses with ipMode Proxy are left to the load balancer (KEP-1860)',
    shown: external('an address with ipMode Proxy is not caught; the load balancer gets the packets'),
  },
  {
    id: 'external-ips',
    point: 1,
    text: 'externalIPs where they are switched on, with both policies; off by default',
    shown: addresses(
      'externalIPs are answered where that is switched on, from outside, Pods and the node, and not elsewhere',
      'externalIPs under policy Local keep the client address and use endpoints of the node',
    ),
  },
  {
    id: 'hairpin',
    point: 1,
    text: 'A Pod reaches itself through its own Service',
    shown: [
      ...clusterIp('a Pod reaches itself, seen as its node'),
      ...external('a Pod that is an endpoint reaches itself through the load balancer address'),
    ],
  },
  {
    id: 'masquerade',
    point: 1,
    text: 'Sources are hidden only where answers would go astray; the mark does not leave the node',
    shown: [
      ...clusterIp('Pods are seen with their own address, a node and an outsider are masqueraded to reach a ClusterIP'),
      ...external('the masquerade mark does not leave the node'),
      ...walk('however Pods are told from others'),
    ],
  },
  {
    id: 'local-detection',
    point: 1,
    text: 'Pods are told from others by cluster CIDR, node CIDR, bridge or interface name prefix; --masquerade-all (KEP-2450)',
    shown: real('local-detection')(
      'by cluster CIDR every Pod is local, wherever it runs',
      'by node CIDR only Pods of this node are',
      'by interface name prefix whoever comes in by such an interface is',
      'by bridge interface whoever comes in by it is',
      'with everything masqueraded nobody is seen as itself',
    ),
  },
  {
    id: 'external-policy-local',
    point: 1,
    text: 'externalTrafficPolicy Local keeps the client address and stays on the node; without an endpoint there, outsiders get silence and insiders all endpoints',
    shown: [
      ...external(
        'policy Local keeps the client address and uses endpoints of the node only',
        'policy Local with no endpoint on the node: outsiders get silence, Pods and the node get all endpoints',
      ),
      ...everyPacket,
    ],
  },
  {
    id: 'internal-policy-local',
    point: 1,
    text: 'internalTrafficPolicy Local: endpoints of the node only (KEP-2086)',
    shown: clusterIp('internalTrafficPolicy Local: only endpoints of the own node, silence where there are none'),
  },
  {
    id: 'terminating',
    point: 1,
    text: 'Endpoints that end and still serve are the last resort, under either policy (KEP-1669)',
    shown: [
      ...clusterIp('endpoints that are not ready get nothing; serving terminating ones are the last resort'),
      ...external('policy Local falls back to terminating endpoints of the node that still serve'),
      ...everyPacket,
    ],
  },
  {
    id: 'topology',
    point: 1,
    text: 'Hints for nodes and zones keep connections near, as trafficDistribution makes them, or are ignored as a whole (KEP-2433, KEP-4444, KEP-3015)',
    shown: [
      ...topology(
        'connections stay in the zone that endpoints are hinted for, from Pods, nodes and outside, TCP and UDP',
        'a hint for the node goes before one for its zone, and counts where every endpoint has one',
        'trafficDistribution PreferClose, PreferSameZone and PreferSameNode keep connections near, and can be changed',
        'an endpoint without a hint makes hints count for nothing, until it has one',
        'where no endpoint is hinted for the zone, all get connections',
        'endpoints that are not ready have no say; when the last one of the zone goes, all others get connections',
        'the zone of a Node is followed; a Node without one uses all endpoints',
        'policy Local does not know hints: the endpoints of the node count, and for Pods and the node those that are near',
      ),
      ...everyPacket,
    ],
  },
  {
    id: 'affinity',
    point: 1,
    text: 'A client keeps its endpoint, over both families, under policy Local, and across the addresses of a Service port',
    shown: [
      ...affinity(
        'one client keeps one endpoint, over IPv4, IPv6 and UDP',
        'with policy Local the client keeps an endpoint of the node',
        'a client keeps its endpoint across the addresses of a Service port',
      ),
      ...walk('also where a client is remembered: never at an endpoint that it could not get without'),
    ],
  },
  {
    id: 'affinity-timeout',
    point: 1,
    text: 'The memory ends after the time of the Service without connections, and can be switched while the Service lives',
    shown: affinity(
      'the memory ends after its time without connections',
      'connections keep the memory alive',
      'it can be switched off and on while the Service lives',
    ),
  },
  {
    id: 'affinity-purge',
    point: 1,
    text: 'An endpoint that leaves is forgotten at once',
    shown: affinity(
      'an endpoint that leaves is forgotten, one that stays is kept, and so is what other Services remember',
    ),
  },
  {
    id: 'source-ranges',
    point: 1,
    text: 'loadBalancerSourceRanges hold at load balancer addresses and nowhere else, in both families',
    shown: [
      ...external('source ranges hold for load balancer addresses and not for node ports, and can be edited'),
      ...walk('with source ranges for some, none and all, of either family'),
    ],
  },
  {
    id: 'refused-without-endpoints',
    point: 1,
    text: 'Without an endpoint anywhere, connections are refused at every frontend, from everywhere',
    shown: [
      ...clusterIp('no endpoint: TCP and UDP are refused, from Pods and from nodes, and work as soon as there is one'),
      ...external('no endpoint anywhere: refused at every frontend, TCP and UDP'),
      ...refusal("a node's own connection to a load balancer address without endpoints is refused"),
    ],
  },
  {
    id: 'refused-unknown-port',
    point: 1,
    text: 'A port of a ClusterIP that the Service does not have is refused',
    shown: clusterIp('a port that the Service does not have is refused'),
  },
  {
    id: 'refused-unallocated',
    point: 1,
    text: 'ClusterIPs that no Service has are refused; the ranges come from ServiceCIDR objects',
    shown: refusal(
      'a ClusterIP that no Service has is refused, from Pods, the node and outside, TCP and UDP',
      'ranges are read from ServiceCIDR objects and followed',
      'a ping to a ClusterIP is not answered with a refusal',
    ),
  },
  {
    id: 'early-connection',
    point: 1,
    text: 'A connection that was tried before its Service existed does not block its source port',
    shown: refusal(
      'a connection tried at a ClusterIP before its Service exists works from the same port as soon as it does',
      'a connection tried at a node port before its Service exists works from the same port as soon as it does',
      'a connection tried at a load balancer address before the node knows it works from the same port soon after',
    ),
  },
  {
    id: 'others-services',
    point: 1,
    text: 'Services of another proxy (service-proxy-name) and headless ones are left alone',
    shown: clusterIp('a Service that another proxy serves, and a headless one, are left alone'),
  },
  {
    id: 'slice-moves',
    point: 1,
    text: 'A slice whose service-name is edited leaves its Service; a deleted Service stops answering',
    shown: clusterIp(
      'a slice that changes its Service is taken from one and given to the other',
      'a deleted Service stops answering',
    ),
  },
  {
    id: 'local-node-ports',
    point: 1,
    text: 'Node ports on loopback addresses, both families, by a listener of the process',
    shown: [
      ...process('node ports on 127.0.0.1 and ::1 lead to endpoints on every node and go with the Service'),
      ...unit('local-node-ports')(
        'in each family of the Service; where the kernel has no node port, to the ClusterIP',
        'closed when the Service goes; what is under way goes on',
      ),
    ],
    sameCode: true,
  },
  {
    id: 'many-endpoints',
    point: 1,
    text: '1,000 endpoints for a Service, there and back without a failed connection; of more, 1,000 get traffic and an event says so',
    shown: [
      ...real('many-endpoints')(
        'a Service grows from 3 to 1,000 endpoints and shrinks again; no connection fails, the tables are not swapped',
        'of more than 1,000 endpoints 1,000 get traffic, and an event says so',
      ),
      ...unit('slots')('above the limit, who has a slot keeps it'),
    ],
  },
  {
    id: 'healthz',
    point: 2,
    text: '/healthz and /livez: behind with writing, a node that is being removed or carries the taint of the autoscaler (KEP-3836)',
    shown: [
      ...restart('health of the node: 200, 503 with the autoscaler taint, while /livez stays 200'),
      ...unit('health')(
        'a change that waits for longer than two sync periods makes it unhealthy, its write makes it healthy',
        "the body is kube-proxy's",
        'a node that is being removed fails /healthz, not /livez, and goes on serving',
      ),
      ...process(
        'restarted while the API server is away, it forwards by what it finds and its node stays with load balancers',
      ),
    ],
    sameCode: true,
  },
  {
    id: 'health-check-node-port',
    point: 2,
    text: 'Health check node ports with the number of endpoints, on every address family',
    shown: [
      ...policy('the health check node port says how many ready endpoints the node has'),
      ...process('killed and started again, health check node ports answer before the lists have come'),
      ...unit('adopted-health-checks')('answer as the previous process did, before any list'),
    ],
  },
  {
    id: 'port-taken',
    point: 2,
    text: 'A port that cannot be opened gives one event, and is opened when it is free',
    shown: [
      ...policy('a health check node port that is taken gives one event'),
      ...process('ports that another program has are told by Events, and opened when they are free'),
    ],
  },
  {
    id: 'stale-udp',
    point: 3,
    text: 'UDP clients leave endpoints that are gone: after changes, at scale to zero, when the Service, a node port or an address goes',
    shown: conntrack(
      'reach the endpoint that replaces theirs, nobody without endpoints, the one that comes back, and nobody without the Service',
      'lose a node port and a load balancer address that the Service gives up, and reach the new ones',
    ),
  },
  {
    id: 'stale-udp-target-port',
    point: 3,
    text: 'Also when only the target port changes',
    shown: conntrack('follow a target port that changes while the addresses stay'),
  },
  {
    id: 'udp-before-service',
    point: 3,
    text: 'UDP clients that began before their Service reach it when it comes',
    shown: conntrack('who began before the Service was there reach it when it comes'),
  },
  {
    id: 'flows-kept',
    point: 3,
    text: 'Flows to endpoints that serve are never touched, also by a restart',
    shown: conntrack(
      'stay where they are while their endpoint serves: leaving, out of policy, and among new ones',
      'notice nothing of a restart, but reach what has changed while the proxy was away',
    ),
  },
  {
    id: 'flows-cost',
    point: 3,
    text: 'The table is filtered in the kernel and off the way of the rules: 50,000 flows of others slow nothing down',
    shown: [
      ...conntrack('are not slowed down by 50,000 flows of others, of which none is lost'),
      ...real('flows')('*: of random flows the stale ones go and no other'),
    ],
  },
  {
    id: 'invalid-packets',
    point: 3,
    text: 'Packets that conntrack calls invalid do not reset connections',
    shown: real('invalid')(
      'a segment out of the window does not reset the connection of a Pod or of the node',
      'without the rules for it the same segment resets the connection',
    ),
  },
  {
    id: 'sysctls',
    point: 3,
    text: 'Kernel settings of conntrack as kube-proxy sets them; limits are only raised',
    shown: unit('sysctls')(
      "kube-proxy's defaults",
      'limits are only raised, others are set, what is right is not written',
    ),
  },
  {
    id: 'restart',
    point: 4,
    text: 'Ended or killed and started again: no failed request, and only what differs is written',
    shown: [
      ...restart(
        '0 requests fail while it is ended by * and started again, and nothing is written',
        'what changed while it was away is written when it is back',
      ),
      ...iptables('0 requests fail while it is ended by * and started again, and nothing is written'),
      ...ipvs('a proxy that starts again takes over what is there: 0 requests fail and nothing is written'),
    ],
  },
  {
    id: 'version-change',
    point: 4,
    text: 'Rules of another release or with other options are swapped without losing a connection',
    shown: real('many-endpoints')(
      'tables of another release or with other options are swapped without losing a connection',
    ),
  },
  {
    id: 'api-outage',
    point: 4,
    text: 'Within 3 s after an outage of the API server the next Service works',
    shown: process('an API server that nothing reaches for 20 s: its next Service works within 3 s after it is back'),
    sameCode: true,
  },
  {
    id: 'any-order',
    point: 4,
    text: 'News that are late, out of order or lost leave the rules that the objects ask for',
    shown: unit('any-order')(
      'random Services, slices and nodes, edited, moved, deleted and made again, told late, in any order, or not at all',
    ),
  },
  {
    id: 'foreign-changes',
    point: 4,
    text: 'Rules that somebody else changes or flushes are restored, within a second where the kernel tells',
    shown: [
      ...real('foreign-changes')(
        '* is undone within a second',
        'changes of tables that are not ours cost nothing',
        'what the proxy writes itself is not taken for somebody else',
      ),
      ...iptables('* is undone', 'rules of others, in front of ours as well, stay where they are and cost nothing'),
      ...ipvs('* that somebody takes away comes back'),
    ],
  },
  {
    id: 'one-proxy',
    point: 4,
    text: 'A second proxy on the node refuses to start',
    shown: [
      ...restart('a second proxy on the node refuses to start in one line'),
      ...process('a second one is refused whatever ports it was given'),
    ],
    sameCode: true,
  },
  {
    id: 'configuration',
    point: 5,
    text: "kube-proxy's flags and KubeProxyConfiguration; what has no meaning here is named",
    shown: [
      ...process('a configuration file takes the place of flags, and what does not count is named'),
      ...unit('config')(
        "kubeadm's works as it is, without a word",
        'every field that has a meaning is read',
        'unknown fields and those without a meaning are named',
        "kube-proxy's flags without a meaning here are taken, and named",
      ),
    ],
    sameCode: true,
  },
  {
    id: 'configuration-changes',
    point: 5,
    text: 'A changed configuration file is noticed; one that would not start changes nothing',
    shown: [
      ...process('another content of the file ends the process, one that would not start does not'),
      ...unit('follow-file')('a content that would not start is said once and changes nothing'),
    ],
    sameCode: true,
  },
  {
    id: 'init-only',
    point: 5,
    text: '--init-only sets the kernel and ends',
    shown: process('--init-only sets the kernel and ends; --cleanup removes the rules'),
    sameCode: true,
  },
  {
    id: 'metrics',
    point: 5,
    text: "Metrics with kube-proxy's names, labels and meaning; /proxyMode",
    shown: [
      ...unit('metrics')('kubeproxy_*{*}', 'failures are counted under the name of the mode'),
      ...unit('programming')('runs from the trigger to the write, by family'),
      ...restart('metrics and mode are served on the loopback address'),
    ],
    sameCode: true,
  },
  {
    id: 'policy-flip',
    point: 6,
    text: 'With our operator, packets follow a policy when the load balancer does, in both directions, also over a restart',
    shown: policy(
      'Cluster to Local: the health check answers at once, packets go everywhere until the announcement',
      'Local to Cluster: packets go everywhere at once, the old health check answers until the announcement',
      'a proxy that restarts in the middle of either change goes on with it',
    ),
  },
  {
    id: 'policy-grace',
    point: 6,
    text: 'Without an announcement the grace time ends the wait; for Services of others the spec counts at once',
    shown: policy(
      'without the announcement the grace time ends both waits',
      'without an announcer both changes take effect at once',
    ),
  },
  {
    id: 'mode-change',
    point: 7,
    text: 'A change of the mode removes the rules of the other one, without a failed request',
    shown: real('mode-switch')('from * to *: 0 requests fail, and the rules of * are gone'),
  },
  {
    id: 'cleanup',
    point: 7,
    text: '--cleanup removes the rules of every mode, and nothing else',
    shown: [
      ...real('mode-switch')('--cleanup removes the rules of every mode, and may be repeated').map((shown) => ({
        ...shown,
        modes: ['nftables', 'iptables'] as const,
      })),
      ...ipvs('--cleanup removes what is ours and nothing else'),
    ],
  },
  {
    id: 'mode-refused',
    point: 7,
    text: 'A mode that the machine cannot do ends the start with one line that says what to do',
    shown: real('mode-switch')('*: the proxy ends at once with one line that says what to do'),
  },
  {
    id: 'writers',
    point: 8,
    text: 'Netlink and nft text leave the same rules and take over from one another; where netlink does not work, text is used and says so',
    shown: [
      ...real('writers')('list the same after any sequence of changes', 'what one has written the other takes over'),
      ...of('proxy/nftables/choose-writer.test.ts')(
        'is nft text without koffi, and one line says so',
        'is nft text where the kernel permits no netlink, and the socket is closed',
      ),
    ],
    lacking: { iptables: 'written by iptables-restore alone', ipvs: 'written by ipvsadm alone' },
  },
  {
    id: 'refused-batch',
    point: 8,
    text: 'A batch that the kernel refuses changes nothing: a full map, too many notifications, an end in the middle',
    shown: real('writers')(
      'a refused change names the element and the error, and nothing of it happens',
      'a map that is full is an error with its name',
      'more notifications than fit are noticed as a change',
      'killed in the middle of writing, it leaves what was or what should be, nothing between',
    ),
    lacking: { iptables: 'there are no maps of a limited size', ipvs: 'there are no maps of a limited size' },
  },
  {
    id: 'readable',
    point: 8,
    text: 'The rules load, list and load again from their own listing (nft checks them first); iptables reads back what was written',
    shown: [
      ...real('ruleset')('*: passes the check, loads, lists, and loads again from its own listing'),
      ...real('iptables')('*, *: passes the test, is written, and read back by another process'),
    ],
    lacking: { ipvs: 'the kernel lists servers, there is no text to load' },
  },
]
