/** Who serves behind UDP frontends, and when flows are doubted; random objects against the ruleset and against a reading of the slices. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { EndpointSlice, Service } from '../../kube/objects.ts'
import { createRuleset } from '../rules/ruleset.ts'
import { type EndpointSpec, here, node, objectsInMemory, service, slice, states, there } from '../rules/testing.ts'
import { createServedFrontends } from './served.ts'

const udpPort = { name: '', port: 53, protocol: 'UDP' as const, nodePort: 30_053 }
const dns = 'ip 10.96.0.1 . udp . 53'

function world() {
  const { services, slices, view } = objectsInMemory()
  const served = createServedFrontends(view, node)
  const put = (name: string, spec: Partial<Service['spec']>, endpoints: EndpointSpec[], port = 8053) => {
    services.set(name, service({ ports: [udpPort], ...spec }, name))
    slices.set(name, slice(endpoints, { ports: [{ name: '', protocol: 'UDP', port }] }, name))
    served.mark(name)
  }
  const settle = () => {
    served.settle()
    return served.doubts()
  }
  return { services, slices, view, served, put, settle }
}

const a: EndpointSpec = { ip: '10.244.1.1', on: here }
const b: EndpointSpec = { ip: '10.244.2.1', on: there }
const targetsOf = (targets: ReadonlySet<string> | undefined) => targets && [...targets]

describe('flows of UDP are doubted', () => {
  test('when a Service comes, loses an endpoint, all of them, and when it goes', () => {
    const { services, served, put, settle } = world()
    put('web', {}, [a, b])
    assert.deepEqual(settle(), [dns])
    put('web', {}, [a])
    assert.deepEqual(settle(), [dns])
    assert.deepEqual(targetsOf(served.targets(dns)), ['10.244.1.1 . 8053'])
    put('web', {}, [])
    assert.deepEqual(settle(), [dns])
    assert.deepEqual(targetsOf(served.targets(dns)), [])
    services.delete('web')
    served.mark('web')
    assert.deepEqual(settle(), [dns])
    assert.equal(served.targets(dns), undefined)
  })

  test('not when endpoints are added, come back, or nothing happens', () => {
    const { put, settle } = world()
    put('web', {}, [])
    settle()
    put('web', {}, [a])
    assert.deepEqual(settle(), [])
    put('web', {}, [a, b])
    assert.deepEqual(settle(), [])
    put('web', {}, [b, a])
    assert.deepEqual(settle(), [])
  })

  test('when only the target port changes', () => {
    const { put, settle } = world()
    put('web', {}, [a], 8053)
    settle()
    put('web', {}, [a], 9053)
    assert.deepEqual(settle(), [dns])
  })

  test('when a node port or a load balancer address changes, for that frontend', () => {
    const { services, served, put, settle } = world()
    put('web', { type: 'LoadBalancer' }, [a])
    settle()
    put('web', { type: 'LoadBalancer', ports: [{ ...udpPort, nodePort: 30_054 }] }, [a])
    assert.deepEqual(settle().sort(), ['ip 172.18.0.11 . udp . 30053', 'ip 172.18.0.11 . udp . 30054'])
    const web = services.get('web') as Service
    const withAddress = (ip: string) => services.set('web', { ...web, status: { loadBalancer: { ingress: [{ ip }] } } })
    withAddress('203.0.113.1')
    served.mark('web')
    assert.deepEqual(settle(), ['ip 203.0.113.1 . udp . 53'])
    withAddress('203.0.113.2')
    served.mark('web')
    assert.deepEqual(settle().sort(), ['ip 203.0.113.1 . udp . 53', 'ip 203.0.113.2 . udp . 53'])
  })

  test('when the node has other addresses', () => {
    const { served, put, settle } = world()
    put('web', { type: 'NodePort' }, [a])
    settle()
    served.setNode({ ...node, nodePortAddresses: [{ family: 'ip', text: '172.18.0.12' }] })
    served.markAll()
    assert.deepEqual(settle().sort(), ['ip 172.18.0.11 . udp . 30053', 'ip 172.18.0.12 . udp . 30053'])
  })

  test('only once the change is asked for: a write that failed loses none', () => {
    const { served, put, settle } = world()
    put('web', {}, [a, b])
    settle()
    put('web', {}, [a])
    served.settle()
    put('web', {}, [a, b])
    served.settle()
    put('web', {}, [b])
    assert.deepEqual(settle(), [dns])
  })
})

describe('targets whose flows live on', () => {
  test('are all that serve, wherever they are and whatever the policies', () => {
    const { served, put, settle } = world()
    put('web', { internalTrafficPolicy: 'Local', type: 'NodePort', externalTrafficPolicy: 'Local' }, [
      a,
      b,
      { ip: '10.244.2.2', on: there, conditions: states.leaving },
      { ip: '10.244.2.3', on: there, conditions: states.gone },
      { ip: '10.244.2.4', on: there, conditions: states.starting },
    ])
    settle()
    const expected = ['10.244.1.1 . 8053', '10.244.2.1 . 8053', '10.244.2.2 . 8053']
    assert.deepEqual(targetsOf(served.targets(dns)), expected)
    assert.deepEqual(targetsOf(served.targets('ip 172.18.0.11 . udp . 30053')), expected)
  })

  test('are not kept for TCP', () => {
    const { served, put, settle } = world()
    put('web', { ports: [{ port: 80, protocol: 'TCP' }] }, [a])
    assert.deepEqual(settle(), [])
    assert.equal(served.targets('ip 10.96.0.1 . tcp . 80'), undefined)
  })
})

const names = ['a', 'b', 'c']
const someObjects = fc.record({
  name: fc.constantFrom(...names),
  exists: fc.boolean(),
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
  protocol: fc.constantFrom('UDP', 'TCP', 'SCTP'),
  vip: fc.constantFrom('203.0.113.1', '203.0.113.2'),
  created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  local: fc.boolean(),
  endpoints: fc.array(
    fc.record({
      host: fc.integer({ min: 1, max: 4 }),
      on: fc.constantFrom(here, there),
      state: fc.constantFrom('ready', 'leaving', 'gone', 'starting'),
    }),
    { maxLength: 4 },
  ),
})
type SomeObjects = typeof someObjects extends fc.Arbitrary<infer T> ? T : never

describe('random Services', () => {
  test('have the frontends of the ruleset, and every endpoint in use among their targets', () => {
    fc.assert(
      fc.property(fc.array(someObjects, { maxLength: 12 }), (steps) => {
        const { services, slices, view, served } = world()
        const ruleset = createRuleset(view, 0, node)
        for (const step of steps) {
          write(step, services, slices)
          for (const each of [served, ruleset]) each.mark(step.name)
          served.settle()
          ruleset.settle(0)
          for (const id of ruleset.desired.keys()) {
            const [family, map, ...rest] = id.split(' ')
            const frontend = `${family} ${rest.join(' ')}`
            if (map === 'frontends' && !frontend.includes(' . tcp . ')) assert.ok(served.targets(frontend), frontend)
            if (map !== 'ep' && map !== 'ep-local') continue
            const front = frontend.slice(0, frontend.lastIndexOf(' . '))
            const target = ruleset.desired.get(id) ?? ''
            if (!front.includes(' . tcp . ')) assert.ok(served.targets(front)?.has(target), `${front} -> ${target}`)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})

function write(step: SomeObjects, services: Map<string, Service>, slices: Map<string, EndpointSlice>): void {
  const { name, exists, protocol, endpoints } = step
  const number = names.indexOf(name) + 1
  if (!exists) {
    services.delete(name)
    return
  }
  const made = service(
    {
      type: step.type as 'ClusterIP',
      clusterIP: `10.96.0.${number}`,
      clusterIPs: [`10.96.0.${number}`],
      internalTrafficPolicy: step.local ? 'Local' : 'Cluster',
      externalTrafficPolicy: step.local ? 'Local' : 'Cluster',
      ports: [{ port: 53, protocol: protocol, nodePort: 30_000 + number }],
    },
    name,
  )
  made.metadata.creationTimestamp = step.created
  made.status = { loadBalancer: { ingress: [{ ip: step.vip }] } }
  services.set(name, made)
  const specs = endpoints.map(({ host, on, state }) => ({
    ip: `10.244.1.${host}`,
    on,
    conditions: states[state],
  }))
  slices.set(name, slice(specs, { ports: [{ name: '', protocol: protocol, port: 8053 }] }, name))
}
