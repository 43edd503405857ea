import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SpecChanges } from '../conformance-world.ts'
import { healthCheck, owner, specOf } from '../conformance-world.ts'
import type { LoadBalancerPort, LoadBalancerSpec, Resource } from '../contract.ts'
import { lower } from './lower.ts'
import { createLocalProvider } from './provider.ts'
import { createFakeLocal } from './fake.ts'
import { localNode } from './world.ts'

const spec = (changes: SpecChanges = {}): LoadBalancerSpec => specOf({ providerId: localNode }, changes)

function own(value: LoadBalancerSpec): readonly Resource[] {
  const lowered = lower(value)
  assert.ok(lowered.kind === 'lowered', JSON.stringify(lowered))
  return lowered.own
}

function reasons(value: LoadBalancerSpec, pools: string[] = []): string[] {
  const lowered = lower(value, { pools })
  return lowered.kind === 'unsupported' ? lowered.reasons.map(({ reason, message }) => `${reason}: ${message}`) : []
}

const port = (changes: Partial<LoadBalancerPort> = {}): LoadBalancerPort => ({
  name: '',
  protocol: 'TCP',
  port: 80,
  nodePort: 30080,
  ...changes,
})
const forwards = (value: LoadBalancerSpec) =>
  own(value)
    .filter(({ kind }) => kind === 'listener')
    .map(({ mutable }) => mutable['forward'])
const targetsOf = (value: LoadBalancerSpec) =>
  own(value).find(({ kind }) => kind === 'target-group')?.mutable['targets']

test('a load balancer, one target group for all ports, a listener per port', () => {
  assert.deepEqual(
    own(spec()).map(({ key, needs }) => [key, needs]),
    [
      ['load-balancer/public', []],
      ['target-group', []],
      ['listener/public/udp/53', ['load-balancer/public', 'target-group']],
      ['listener/public/tcp/80', ['load-balancer/public', 'target-group']],
      ['listener/public/tcp/443', ['load-balancer/public', 'target-group']],
    ],
  )
})

test('node ports, policy, mode, ranges, affinity, health check and nodes change no key and nothing immutable', () => {
  const fixed = (value: LoadBalancerSpec) => own(value).map(({ key, immutable }) => ({ key, immutable }))
  const edits: SpecChanges[] = [
    { ports: spec().ports.map((each) => ({ ...each, nodePort: each.nodePort + 1 })) },
    { policy: 'Local', healthCheck: healthCheck(32100) },
    { parameters: { mode: 'passthrough' } },
    { sourceRanges: ['10.0.0.0/8'] },
    { affinity: { kind: 'ClientIP', timeoutSeconds: 5 } },
    { nodes: [] },
    { families: ['IPv4', 'IPv6'] },
    { requestedAddresses: ['203.0.113.9'] },
  ]
  for (const edit of edits) assert.deepEqual(fixed(spec(edit)), fixed(spec()))
})

test('one port without a node port makes every port passthrough, so does the parameter', () => {
  const mixed = [port(), port({ port: 81, nodePort: 0 })]
  assert.deepEqual(forwards(spec({ ports: mixed })), [{ mode: 'passthrough' }, { mode: 'passthrough' }])
  assert.deepEqual(forwards(spec({ ports: [port()], parameters: { mode: 'passthrough' } })), [{ mode: 'passthrough' }])
  assert.deepEqual(forwards(spec({ ports: [port()], parameters: { mode: 'node-port' } })), [
    { mode: 'node-port', nodePort: 30080 },
  ])
})

test('targets have one address of each family of the Service, the primary first', () => {
  const addresses = ['192.0.2.1', '192.0.2.99', '2001:db8::1']
  const nodes = [{ name: 'node-1', providerId: '', addresses }]
  const of = (families: LoadBalancerSpec['families']) => targetsOf({ ...spec({ families }), nodes })
  assert.deepEqual(of(['IPv4']), [{ node: 'node-1', addresses: ['192.0.2.1'] }])
  assert.deepEqual(of(['IPv6', 'IPv4']), [{ node: 'node-1', addresses: ['2001:db8::1', '192.0.2.1'] }])
  assert.deepEqual(
    targetsOf({
      ...spec({ families: ['IPv6'] }),
      nodes: [{ ...nodes[0], name: 'old', providerId: '', addresses: ['192.0.2.1'] }],
    }),
    [],
  )
})

test('SCTP is refused for its port', () => {
  assert.deepEqual(reasons(spec({ ports: [port(), port({ protocol: 'SCTP', port: 9 })] })), [
    'UnsupportedProtocol: port 9: the local load balancer forwards TCP and UDP, not SCTP; remove the port from the Service',
  ])
})

test('a wish outside the known pools, of another family or malformed is refused', () => {
  const wish = (address: string) =>
    reasons(spec({ requestedAddresses: [address] }), ['203.0.113.0/24', '2001:db8:113::/64'])
  assert.deepEqual(wish('203.0.113.9'), [])
  assert.match(wish('198.51.100.9')[0] ?? '', /^AddressNotInPool: .*203\.0\.113\.0\/24/)
  assert.match(wish('2001:db8:113::9')[0] ?? '', /^InvalidAddress: .*IPv6, the Service is IPv4/)
  assert.match(wish('web')[0] ?? '', /^InvalidAddress: .*"web"/)
})

test('an unknown mode is refused with the ones there are', () => {
  assert.deepEqual(reasons(spec({ parameters: { mode: 'dsr' } })), [
    'InvalidParameter: parameter mode is "dsr"; use node-port or passthrough',
  ])
})

test('more ports than a load balancer takes are refused', () => {
  const ports = Array.from({ length: 101 }, (_, index) => port({ port: index + 1 }))
  assert.match(reasons(spec({ ports }))[0] ?? '', /^TooManyPorts: 101 ports; at most 100/)
})

test('clients see the node address in node-port mode and the load balancer address in passthrough', async () => {
  for (const [mode, ipMode] of [
    ['node-port', 'Proxy'],
    ['passthrough', 'VIP'],
  ] as const) {
    const { cloud } = createFakeLocal()
    const provider = createLocalProvider(cloud)
    const { signal } = new AbortController()
    for (const resource of own(spec({ parameters: { mode } })))
      await provider.execute({ verb: 'create', resource }, signal)
    const addresses = provider.addresses(await provider.observe(owner, signal))
    assert.deepEqual(addresses, { kind: 'ready', addresses: [{ ip: '203.0.113.1', ipMode }] })
  }
})
