/** What load balancers, the kernel and other programs of the node see of the proxy. */
import { type Behaviour, real, unit } from './behaviour.ts'

const policy = real('policy')
const restart = real('restart')
const conntrack = real('conntrack')
const process = real('process')
const ipvs = real('ipvs')
const iptables = real('iptables-process')

export const nodeBehaviours: readonly Behaviour[] = [
  {
    id: 'healthz',
    point: 2,
    text: '/healthz and /livez: behind with writing, a node that is being removed or carries the taint of the autoscaler (KEP-3836)',
    shown: [
      ...restart('health of the node: 200, 503 with the autoscaler taint, while /livez stays 200'),
      ...unit('health/health')(
        'a change that waits for longer than two sync periods makes it unhealthy, its write makes it healthy',
        "the body is kube-proxy's",
        'a node that is being removed fails /healthz, not /livez, and goes on serving',
        'the body speaks of the families that the node serves',
      ),
      ...iptables('where IPv6 cannot be done, /healthz says nothing of it and IPv4 works'),
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
      ...unit('health/adopted-health-checks')('answer as the previous process did, before any list'),
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
    shown: process(
      'an API server that nothing reaches for a minute: forwarding goes on, and news work within 3 s after it is back',
    ),
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
]
