/** The incremental ruleset against one built from nothing, for random objects in random orders. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { EndpointSlice, Service } from '../../kube/objects.ts'
import { applied, type ElementId, type ElementSet, isEmpty, partsOf } from './elements.ts'
import { createRuleset, type ObjectView } from './ruleset.ts'
import { here, node, service, slice, states, there } from './testing.ts'

const names = ['a', 'b', 'c']

const someService = fc.record({
  name: fc.constantFrom(...names),
  type: fc.constantFrom('ClusterIP', 'LoadBalancer', 'NodePort', 'ExternalName'),
  policy: fc.constantFrom('Cluster', 'Local'),
  internal: fc.constantFrom('Cluster', 'Local'),
  sticky: fc.boolean(),
  // Two Services may want the same address and port.
  vip: fc.constantFrom('203.0.113.1', '203.0.113.2'),
  created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  ranges: fc.subarray(['10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0', '2001:db8::/32']),
  dual: fc.boolean(),
})
const someSlice = fc.record({
  of: fc.constantFrom(...names),
  index: fc.constantFrom(1, 2),
  family: fc.constantFrom('IPv4', 'IPv6'),
  endpoints: fc.array(
    fc.record({
      host: fc.integer({ min: 1, max: 5 }),
      on: fc.constantFrom(here, there),
      state: fc.constantFrom('ready', 'leaving', 'gone'),
    }),
    { maxLength: 5 },
  ),
})
const step = fc.oneof(
  fc.record({ put: fc.constant('service' as const), value: someService }),
  fc.record({ put: fc.constant('slice' as const), value: someSlice }),
  fc.record({ remove: fc.constantFrom(...names) }),
  fc.record({ settle: fc.constant(true) }),
)

function toService(value: typeof someService extends fc.Arbitrary<infer T> ? T : never): Service {
  const number = names.indexOf(value.name) + 1
  const made = service(
    {
      type: value.type as 'ClusterIP',
      clusterIP: `10.96.0.${number}`,
      clusterIPs: [`10.96.0.${number}`, ...(value.dual ? [`fd00:96::${number}`] : [])],
      externalTrafficPolicy: value.policy as 'Local',
      internalTrafficPolicy: value.internal as 'Local',
      sessionAffinity: value.sticky ? 'ClientIP' : 'None',
      loadBalancerSourceRanges: value.ranges,
      ports: [{ port: 80, nodePort: 30_000 + number }],
    },
    value.name,
  )
  made.metadata.creationTimestamp = value.created
  made.status = { loadBalancer: { ingress: [{ ip: value.vip }] } }
  return made
}

function toSlice(value: typeof someSlice extends fc.Arbitrary<infer T> ? T : never): EndpointSlice {
  const prefix = value.family === 'IPv4' ? '10.244.1.' : 'fd00:244::'
  return slice(
    value.endpoints.map(({ host, on, state }) => ({
      ip: `${prefix}${host}`,
      on,
      conditions: states[state as 'ready'],
    })),
    { addressType: value.family as 'IPv4' },
    value.of,
  )
}

function world() {
  const services = new Map<string, Service>()
  const slices = new Map<string, { of: string; slice: EndpointSlice }>()
  const view: ObjectView = {
    serviceKeys: () => services.keys(),
    service: (key) => services.get(key),
    slices: (key) => [...slices.values()].filter((entry) => entry.of === key).map((entry) => entry.slice),
  }
  return { services, slices, view }
}

/** Slots are a matter of history; everything else is not. */
function withoutSlots(elements: ElementSet): string[] {
  return [...elements]
    .map(([id, value]) => {
      const { map, key } = partsOf(id)
      return map === 'ep' || map === 'ep-local' ? `${map} ${key.replace(/\d+$/, '*')} ${value}` : `${id} ${value}`
    })
    .sort()
}

