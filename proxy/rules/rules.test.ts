/** What happens to a packet, by policy, endpoint state and source: the table of kube-proxy's rules (KEP-1669, KEP-2086, KEP-1860). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice, Service, TrafficPolicy } from '../../kube/objects.ts'
import type { ElementId, ElementSet } from './elements.ts'
import { type Fate, fieldOf, type Packet } from './packet-walk.ts'
import { type NodeFacts, serviceRules } from './rules.ts'
import { type EndpointSpec, here, node, service, slice, states, there } from './testing.ts'

function elements(
  of: Service,
  slices: readonly EndpointSlice[],
  externalPolicy: TrafficPolicy = of.spec.externalTrafficPolicy ?? 'Cluster',
  at: NodeFacts = node,
): Map<ElementId, string> {
  const { claims } = serviceRules({
    service: of,
    slices,
    node: at,
    externalPolicy,
    healthPorts: [],
    previous: new Map(),
    sessionId: (name) => name.replaceAll(' ', '_'),
  })
  return new Map([...claims.values()].flatMap((group) => [...group]))
}

const sources = {
  pod: { source: '10.244.1.9', own: false, through: 'cni0' },
  node: { source: '172.18.0.11', own: true },
  outside: { source: '198.51.100.10', own: false, through: 'eth0' },
} as const satisfies Record<string, Pick<Packet, 'source' | 'own' | 'through'>>
type Source = keyof typeof sources

const cni = { by: 'interface', name: 'cni0' } as const

function walk(set: ElementSet, packet: Omit<Packet, 'protocol'> & Partial<Packet>): Fate {
  return fieldOf(set, { local: { ip: cni, ip6: cni }, masqueradeAll: false }).walk({ protocol: 'tcp', ...packet })
}

/** `L` is on this node, `R` on another; the letter after it is the state. */
const endpoints: Record<string, EndpointSpec> = {
  Lr: { ip: '10.244.1.1', on: here, conditions: states.ready },
  Lt: { ip: '10.244.1.2', on: here, conditions: states.leaving },
  Ls: { ip: '10.244.1.3', on: here, conditions: states.starting },
  Rr: { ip: '10.244.2.1', on: there, conditions: states.ready },
  Rt: { ip: '10.244.2.2', on: there, conditions: states.leaving },
  Rg: { ip: '10.244.2.3', on: there, conditions: states.gone },
}
const nameOf = (address: string) => Object.keys(endpoints).find((name) => address === endpoints[name]?.ip) ?? address

function fate(found: Fate): string {
  if (typeof found === 'string') return found
  const hidden = found.some((target) => target.endsWith(' masq'))
  return found.map((target) => nameOf(target.split(' ')[0] ?? '')).join('+') + (hidden ? ' masq' : '')
}

describe('ClusterIP', () => {
  // internal policy, endpoints, then the fate of a packet from a Pod, from the node, from outside
  const table: [TrafficPolicy, string, string, string, string][] = [
    ['Cluster', 'Lr Rr', 'Lr+Rr', 'Lr+Rr masq', 'Lr+Rr masq'],
    ['Cluster', 'Lt Rr', 'Rr', 'Rr masq', 'Rr masq'],
    ['Cluster', 'Lt Rt Ls', 'Lt+Rt', 'Lt+Rt masq', 'Lt+Rt masq'],
    ['Cluster', 'Ls Rg', 'reject', 'reject', 'reject'],
    ['Cluster', '', 'reject', 'reject', 'reject'],
    ['Local', 'Lr Rr', 'Lr', 'Lr masq', 'Lr masq'],
    ['Local', 'Lt Rr', 'Lt', 'Lt masq', 'Lt masq'],
    ['Local', 'Ls Rr', 'drop', 'drop', 'drop'],
    ['Local', 'Rr', 'drop', 'drop', 'drop'],
    ['Local', '', 'reject', 'reject', 'reject'],
  ]
  for (const [policy, names, ...fates] of table) {
    test(`policy ${policy}, endpoints ${names || 'none'}`, () => {
      const set = elements(service({ internalTrafficPolicy: policy }), [slice(pick(names))])
      assert.deepEqual(
        (['pod', 'node', 'outside'] as Source[]).map((from) =>
          fate(walk(set, { ...sources[from], to: '10.96.0.1', port: 80 })),
        ),
        fates,
      )
    })
  }

  test('an unknown port is refused, another protocol too', () => {
    const set = elements(service(), [slice(pick('Lr'))])
    assert.equal(walk(set, { ...sources.pod, to: '10.96.0.1', port: 81 }), 'reject')
    assert.equal(walk(set, { ...sources.pod, to: '10.96.0.1', port: 80, protocol: 'udp' }), 'reject')
  })
})

