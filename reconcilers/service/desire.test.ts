import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseLoadBalancerClass } from '../../crds/load-balancer-class.ts'
import type { LoadBalancerClass } from '../../crds/load-balancer-class.ts'
import type { Service, ServiceSpec } from '../../kube/objects.ts'
import type { Features } from '../../providers/contract.ts'
import { chooseClass, defaultClassOf } from './class-choice.ts'
import { desire } from './desire.ts'
import type { Surroundings } from './desire.ts'

const features: Features = {
  protocols: ['TCP'],
  dualStack: true,
  withoutNodePorts: true,
  sourceRanges: true,
  clientIpAffinity: true,
  requestedAddress: true,
  parameters: { mode: 'how', 'address-pool': 'where' },
  limits: { portsPerLoadBalancer: 9, targetsPerLoadBalancer: 9 },
}

function around(spec: Partial<LoadBalancerClass['spec']> = {}, more: Partial<Surroundings> = {}): Surroundings {
  const parsed = parseLoadBalancerClass({ spec: { clouds: [{ name: 'here' }], ...spec } })
  return {
    cluster: 'c',
    defaultClass: undefined,
    classSpec: (name) => (name === 'web' ? parsed : undefined),
    classNames: () => ['web'],
    features: (cloud) => (cloud === 'here' ? features : undefined),
    cloudNames: () => ['here'],
    namespaceLabels: () => ({ team: 'x' }),
    olderInNamespace: () => 0,
    ...more,
  }
}

function service(spec: Partial<ServiceSpec> = {}, metadata: Service['metadata'] = {}): Service {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 'u1', ...metadata },
    spec: {
      type: 'LoadBalancer',
      loadBalancerClass: 'roadstead.dev/web',
      ports: [{ port: 80, nodePort: 30001 }],
      ...spec,
    },
  }
}

function base(
  spec: Partial<ServiceSpec> = {},
  classSpec: Partial<LoadBalancerClass['spec']> = {},
  metadata: Service['metadata'] = {},
) {
  const result = desire(service(spec, metadata), around(classSpec))
  assert.equal(result.kind, 'wanted')
  return result.kind === 'wanted' ? result.placements[0]?.base : undefined
}

function reason(
  spec: Partial<ServiceSpec>,
  classSpec: Partial<LoadBalancerClass['spec']> = {},
  more: Partial<Surroundings> = {},
) {
  const result = desire(service(spec), around(classSpec, more))
  return result.kind === 'invalid' ? result.reasons[0]?.reason : result.kind
}