describe('the ruleset', () => {
  test('is the same however it came about, and its changes lead the kernel there', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { services, slices, view } = world()
        const ruleset = createRuleset(view, 60_000, node)
        let kernel = new Map<ElementId, string>()
        const settle = () => {
          ruleset.settle(0)
          kernel = applied(ruleset.pending(), kernel)
          ruleset.written()
        }
        for (const each of steps) {
          if ('settle' in each) settle()
          else if ('remove' in each) {
            services.delete(each.remove)
            ruleset.mark(each.remove)
          } else if (each.put === 'service') {
            services.set(each.value.name, toService(each.value))
            ruleset.mark(each.value.name)
          } else {
            const { of, index, family } = each.value
            slices.set(`${of}-${index}-${family}`, { of, slice: toSlice(each.value) })
            ruleset.mark(of)
          }
        }
        settle()
        const fresh = createRuleset(view, 60_000, node)
        fresh.markAll()
        fresh.settle(0)
        assert.deepEqual(withoutSlots(kernel), withoutSlots(fresh.desired))
        assert.deepEqual(kernel, new Map(ruleset.desired))
      }),
      { numRuns: 300 },
    )
  })

  test('a restart that adopts what is in the kernel has nothing to write', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { services, slices, view } = world()
        const ruleset = createRuleset(view, 60_000, node)
        for (const each of steps) {
          if ('put' in each && each.put === 'service') services.set(each.value.name, toService(each.value))
          if ('put' in each && each.put === 'slice') {
            slices.set(`${each.value.of}-${each.value.index}-${each.value.family}`, {
              of: each.value.of,
              slice: toSlice(each.value),
            })
          }
          for (const name of names) ruleset.mark(name)
          ruleset.settle(0)
        }
        const next = createRuleset(view, 60_000, node)
        next.adopt(new Map(ruleset.desired))
        next.markAll()
        next.settle(0)
        assert.deepEqual(new Map(next.desired), new Map(ruleset.desired))
      }),
      { numRuns: 100 },
    )
  })

  test('one endpoint of many changed: one element removed, one added', () => {
    const { services, slices, view } = world()
    const ruleset = createRuleset(view, 60_000, node)
    const hosts = [1, 2, 3, 4, 5]
    const put = (list: number[]) =>
      slices.set('x', {
        of: 'a',
        slice: slice(
          list.map((host) => ({ ip: `10.244.2.${host}` })),
          {},
          'a',
        ),
      })
    services.set('a', service({}, 'a'))
    put(hosts)
    ruleset.markAll()
    ruleset.settle(0)
    ruleset.written()
    put([1, 2, 9, 4, 5])
    ruleset.mark('a')
    ruleset.settle(0)
    const { remove, add } = ruleset.pending()
    assert.deepEqual([[...remove.values()], [...add.values()]], [['10.244.2.3 . 8080'], ['10.244.2.9 . 8080']])
  })

  test('an address wanted by two Services belongs to the older one, and to the other when it goes', () => {
    const { services, slices, view } = world()
    const ruleset = createRuleset(view, 60_000, node)
    const claim = (name: string, created: string) => {
      const made = service({ type: 'LoadBalancer', clusterIPs: [`10.96.0.${name === 'a' ? 1 : 2}`] }, name)
      made.metadata.creationTimestamp = created
      made.status = { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } }
      services.set(name, made)
      slices.set(name, { of: name, slice: slice(name === 'a' ? [] : [{ ip: '10.244.2.2' }], {}, name) })
    }
    claim('a', '2026-02-02T00:00:00Z')
    claim('b', '2026-01-01T00:00:00Z')
    ruleset.markAll()
    ruleset.settle(0)
    const front = '203.0.113.9 . tcp . 80'
    assert.equal(ruleset.desired.get(`ip svc ${front}`), 'goto n1')
    assert.equal(ruleset.desired.has(`ip no-ep ${front}`), false, 'not half of the other')
    services.delete('b')
    ruleset.mark('b')
    ruleset.settle(0)
    assert.equal(ruleset.desired.has(`ip svc ${front}`), false)
    assert.ok(ruleset.desired.has(`ip no-ep ${front}`))
  })

  test('nothing marked, nothing pending', () => {
    const ruleset = createRuleset(world().view, 60_000, node)
    ruleset.settle(0)
    assert.ok(isEmpty(ruleset.pending()))
  })
})
