/** What Services mean to packets. */
import { type Behaviour, real, unit } from './behaviour.ts'

const clusterIp = real('cluster-ip')
const external = real('external')
const addresses = real('addresses')
const refusal = real('refusal')
const affinity = real('affinity')
const topology = real('topology')
const process = real('process')
const walk = unit('rules/packet-walk')
const everyPacket = walk('for all policies, endpoint states, hints, sources, frontends and families')

export const serviceBehaviours: readonly Behaviour[] = [
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
    shown: [
      ...real('sctp')(
        'an association with a ClusterIP, a node port and a load balancer address is translated there and back',
      ),
      ...real('sctp-sockets')(
        'associations carry data through a ClusterIP and a node port, of both families',
        'under policy Local a node port leads to the endpoint of the node, which sees who asks',
      ),
    ],
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
    text: 'Services of another proxy (service-proxy-name) and headless ones are left alone, and ClusterIPs that something else answers untracked (NodeLocal DNSCache)',
    shown: [
      ...clusterIp('a Service that another proxy serves, and a headless one, are left alone'),
      ...refusal('a ClusterIP that something on the node answers untracked (NodeLocal DNSCache) is left to it'),
    ],
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
      ...unit('rules/slots')('above the limit, who has a slot keeps it'),
    ],
  },
]