describe('what a Service asks for', () => {
  test('health checks go to the node proxy with Cluster, to the health check node port with Local', () => {
    assert.deepEqual(base()?.healthCheck, {
      protocol: 'HTTP',
      port: 10256,
      path: '/healthz',
      intervalSeconds: 5,
      timeoutSeconds: 3,
      healthyThreshold: 2,
      unhealthyThreshold: 2,
    })
    const local = base(
      { externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 },
      { defaults: { healthCheck: { protocol: 'TCP', port: 1 } } },
    )
    assert.deepEqual([local?.healthCheck.protocol, local?.healthCheck.port, local?.policy], ['HTTP', 32000, 'Local'])
  })

  test('a health check asks the node port of the port that is named, and waits for it to have one', () => {
    const metadata = { annotations: { 'roadstead.dev/health-check-port': 'status' } }
    const ports = (nodePort?: number) => [
      { name: 'http', port: 80, nodePort: 30001 },
      { name: 'status', port: 81, ...(nodePort === undefined ? {} : { nodePort }) },
      { name: 'dns', port: 53, nodePort: 30053, protocol: 'UDP' as const },
    ]
    assert.equal(base({ ports: ports(30081) }, {}, metadata)?.healthCheck.port, 30081)
    assert.equal(base({ ports: ports() }, {}, metadata)?.healthCheck.port, 10256)
    for (const [name, why] of [
      ['none', /names none, which is no port of the Service/],
      ['dns', /names dns, which is no TCP port/],
    ] as const) {
      const annotations = { 'roadstead.dev/health-check-port': name }
      const result = desire(service({ ports: ports(30081) }, { annotations }), around())
      assert.ok(result.kind === 'invalid')
      assert.match(result.reasons[0]?.message ?? '', why)
    }
  })

  test('source ranges: the spec goes before the annotation, that before the class', () => {
    const metadata = { annotations: { 'service.beta.kubernetes.io/load-balancer-source-ranges': '10.0.0.0/8' } }
    const defaults = { defaults: { sourceRanges: ['192.0.2.0/24'] } }
    assert.deepEqual(base({ loadBalancerSourceRanges: [' 172.16.0.1/12 '] }, defaults, metadata)?.sourceRanges, [
      '172.16.0.0/12',
    ])
    assert.deepEqual(base({}, defaults, metadata)?.sourceRanges, ['10.0.0.0/8'])
    assert.deepEqual(base({}, defaults)?.sourceRanges, ['192.0.2.0/24'])
  })

  test('parameters: the annotation goes before the class, the address pool of the class comes along', () => {
    const metadata = { annotations: { 'roadstead.dev/mode': 'fast' } }
    const spec = { clouds: [{ name: 'here', parameters: { mode: 'slow' } }], defaults: { addressPool: 'edge' } }
    assert.deepEqual(base({}, spec, metadata)?.parameters, { mode: 'fast', 'address-pool': 'edge' })
  })

  test('affinity has the default time of Kubernetes', () => {
    assert.deepEqual(base({ sessionAffinity: 'ClientIP' })?.affinity, { kind: 'ClientIP', timeoutSeconds: 10_800 })
  })

  test('a cloud that the operator was not given is told apart from the others', () => {
    const result = desire(service(), around({ clouds: [{ name: 'here' }, { name: 'mars' }] }))
    assert.deepEqual(result.kind === 'wanted' && [result.placements.map(({ cloud }) => cloud), result.missingClouds], [
      ['here'],
      ['mars'],
    ])
  })

  test('mistakes are told with their reason', () => {
    assert.equal(reason({ loadBalancerClass: 'roadstead.dev/wep' }), 'ClassNotFound')
    assert.equal(reason({ ports: [] }), 'NoPorts')
    assert.equal(reason({ loadBalancerIP: 'here' }), 'MalformedAddress')
    assert.equal(reason({ loadBalancerIP: '1.1.1.1' }, { allowRequestedAddresses: false }), 'AddressNotAllowed')
    assert.equal(reason({ loadBalancerSourceRanges: ['10.0.0.0'] }), 'MalformedSourceRange')
    assert.equal(
      reason({}, { namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['x'] }] } }),
      'NamespaceNotAllowed',
    )
    assert.equal(reason({}, { limits: { servicesPerNamespace: 2 } }, { olderInNamespace: () => 2 }), 'LimitExceeded')
    assert.equal(reason({ ports: [{ port: 1 }, { port: 2 }] }, { limits: { portsPerService: 1 } }), 'LimitExceeded')
    assert.equal(reason({}, { clouds: [{ name: 'mars' }] }), 'CloudNotConfigured')
    assert.equal(reason({}, { clouds: [] }), 'ClassInvalid')
  })
})