describe('load balancer address and node port', () => {
  const table: [TrafficPolicy, string, string, string, string][] = [
    ['Cluster', 'Lr Rr', 'Lr+Rr masq', 'Lr+Rr masq', 'Lr+Rr masq'],
    ['Cluster', 'Lt Rt', 'Lt+Rt masq', 'Lt+Rt masq', 'Lt+Rt masq'],
    ['Cluster', '', 'reject', 'reject', 'reject'],
    ['Local', 'Lr Rr', 'Lr+Rr', 'Lr+Rr masq', 'Lr'],
    ['Local', 'Lt Rr', 'Rr', 'Rr masq', 'Lt'],
    ['Local', 'Lr Lt Rr', 'Lr+Rr', 'Lr+Rr masq', 'Lr'],
    ['Local', 'Rr', 'Rr', 'Rr masq', 'drop'],
    ['Local', 'Ls Rt', 'Rt', 'Rt masq', 'drop'],
    ['Local', 'Ls Rg', 'reject', 'reject', 'reject'],
  ]
  const balanced = (policy: TrafficPolicy, more: Partial<Service['spec']> = {}): Service => ({
    ...service({
      type: 'LoadBalancer',
      externalTrafficPolicy: policy,
      ports: [{ port: 80, protocol: 'TCP', nodePort: 30_080 }],
      ...more,
    }),
    status: {
      loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { ip: '203.0.113.2', ipMode: 'Proxy' }, { hostname: 'x' }] },
    },
  })
  for (const [policy, names, ...fates] of table) {
    test(`policy ${policy}, endpoints ${names || 'none'}`, () => {
      const set = elements(balanced(policy), [slice(pick(names))])
      for (const [to, port] of [
        ['203.0.113.1', 80],
        ['172.18.0.11', 30_080],
      ] as const) {
        assert.deepEqual(
          (['pod', 'node', 'outside'] as Source[]).map((from) => fate(walk(set, { ...sources[from], to, port }))),
          fates,
        )
      }
    })
  }

  test('the policy in force counts, not the one in the spec', () => {
    const set = elements(balanced('Local'), [slice(pick('Lr Rr'))], 'Cluster')
    assert.equal(fate(walk(set, { ...sources.outside, to: '203.0.113.1', port: 80 })), 'Lr+Rr masq')
  })

  test('an address with ipMode Proxy is not caught', () => {
    const set = elements(balanced('Cluster'), [slice(pick('Lr'))])
    assert.equal(walk(set, { ...sources.pod, to: '203.0.113.2', port: 80 }), 'pass')
  })

  test('source ranges hold at the address only; ranges inside others and of the other family are passed over', () => {
    const ranges = ['198.51.100.0/24', '198.51.100.7/32', ' 10.0.0.0/8 ', '2001:db8::/32']
    const set = elements(balanced('Cluster', { loadBalancerSourceRanges: ranges }), [slice(pick('Lr'))])
    const at = (source: string, to = '203.0.113.1', port = 80) =>
      fate(walk(set, { ...sources.outside, source, to, port }))
    assert.equal(at('198.51.100.10'), 'Lr masq')
    assert.equal(at('10.9.8.7'), 'Lr masq')
    assert.equal(at('192.0.2.1'), 'drop')
    assert.equal(at('192.0.2.1', '172.18.0.11', 30_080), 'Lr masq')
    assert.equal([...set.keys()].filter((id) => id.includes(' fw-allow ')).length, 2)
  })

  test('who admits the node admits the address itself as a source', () => {
    const set = elements(balanced('Cluster', { loadBalancerSourceRanges: ['172.18.0.0/16'] }), [slice(pick('Lr'))])
    assert.ok(set.has('ip fw-allow 203.0.113.1 . tcp . 80 . 203.0.113.1'))
  })

  test('ranges of the other family alone close the address; 0.0.0.0/0 opens it', () => {
    const closed = elements(balanced('Cluster', { loadBalancerSourceRanges: ['2001:db8::/32'] }), [slice(pick('Lr'))])
    assert.equal(walk(closed, { ...sources.outside, to: '203.0.113.1', port: 80 }), 'drop')
    const open = elements(balanced('Cluster', { loadBalancerSourceRanges: ['0.0.0.0/0'] }), [slice(pick('Lr'))])
    assert.equal(fate(walk(open, { ...sources.outside, to: '203.0.113.1', port: 80 })), 'Lr masq')
  })
})

