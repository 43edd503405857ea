import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice, Node, Pod, Service } from '../../../kube/objects.ts'
import { belongsInEndpoints, podEndpoint, withHints } from './endpoint.ts'
import { planServiceSlices, type ServiceView } from './service-slices.ts'

type Spec = Partial<Service['spec']>

function service(spec: Spec = {}, metadata: Partial<Service['metadata']> = {}): Service {
  return {
    metadata: { namespace: 'default', name: 'web', uid: 's1', ...metadata },
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.1',
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      ...spec,
    },
  }
}

interface PodOptions {
  ready?: boolean
  ips?: string[]
  phase?: 'Running' | 'Succeeded' | 'Failed'
  deleted?: boolean
  spec?: Partial<Pod['spec']>
}

function pod(
  name: string,
  { ready = true, ips = ['10.244.1.5'], phase = 'Running', deleted, spec }: PodOptions = {},
): Pod {
  return {
    metadata: {
      namespace: 'default',
      name,
      uid: `u-${name}`,
      labels: { app: 'web' },
      ...(deleted && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { nodeName: 'node-1', containers: [{ name: 'echo' }], ...spec },
    status: {
      phase,
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

const node: Node = { metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'a' } } }

function plan(its: Service, pods: Pod[], more: Partial<ServiceView> = {}) {
  return planServiceSlices({
    service: its,
    pods,
    node: (name) => (name === 'node-1' ? node : undefined),
    slices: [],
    ...more,
  })
}

const endpointsOf = (slices: readonly EndpointSlice[]) => slices.flatMap(({ endpoints }) => endpoints)

describe('endpoint conditions', () => {
  const cases: [what: string, its: Service, its_pod: Pod, conditions: string][] = [
    ['a ready Pod', service(), pod('a'), 'ready serving'],
    ['a Pod that is not ready', service(), pod('a', { ready: false }), ''],
    ['a ready Pod on its way out', service(), pod('a', { deleted: true }), 'serving terminating'],
    ['one that stopped being ready', service(), pod('a', { deleted: true, ready: false }), 'terminating'],
    ['not ready, but published', service({ publishNotReadyAddresses: true }), pod('a', { ready: false }), 'ready'],
    [
      'terminating, but published',
      service({ publishNotReadyAddresses: true }),
      pod('a', { deleted: true }),
      'ready serving terminating',
    ],
  ]
  for (const [what, its, its_pod, wanted] of cases) {
    test(`${what}: ${wanted || 'none'}`, () => {
      const conditions = podEndpoint(its_pod, node, its, 'IPv4')?.conditions ?? {}
      const set = Object.entries(conditions).filter(([, value]) => value)
      assert.equal(set.map(([name]) => name).join(' '), wanted)
    })
  }

  test('finished Pods and Pods without address are nowhere', () => {
    assert.ok(!belongsInEndpoints(pod('a', { phase: 'Succeeded' }), true))
    assert.ok(!belongsInEndpoints(pod('a', { phase: 'Failed' }), true))
    assert.ok(!belongsInEndpoints(pod('a', { ips: [] }), true))
    assert.ok(!belongsInEndpoints(pod('a', { deleted: true }), false))
  })
})

describe('slices of a Service', () => {
  test('carry labels, owner, port, node, zone and the Pod', () => {
    const [slice, ...others] = plan(service({}, { labels: { team: 'x' } }), [pod('a')]).create
    assert.deepEqual(others, [])
    assert.deepEqual(slice, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        generateName: 'web-',
        namespace: 'default',
        labels: {
          team: 'x',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 's1', controller: true, blockOwnerDeletion: true },
        ],
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [
        {
          addresses: ['10.244.1.5'],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: 'u-a' },
          nodeName: 'node-1',
          zone: 'a',
        },
      ],
    })
  })

  test('are separate for each address family', () => {
    const dual = service({ ipFamilies: ['IPv4', 'IPv6'] })
    const { create } = plan(dual, [pod('a', { ips: ['10.244.1.5', 'fd00::5'] })])
    assert.deepEqual(
      create.map(({ addressType, endpoints }) => [addressType, endpoints[0]?.addresses]),
      [
        ['IPv4', ['10.244.1.5']],
        ['IPv6', ['fd00::5']],
      ],
    )
  })

  test('of a family the Service gave up are removed', () => {
    const dual = plan(service({ ipFamilies: ['IPv4', 'IPv6'] }), [pod('a')]).create
    const slices = dual.map((slice, index) => ({ ...slice, metadata: { ...slice.metadata, name: `s${index}` } }))
    const { remove, create, update } = plan(service(), [pod('a')], { slices })
    assert.deepEqual([remove.map(({ addressType }) => addressType), create, update], [['IPv6'], [], []])
  })

  test('of an earlier Service with the same name are replaced', () => {
    const slices = plan(service({}, { uid: 'old' }), [pod('a')]).create
    const { create, remove } = plan(service(), [pod('a')], { slices })
    assert.deepEqual([create.length, remove.length], [1, 1])
  })

  test('of headless Services have the label', () => {
    const [slice] = plan(service({ clusterIP: 'None' }), [pod('a')]).create
    assert.equal(slice?.metadata.labels?.['service.kubernetes.io/headless'], '')
  })

  test('named target ports are looked up in each Pod', () => {
    const named = service({ ports: [{ name: 'http', port: 80, targetPort: 'web' }] })
    const withPort = (name: string, containerPort: number) =>
      pod(name, { spec: { containers: [{ name: 'echo', ports: [{ name: 'web', containerPort }] }] } })
    const { create } = plan(named, [withPort('a', 8080), withPort('b', 9090), withPort('c', 8080), pod('d')])
    assert.deepEqual(
      create.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints.length]),
      [
        [8080, 2],
        [9090, 1],
        [undefined, 1],
      ],
    )
  })

  test('a target port left out is the port itself', () => {
    const [slice] = plan(service({ ports: [{ port: 80 }] }), [pod('a')]).create
    assert.deepEqual(slice?.ports, [{ name: '', protocol: 'TCP', port: 80 }])
  })

  test('skip Pods of lost nodes, unless not ready addresses are published', () => {
    const lost = pod('a', { spec: { nodeName: 'gone' } })
    assert.equal(endpointsOf(plan(service(), [lost]).create).length, 0)
    assert.equal(endpointsOf(plan(service({ publishNotReadyAddresses: true }), [lost]).create).length, 1)
  })

  test('give a Pod its hostname under the Service that its subdomain names', () => {
    const named = pod('a', { spec: { hostname: 'db-0', subdomain: 'web' } })
    const elsewhere = pod('a', { spec: { hostname: 'db-0', subdomain: 'other' } })
    assert.equal(endpointsOf(plan(service(), [named]).create)[0]?.hostname, 'db-0')
    assert.equal(endpointsOf(plan(service(), [elsewhere]).create)[0]?.hostname, undefined)
  })

  test('are nobody’s business without a selector and for ExternalName', () => {
    const slices = plan(service(), [pod('a')]).create
    const none = { create: [], update: [], remove: [] }
    assert.deepEqual(plan(service({ selector: {} }), [pod('a')], { slices }), none)
    assert.deepEqual(plan(service({ type: 'ExternalName' }), [pod('a')], { slices }), none)
  })

  test('of a Service on its way out are updated, but none is created', () => {
    const going = service({}, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    assert.deepEqual(plan(going, [pod('a')]).create, [])
    const slices = plan(service(), [pod('a')]).create
    assert.equal(plan(going, [pod('a', { ready: false })], { slices }).update.length, 1)
  })

  test('nothing changed, nothing written', () => {
    const slices = plan(service(), [pod('a'), pod('b')]).create
    assert.deepEqual(plan(service(), [pod('b'), pod('a')], { slices }), { create: [], update: [], remove: [] })
  })
})

describe('topology hints', () => {
  const ready = { addresses: ['10.0.0.1'], conditions: { ready: true }, zone: 'a', nodeName: 'n' }
  const zone = { forZones: [{ name: 'a' }] }
  const cases: [distribution: string | undefined, hints: object | undefined][] = [
    [undefined, undefined],
    ['Something', undefined],
    ['PreferClose', zone],
    ['PreferSameZone', zone],
    ['PreferSameNode', { ...zone, forNodes: [{ name: 'n' }] }],
  ]
  for (const [distribution, hints] of cases) {
    test(String(distribution), () => assert.deepEqual(withHints(ready, distribution).hints, hints))
  }
  test('none for endpoints that are not ready', () => {
    assert.equal(withHints({ ...ready, conditions: { ready: false } }, 'PreferClose').hints, undefined)
  })
})