describe('whose a Service is', () => {
  const own = ['roadstead.dev/load-balancer']
  const shared = ['service.kubernetes.io/load-balancer-cleanup']
  const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z' }
  const cases: [string, Service, string | undefined, string][] = [
    ['our class', service(), undefined, 'class'],
    ['a foreign class', service({ loadBalancerClass: 'x.y/z' }), undefined, 'none'],
    [
      'a foreign class with our finalizer',
      service({ loadBalancerClass: 'x.y/z' }, { finalizers: own }),
      undefined,
      'released',
    ],
    ['deleting with our finalizer', service({}, { ...deleting, finalizers: own }), undefined, 'released'],
    ['deleting without it', service({}, deleting), undefined, 'none'],
    ['ClusterIP with our finalizer', service({ type: 'ClusterIP' }, { finalizers: own }), undefined, 'released'],
  ]
  for (const [what, one, defaultClass, kind] of cases)
    test(`${what}: ${kind}`, () => assert.equal(chooseClass(one, defaultClass).kind, kind))

  test('without a class it is ours only where a default class exists, with the shared finalizer', () => {
    const { loadBalancerClass: _, ...spec } = service().spec
    const classless = (metadata: Service['metadata'] = {}): Service => ({ metadata, spec })
    assert.equal(chooseClass(classless(), undefined).kind, 'none')
    assert.deepEqual(chooseClass(classless(), 'web'), { kind: 'class', name: 'web', finalizer: shared[0] })
    assert.equal(chooseClass(classless({ ...deleting, finalizers: shared }), undefined).kind, 'none')
    assert.equal(chooseClass(classless({ ...deleting, finalizers: shared }), 'web').kind, 'released')
  })

  test('of several default classes the oldest serves', () => {
    const one = (name: string, creationTimestamp: string): LoadBalancerClass => ({
      metadata: { name, creationTimestamp },
      spec: { clouds: [], default: true },
    })
    assert.equal(
      defaultClassOf([
        one('b', '2026-02-01T00:00:00Z'),
        one('c', '2026-01-01T00:00:00Z'),
        one('a', '2026-02-01T00:00:00Z'),
      ])?.metadata.name,
      'c',
    )
  })
})

test('a Service may ask for less exposure than its class gives, not for more', () => {
  const asking = (scheme: string) => service({}, { annotations: { 'roadstead.dev/scheme': scheme } })
  const narrowed = desire(asking('internal'), around({ scheme: 'public' }))
  assert.equal(narrowed.kind === 'wanted' && narrowed.placements[0]?.base.scheme, 'internal')
  const widened = desire(asking('public'), around({ scheme: 'internal' }))
  assert.equal(widened.kind === 'invalid' && widened.reasons[0]?.reason, 'SchemeNotAllowed')
})

test('the nodes a Service selects are part of what it asks for', () => {
  const wanted = desire(service({}, { annotations: { 'roadstead.dev/node-selector': 'pool=edge' } }), around())
  assert.deepEqual(wanted.kind === 'wanted' && wanted.placements[0]?.base.nodeSelector, { pool: 'edge' })
})

describe('how long load balancers drain before they are deleted', () => {
  const drain = { 'roadstead.dev/delete-drain-seconds': '90' }
  const defaults = { deleteDrainSeconds: 30 }
  const gone = '2026-01-01T00:00:00Z'
  const released = (one: Service, given = around({ defaults })) => {
    const result = desire(one, given)
    return result.kind === 'released' ? (result.deleteDrainSeconds ?? 'as before') : result.kind
  }
  const leaving = (annotations: Record<string, string> = {}, spec: Partial<ServiceSpec> = {}) =>
    service(spec, { annotations, finalizers: ['roadstead.dev/load-balancer'], deletionTimestamp: gone })

  test('the Service says it before its class, and so it does of how long a replacement waits', () => {
    assert.equal(base({}, { defaults })?.deleteDrainSeconds, 30)
    assert.equal(base({}, { defaults }, { annotations: drain })?.deleteDrainSeconds, 90)
    assert.equal(base()?.deleteDrainSeconds, undefined)
    const wait = { 'roadstead.dev/replacement-wait-seconds': '7' }
    assert.equal(
      base({}, { defaults: { replacementWaitSeconds: 5 } }, { annotations: wait })?.replacementWaitSeconds,
      7,
    )
    assert.equal(base({}, { defaults: { replacementWaitSeconds: 5 } })?.replacementWaitSeconds, 5)
  })

  test('while it is deleted what it says then counts, then its class', () => {
    assert.deepEqual([released(leaving(drain)), released(leaving()), released(leaving({}), around())], [90, 30, 0])
    assert.equal(released(leaving({ ...drain, 'roadstead.dev/unknown': 'x' })), 90)
    assert.equal(released(leaving({ 'roadstead.dev/delete-drain-seconds': 'long' })), 30)
  })

  test('a Service without class, and one whose class is gone, drain as it was asked for before', () => {
    const other = leaving({}, { type: 'ClusterIP' })
    delete other.spec.loadBalancerClass
    assert.equal(released(other), 'as before')
    assert.equal(released(leaving(), around({}, { classSpec: () => undefined })), 'as before')
  })
})