describe('which Services and endpoints count', () => {
  test('headless, ExternalName, and Services labelled for somebody else have no elements', () => {
    const labelled = service()
    labelled.metadata.labels = { 'service.kubernetes.io/service-proxy-name': 'cilium' }
    for (const none of [
      service({ clusterIP: 'None', clusterIPs: ['None'] }),
      service({ type: 'ExternalName' }),
      labelled,
    ]) {
      assert.equal(elements(none, [slice(pick('Lr'))]).size, 0)
    }
  })

  test('endpoints join by port name and protocol, in the family of the address', () => {
    const ports = [
      { name: 'a', port: 80, protocol: 'TCP' as const },
      { name: 'b', port: 81, protocol: 'UDP' as const },
    ]
    const both = service({ ports, clusterIPs: ['10.96.0.1', 'fd00:96::1'] })
    const set = elements(both, [
      slice(pick('Lr'), { ports: [{ name: 'b', protocol: 'UDP', port: 53 }] }),
      slice([{ ip: 'fd00::5' }], { addressType: 'IPv6', ports: [{ name: 'a', protocol: 'TCP', port: 8080 }] }),
    ])
    assert.equal(walk(set, { ...sources.pod, to: '10.96.0.1', port: 80 }), 'reject')
    assert.deepEqual(walk(set, { ...sources.pod, to: '10.96.0.1', port: 81, protocol: 'udp' }), ['10.244.1.1 . 53'])
    assert.deepEqual(walk(set, { ...sources.pod, to: 'fd00:96::1', port: 80 }), ['fd00::5 . 8080'])
    assert.equal(walk(set, { ...sources.pod, to: 'fd00:96::1', port: 81, protocol: 'udp' }), 'reject')
  })

  test('an endpoint in two slices gets one slot, and its better state', () => {
    const set = elements(service(), [
      slice([{ ip: '10.244.1.1', on: here, conditions: states.gone }]),
      slice([{ ip: '10.244.1.1', on: here }]),
    ])
    assert.deepEqual(walk(set, { ...sources.pod, to: '10.96.0.1', port: 80 }), ['10.244.1.1 . 8080'])
  })

  test('zone hints narrow policy Cluster when every ready endpoint has one and one fits', () => {
    const hinted = (zones: (string | undefined)[]) => {
      const made = slice(zones.map((_, index) => ({ ip: `10.244.1.${index}` })))
      made.endpoints.forEach((endpoint, index) => {
        const zone = zones[index]
        if (zone) endpoint.hints = { forZones: [{ name: zone }] }
      })
      return walk(elements(service(), [made], 'Cluster', { ...node, zone: 'a' }), {
        ...sources.pod,
        to: '10.96.0.1',
        port: 80,
      }).length
    }
    assert.equal(hinted(['a', 'b', 'a']), 2)
    assert.equal(hinted(['a', undefined, 'b']), 3)
    assert.equal(hinted(['b', 'c', 'b']), 3)
  })

  test('only reachable endpoints of this node may reach themselves', () => {
    const set = elements(service(), [slice(pick('Lr Rr'))])
    assert.deepEqual(
      [...set.keys()].filter((id) => id.includes(' hairpin ')),
      ['ip hairpin 10.244.1.1 . 10.244.1.1'],
    )
  })

  test('affinity: frontends with the same endpoints share a session in both families, others have one of their own', () => {
    const sticky = service({
      sessionAffinity: 'ClientIP',
      clusterIPs: ['10.96.0.1', 'fd00:96::1'],
      type: 'LoadBalancer',
      ports: [{ port: 80, nodePort: 30_080 }],
    })
    sticky.status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } }
    const slices = [slice(pick('Lr')), slice([{ ip: 'fd00::5' }], { addressType: 'IPv6' })]
    const cluster = elements(sticky, slices)
    for (const front of ['ip session 10.96.0.1', 'ip session 203.0.113.1', 'ip6 session fd00:96::1']) {
      assert.equal(cluster.get(`${front} . tcp . 80`), 'default/web_TCP__cluster')
    }
    assert.equal(cluster.get('ip learn default/web_TCP__cluster'), 'goto t10800')
    assert.equal(cluster.get('ip6 learn default/web_TCP__cluster'), 'goto t10800')
    const local = elements(sticky, slices, 'Local')
    assert.equal(local.get('ip session 10.96.0.1 . tcp . 80'), 'default/web_TCP__cluster')
    assert.equal(local.get('ip session 203.0.113.1 . tcp . 80'), 'default/web_TCP__both')
    assert.equal(local.get('ip session 172.18.0.11 . tcp . 30080'), 'default/web_TCP__both')
  })
})

function pick(names: string): EndpointSpec[] {
  return names.split(' ').flatMap((name) => endpoints[name] ?? [])
}
