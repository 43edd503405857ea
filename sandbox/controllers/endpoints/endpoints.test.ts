import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Endpoints, EndpointSlice, Pod, Service } from '../../../kube/objects.ts'
import { planMirror } from './mirroring.ts'
import { planEndpoints } from './subsets.ts'

function service(spec: Partial<Service['spec']> = {}): Service {
  return {
    metadata: { namespace: 'default', name: 'web', uid: 's1', labels: { team: 'x' } },
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.1',
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      ...spec,
    },
  }
}

function pod(number: number, ready = true, deleted = false): Pod {
  return {
    metadata: {
      namespace: 'default',
      name: `p${number}`,
      uid: `u${number}`,
      labels: { app: 'web' },
      ...(deleted && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { nodeName: 'node-1', containers: [{ name: 'echo' }] },
    status: {
      phase: 'Running',
      podIPs: [{ ip: `10.244.${number >> 8}.${number & 255}` }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

describe('the Endpoints of a Service with selector', () => {
  test('split ready and not ready addresses, sorted', () => {
    const wanted = planEndpoints(service(), [pod(9), pod(1), pod(5, false)], undefined)
    assert.deepEqual(
      wanted?.subsets?.map(({ addresses, notReadyAddresses, ports }) => [
        addresses?.map(({ ip }) => ip),
        notReadyAddresses?.map(({ ip }) => ip),
        ports,
      ]),
      [[['10.244.0.1', '10.244.0.9'], ['10.244.0.5'], [{ name: 'http', port: 8080, protocol: 'TCP' }]]],
    )
    assert.deepEqual(wanted?.metadata.labels, {
      team: 'x',
      'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
    })
  })

  test('leave terminating Pods out, unless not ready addresses are published', () => {
    assert.equal(planEndpoints(service(), [pod(1, true, true)], undefined)?.subsets, undefined)
    const published = planEndpoints(service({ publishNotReadyAddresses: true }), [pod(1, false, true)], undefined)
    assert.equal(published?.subsets?.[0]?.addresses?.length, 1)
  })

  test('end at 1,000 addresses, ready ones first, and say so', () => {
    const pods = Array.from({ length: 1100 }, (_, number) => pod(number, number >= 200))
    const wanted = planEndpoints(service(), pods, undefined)
    const [subset] = wanted?.subsets ?? []
    assert.deepEqual([subset?.addresses?.length, subset?.notReadyAddresses?.length], [900, 100])
    assert.equal(wanted?.metadata.annotations?.['endpoints.kubernetes.io/over-capacity'], 'truncated')
  })

  test('nothing changed, nothing written', () => {
    const existing = planEndpoints(service(), [pod(1), pod(2)], undefined)
    assert.equal(planEndpoints(service(), [pod(2), pod(1)], existing), undefined)
    assert.ok(planEndpoints(service(), [pod(2)], existing))
  })
})

describe('mirroring hand-written Endpoints', () => {
  const selectorless = service({ selector: {} })
  const written: Endpoints = {
    metadata: {
      namespace: 'default',
      name: 'web',
      uid: 'e1',
      labels: { team: 'x' },
      annotations: { note: 'y', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    },
    subsets: [
      {
        addresses: [{ ip: '192.0.2.1', nodeName: 'n' }, { ip: '2001:db8::1' }],
        notReadyAddresses: [{ ip: '192.0.2.2' }],
        ports: [{ name: 'http', port: 8080 }],
      },
    ],
  }
  const named = (slices: EndpointSlice[]) =>
    slices.map((slice, index) => ({ ...slice, metadata: { ...slice.metadata, name: `s${index}` } }))

  test('one slice for each family, with copied labels and annotations', () => {
    const { create } = planMirror(selectorless, written, [])
    assert.deepEqual(
      create.map(({ addressType, endpoints, ports }) => [addressType, endpoints, ports]),
      [
        [
          'IPv4',
          [
            { addresses: ['192.0.2.1'], conditions: { ready: true }, nodeName: 'n' },
            { addresses: ['192.0.2.2'], conditions: { ready: false } },
          ],
          [{ name: 'http', protocol: 'TCP', port: 8080 }],
        ],
        [
          'IPv6',
          [{ addresses: ['2001:db8::1'], conditions: { ready: true } }],
          [{ name: 'http', protocol: 'TCP', port: 8080 }],
        ],
      ],
    )
    assert.deepEqual(create[0]?.metadata.annotations, { note: 'y' })
    assert.deepEqual(create[0]?.metadata.labels, {
      team: 'x',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    })
    assert.equal(create[0]?.metadata.ownerReferences?.[0]?.kind, 'Endpoints')
  })

  test('a second look writes nothing', () => {
    const slices = named(planMirror(selectorless, written, []).create)
    assert.deepEqual(planMirror(selectorless, written, slices), { create: [], update: [], remove: [] })
  })

  const slices = named(planMirror(selectorless, written, []).create)
  const over: [what: string, its: Service | undefined, endpoints: Endpoints | undefined][] = [
    ['the Endpoints are gone', selectorless, undefined],
    ['the Service is gone', undefined, written],
    ['the Service got a selector', service(), written],
    ['the Endpoints are empty', selectorless, { ...written, subsets: [] }],
    [
      'mirroring is switched off',
      selectorless,
      { ...written, metadata: { ...written.metadata, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } } },
    ],
    [
      'it is a leader election record',
      selectorless,
      {
        ...written,
        metadata: { ...written.metadata, annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } },
      },
    ],
  ]
  for (const [what, its, endpoints] of over) {
    test(`the slices go when ${what}`, () => {
      const { create, update, remove } = planMirror(its, endpoints, slices)
      assert.deepEqual([create, update, remove.length], [[], [], 2])
    })
  }
})
