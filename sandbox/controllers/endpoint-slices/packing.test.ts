import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Endpoint, EndpointSlice } from '../../../kube/objects.ts'
import { packSlices, type PortGroup, portsKey, type SliceChanges } from './packing.ts'

const http = [{ name: 'http', protocol: 'TCP' as const, port: 8080 }]
const dns = [{ name: 'dns', protocol: 'UDP' as const, port: 53 }]

function endpoint(number: number, ready = true): Endpoint {
  return {
    addresses: [`10.244.${number >> 8}.${number & 255}`],
    conditions: { ready },
    targetRef: { kind: 'Pod', namespace: 'default', name: `p${number}`, uid: `u${number}` },
  }
}

const endpoints = (from: number, count: number) => Array.from({ length: count }, (_, index) => endpoint(from + index))

function blank(ports: PortGroup['ports']): EndpointSlice {
  return { metadata: { generateName: 'web-', labels: { app: 'web' } }, addressType: 'IPv4', ports, endpoints: [] }
}

function slice(name: string, ports: PortGroup['ports'], members: Endpoint[]): EndpointSlice {
  return { ...blank(ports), metadata: { name, labels: { app: 'web' } }, endpoints: members }
}

/** What an API server holds after the changes. */
function applied(existing: readonly EndpointSlice[], changes: SliceChanges): EndpointSlice[] {
  const byName = new Map(existing.map((one) => [one.metadata.name, one]))
  for (const one of changes.remove) byName.delete(one.metadata.name)
  for (const one of changes.update) byName.set(one.metadata.name, one)
  let next = existing.length
  for (const one of changes.create) {
    while (byName.has(`s${next}`)) next++
    byName.set(`s${next}`, { ...one, metadata: { ...one.metadata, name: `s${next}` } })
  }
  return [...byName.values()]
}

const none: SliceChanges = { create: [], update: [], remove: [] }
const sizes = (slices: readonly EndpointSlice[]) => slices.map((one) => one.endpoints.length)

describe('packing endpoints into slices', () => {
  test('250 endpoints become slices of 100, 100 and 50', () => {
    const changes = packSlices([{ ports: http, endpoints: endpoints(0, 250) }], [], blank)
    assert.deepEqual(sizes(changes.create), [100, 100, 50])
    assert.deepEqual([changes.update, changes.remove], [[], []])
  })

  test('the same endpoints again give no change', () => {
    const existing = [slice('a', http, endpoints(0, 100)), slice('b', http, endpoints(100, 20))]
    const wanted = endpoints(0, 120).toReversed()
    assert.deepEqual(packSlices([{ ports: http, endpoints: wanted }], existing, blank), none)
  })

  test('a slice that changes anyway takes the new endpoint', () => {
    const existing = [slice('a', http, endpoints(0, 3)), slice('b', http, endpoints(50, 90))]
    const wanted = [...endpoints(1, 2), ...endpoints(50, 90), endpoint(200)]
    const { create, update, remove } = packSlices([{ ports: http, endpoints: wanted }], existing, blank)
    assert.deepEqual([create, remove], [[], []])
    assert.deepEqual(
      update.map((one) => [one.metadata.name, one.endpoints.length]),
      [['a', 3]],
    )
  })

  test('one more endpoint goes into the fullest slice with room', () => {
    const existing = [
      slice('a', http, endpoints(0, 10)),
      slice('b', http, endpoints(100, 99)),
      slice('c', http, endpoints(200, 100)),
    ]
    const wanted = [...existing.flatMap((one) => one.endpoints), endpoint(999)]
    const { create, update } = packSlices([{ ports: http, endpoints: wanted }], existing, blank)
    assert.deepEqual([create.length, update.map((one) => one.metadata.name)], [0, ['b']])
  })

  test('a changed condition rewrites the slice in place', () => {
    const existing = [slice('a', http, endpoints(0, 3))]
    const wanted = [endpoint(0), endpoint(1, false), endpoint(2)]
    const { update } = packSlices([{ ports: http, endpoints: wanted }], existing, blank)
    assert.deepEqual(update[0]?.endpoints, wanted)
  })

  test('another port set takes over the name of the slice it replaces', () => {
    const existing = [slice('a', http, endpoints(0, 3))]
    const { create, update, remove } = packSlices([{ ports: dns, endpoints: endpoints(0, 3) }], existing, blank)
    assert.deepEqual([create, remove], [[], []])
    assert.deepEqual([update[0]?.metadata.name, update[0]?.ports], ['a', dns])
  })

  test('Pods with different named ports get slices of their own', () => {
    const other = [{ name: 'http', protocol: 'TCP' as const, port: 9090 }]
    const groups = [
      { ports: http, endpoints: endpoints(0, 2) },
      { ports: other, endpoints: endpoints(2, 1) },
    ]
    assert.deepEqual(sizes(packSlices(groups, [], blank).create), [2, 1])
  })

  test('without endpoints one empty slice stays', () => {
    const first = packSlices([], [], blank)
    assert.deepEqual(sizes(first.create), [0])
    assert.deepEqual(packSlices([], applied([], first), blank), none)
    const emptied = packSlices([], [slice('a', http, endpoints(0, 2))], blank)
    assert.deepEqual([sizes(emptied.update), emptied.update[0]?.ports], [[0], []])
  })

  test('an empty slice as a real API server shows it counts as one', () => {
    const [empty] = packSlices([], [], blank).create
    const shown = { ...empty, metadata: { name: 'a', labels: { app: 'web' } }, endpoints: null, ports: null }
    assert.deepEqual(packSlices([], [shown as never], blank), none)
    assert.deepEqual(
      sizes(packSlices([{ ports: http, endpoints: endpoints(0, 2) }], [shown as never], blank).update),
      [2],
    )
  })

  test('changed labels rewrite every slice', () => {
    const existing = [slice('a', http, endpoints(0, 2))].map((one) => ({ ...one, metadata: { name: 'a', labels: {} } }))
    const { update } = packSlices([{ ports: http, endpoints: endpoints(0, 2) }], existing, blank)
    assert.deepEqual(update[0]?.metadata.labels, { app: 'web' })
  })

  test('for any history: each endpoint exactly once, no slice over the limit, a second pass writes nothing', () => {
    const limit = 5
    const state = fc.array(fc.record({ number: fc.nat(30), ready: fc.boolean(), udp: fc.boolean() }), { maxLength: 40 })
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 5 }), (states) => {
        let slices: EndpointSlice[] = []
        for (const wanted of states) {
          const unique = new Map(wanted.map((one) => [one.number, one]))
          const members = [...unique.values()]
          const group = (udp: boolean, ports: PortGroup['ports']) => ({
            ports,
            endpoints: members.filter((one) => one.udp === udp).map((one) => endpoint(one.number, one.ready)),
          })
          const groups = [group(false, http), group(true, dns)]
          slices = applied(slices, packSlices(groups, slices, blank, { limit }))
          for (const { ports, endpoints } of groups) {
            const held = slices
              .filter((one) => portsKey(one.ports ?? []) === portsKey(ports))
              .flatMap((one) => one.endpoints)
            const names = (list: Endpoint[]) => list.map((one) => JSON.stringify(one)).sort()
            assert.deepEqual(names(held), names(endpoints))
          }
          assert.ok(slices.length > 0)
          assert.ok(slices.every((one) => one.endpoints.length <= limit))
          assert.deepEqual(packSlices(groups, slices, blank, { limit }), none)
        }
      }),
      { numRuns: 200 },
    )
  })
})
