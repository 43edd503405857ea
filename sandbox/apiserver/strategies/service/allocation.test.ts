import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { IPFamily, Service, ServiceSpec } from '../../../../kube/objects.ts'
import { StatusFailure } from '../status-failure.ts'
import { allocateForCreate, allocateForUpdate, releaseAll, type ServiceSpaces } from './allocation.ts'
import { createClusterIps } from './cluster-ips.ts'
import { setServiceDefaults } from './defaults.ts'
import { createNodePorts } from './node-ports.ts'

describe('what a Service holds', () => {
  test('is all given back when it is gone', () => {
    const spaces = spacesOf(20)
    const service = created(spaces, { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] })
    assert.equal(spaces.nodePorts.free, 18)
    releaseAll(spaces, service)
    assert.equal(spaces.nodePorts.free, 20)
    assert.equal(
      created(spaces, { clusterIP: service.spec.clusterIP ?? '', ports: [{ port: 80 }] }).spec.clusterIP,
      service.spec.clusterIP,
    )
  })

  test('is given back when the second of its addresses cannot be had (the real server keeps the first)', () => {
    const spaces = spacesOf(20)
    created(spaces, { clusterIP: 'fd00:96::5', ports: [{ port: 80 }] })
    const wants: ServiceSpec = {
      clusterIP: '10.96.0.5',
      clusterIPs: ['10.96.0.5', 'fd00:96::5'],
      ipFamilyPolicy: 'PreferDualStack',
      ports: [{ port: 80 }],
    }
    assert.throws(() => created(spaces, wants), /fd00:96::5: provided IP is already allocated/)
    assert.equal(created(spaces, { clusterIP: '10.96.0.5', ports: [{ port: 80 }] }).spec.clusterIP, '10.96.0.5')
  })

  test('is not touched by a dry run, which reports values that could be had', () => {
    const spaces = spacesOf(2)
    for (let i = 0; i < 5; i++) {
      const service = serviceOf({ type: 'NodePort', ports: [{ port: 80 }] })
      allocateForCreate(spaces, service, true).commit()
      assert.ok([30000, 30001].includes(service.spec.ports?.[0]?.nodePort ?? 0))
    }
    assert.equal(spaces.nodePorts.free, 2)
  })

  test('counts one port for TCP and UDP of the same number', () => {
    const spaces = spacesOf(20)
    const ports = [
      { name: 't', port: 53 },
      { name: 'u', port: 53, protocol: 'UDP' as const },
    ]
    const service = created(spaces, { type: 'NodePort', ports })
    assert.equal(service.spec.ports?.[0]?.nodePort, service.spec.ports?.[1]?.nodePort)
    assert.equal(spaces.nodePorts.free, 19)
  })

  test('is the first address of the range only for default/kubernetes', () => {
    const spaces = spacesOf(20)
    assert.throws(() => created(spaces, { clusterIP: '10.96.0.1', ports: [{ port: 443 }] }), /already allocated/)
    const kubernetes = serviceOf({ clusterIP: '10.96.0.1', ports: [{ port: 443 }] }, 'kubernetes')
    allocateForCreate(spaces, kubernetes, false).commit()
    assert.deepEqual(kubernetes.spec.clusterIPs, ['10.96.0.1'])
    releaseAll(spaces, kubernetes)
    assert.throws(() => created(spaces, { clusterIP: '10.96.0.1', ports: [{ port: 443 }] }), /already allocated/)
  })
})

describe('a full range', () => {
  test('of node ports answers 500', () => {
    const spaces = spacesOf(1)
    created(spaces, { type: 'NodePort', ports: [{ port: 80 }] })
    refused(spaces, { type: 'NodePort', ports: [{ port: 80 }] }, 'failed to allocate a nodePort: range is full')
  })

  test('of node ports answers 500 for the health check too, and gives the node port back', () => {
    const spaces = spacesOf(1)
    const spec: ServiceSpec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80 }] }
    refused(spaces, spec, 'failed to allocate a HealthCheck NodePort 0: range is full')
    assert.equal(spaces.nodePorts.free, 1)
  })

  test('of cluster IPs answers 500', () => {
    const spaces = spacesOf(5, ['10.96.0.0/30'])
    created(spaces, { ports: [{ port: 80 }] })
    refused(spaces, { ports: [{ port: 80 }] }, 'failed to allocate a serviceIP for Service "web": range is full')
  })
})

describe('a series of writes', () => {
  test('leaves taken exactly what the living Services hold, failed and dry ones included', () => {
    fc.assert(
      fc.property(fc.array(write(), { maxLength: 25 }), (writes) => {
        const spaces = spacesOf(24)
        const living = new Map<string, Service>()
        for (const { name, spec, kind, fails } of writes)
          perform(spaces, living, { name, spec: structuredClone(spec), kind, fails })
        const ports = [...living.values()].map((service) => portsHeld(service))
        const all = ports.flatMap((held) => [...held])
        assert.equal(new Set(all).size, all.length, 'no port is held by two Services')
        assert.equal(spaces.nodePorts.free, 24 - all.length)
        const addresses = [...living.values()].flatMap((service) => addressesHeld(service))
        assert.equal(new Set(addresses).size, addresses.length, 'no address is held by two Services')
        for (const service of living.values()) releaseAll(spaces, service)
        assert.equal(spaces.nodePorts.free, 24)
      }),
      { numRuns: 300 },
    )
  })
})

interface Write {
  name: string
  spec: ServiceSpec
  kind: 'create' | 'update' | 'remove' | 'dry'
  fails: boolean
}

function write(): fc.Arbitrary<Write> {
  const nodePort = fc.option(fc.integer({ min: 29999, max: 30006 }), { nil: undefined })
  const protocol = fc.constantFrom('TCP' as const, 'UDP' as const)
  const port = fc
    .record({ port: fc.constantFrom(53, 80), protocol, nodePort })
    .map(({ nodePort: asked, ...rest }) => (asked === undefined ? rest : { ...rest, nodePort: asked }))
  const spec = fc
    .record({
      type: fc.constantFrom(
        'ClusterIP' as const,
        'NodePort' as const,
        'LoadBalancer' as const,
        'ExternalName' as const,
      ),
      ports: fc.uniqueArray(port, { minLength: 1, maxLength: 2, selector: (p) => `${p.protocol}${p.port}` }),
      local: fc.boolean(),
      policy: fc.constantFrom(
        undefined,
        'SingleStack' as const,
        'PreferDualStack' as const,
        'RequireDualStack' as const,
      ),
    })
    .map(
      ({ type, ports, local, policy }): ServiceSpec => ({
        type,
        ports: ports.map((p, i) => ({ ...p, name: `p${i}` })),
        ...(local && type === 'LoadBalancer' ? { externalTrafficPolicy: 'Local' } : {}),
        ...(policy === undefined || type === 'ExternalName' ? {} : { ipFamilyPolicy: policy }),
      }),
    )
  return fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    spec,
    kind: fc.constantFrom('create' as const, 'update' as const, 'update' as const, 'remove' as const, 'dry' as const),
    fails: fc.boolean(),
  })
}

/** As the API server does: allocate, then write or not. */
function perform(spaces: ServiceSpaces, living: Map<string, Service>, { name, spec, kind, fails }: Write): void {
  const old = living.get(name)
  if (kind === 'remove') {
    if (old) releaseAll(spaces, old)
    living.delete(name)
    return
  }
  if (kind === 'create' && old) return
  if (kind === 'update' && !old) return
  const service = serviceOf(spec, name)
  const dry = kind === 'dry'
  try {
    const allocation = old ? allocateForUpdate(spaces, service, old, dry) : allocateForCreate(spaces, service, dry)
    // Node ports that do not go with the type are validation's to refuse.
    const isValid =
      service.spec.type === 'NodePort' || service.spec.type === 'LoadBalancer' || portsHeld(service).size === 0
    if (fails || !isValid) allocation.rollback()
    else {
      allocation.commit()
      if (!dry) living.set(name, service)
    }
  } catch (error) {
    assert.ok(error instanceof StatusFailure, String(error))
  }
}

function portsHeld({ spec }: Service): Set<number> {
  const held = new Set((spec.ports ?? []).flatMap((port) => (port.nodePort ? [port.nodePort] : [])))
  if (spec.healthCheckNodePort) held.add(spec.healthCheckNodePort)
  return held
}

function addressesHeld({ spec }: Service): string[] {
  return (spec.clusterIPs ?? []).filter((address) => address !== 'None')
}

function spacesOf(ports: number, ranges = ['10.96.0.0/24', 'fd00:96::/120']): ServiceSpaces {
  const spaces = ranges.map((range, i) =>
    createClusterIps(range, () => 0.5, i === 0 ? 'default/kubernetes' : undefined),
  )
  const clusterIps = new Map<IPFamily, (typeof spaces)[number]>(spaces.map((space) => [space.family, space]))
  return { clusterIps, nodePorts: createNodePorts({ from: 30000, to: 29999 + ports }, () => 0.5) }
}

function serviceOf(spec: ServiceSpec, name = 'web'): Service {
  const service: Service = { metadata: { name, namespace: 'default' }, spec: structuredClone(spec) }
  setServiceDefaults(service)
  return service
}

function created(spaces: ServiceSpaces, spec: ServiceSpec): Service {
  const service = serviceOf(spec)
  allocateForCreate(spaces, service, false).commit()
  return service
}

function refused(spaces: ServiceSpaces, spec: ServiceSpec, text: string): void {
  const isRight = (error: unknown) => {
    assert.ok(error instanceof StatusFailure)
    assert.deepEqual(
      [error.code, error.reason, error.message],
      [500, 'InternalError', `Internal error occurred: ${text}`],
    )
    return true
  }
  assert.throws(() => created(spaces, spec), isRight)
}
