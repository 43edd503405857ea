import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { EndpointSlice, Service } from '../../kube/objects.ts'
import { addressFromDashed, addressFromReverse, dashed } from './names.ts'
import { createRecordIndex, type RecordIndexWriter } from './record-index.ts'

function headless(name: string): Service {
  return { metadata: { namespace: 'default', name }, spec: { clusterIP: 'None' } }
}

function slice(name: string, service: string | undefined, addresses: string[]): EndpointSlice {
  const labels: Record<string, string> = service === undefined ? {} : { 'kubernetes.io/service-name': service }
  return {
    metadata: { namespace: 'default', name, labels },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  }
}

const addresses = (index: RecordIndexWriter, name: string) => index.service('default', name)?.own?.A

describe('the record index', () => {
  test('slices may come before their Service', () => {
    const index = createRecordIndex()
    index.setSlice(slice('a', 'db', ['10.0.0.1']))
    assert.equal(index.service('default', 'db'), undefined)
    index.setService(headless('db'))
    assert.deepEqual(addresses(index, 'db'), ['10.0.0.1'])
  })

  test('a slice that moves to another Service leaves the first', () => {
    const index = createRecordIndex()
    for (const name of ['db', 'cache']) index.setService(headless(name))
    index.setSlice(slice('a', 'db', ['10.0.0.1']))
    index.setSlice(slice('a', 'cache', ['10.0.0.1']))
    assert.deepEqual([addresses(index, 'db'), addresses(index, 'cache')], [undefined, ['10.0.0.1']])
    assert.deepEqual(index.pointers('10.0.0.1'), ['10-0-0-1.cache.default.svc.cluster.local'])
  })

  test('a Service that goes takes its names and pointers along', () => {
    const index = createRecordIndex()
    const web: Service = { metadata: { namespace: 'default', name: 'web' }, spec: { clusterIP: '10.96.0.1' } }
    index.setService(web)
    assert.deepEqual(index.pointers('10.96.0.1'), ['web.default.svc.cluster.local'])
    index.removeService(web)
    assert.deepEqual([index.pointers('10.96.0.1'), index.service('default', 'web')], [[], undefined])
  })

  test('an address of two Services has both names', () => {
    const index = createRecordIndex()
    for (const name of ['db', 'cache']) {
      index.setService(headless(name))
      index.setSlice(slice(name, name, ['10.0.0.1']))
    }
    assert.equal(index.pointers('10.0.0.1').length, 2)
  })

  test('the serial grows with every change', () => {
    const index = createRecordIndex()
    const before = index.serial
    index.setService(headless('db'))
    assert.ok(index.serial > before)
  })

  test('any order of changes ends like an index made from the final state alone', () => {
    const change = fc.record({
      slice: fc.constantFrom('a', 'b', 'c'),
      service: fc.constantFrom('db', 'cache', undefined),
      addresses: fc.uniqueArray(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3')),
      gone: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const index = createRecordIndex()
        const final = new Map<string, EndpointSlice>()
        for (const name of ['db', 'cache']) index.setService(headless(name))
        for (const one of changes) {
          const object = slice(one.slice, one.service, one.addresses)
          if (one.gone) {
            index.removeSlice(object)
            final.delete(one.slice)
          } else {
            index.setSlice(object)
            final.set(one.slice, object)
          }
        }
        const fresh = createRecordIndex()
        for (const object of final.values()) fresh.setSlice(object)
        for (const name of ['db', 'cache']) fresh.setService(headless(name))
        for (const name of ['db', 'cache']) {
          assert.deepEqual(addresses(index, name)?.toSorted(), addresses(fresh, name)?.toSorted())
        }
        for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
          assert.deepEqual(index.pointers(address).toSorted(), fresh.pointers(address).toSorted())
        }
      }),
    )
  })
})

describe('names and addresses', () => {
  test('dashed labels read back', () => {
    for (const address of ['10.244.1.5', 'fd00:244:1::5', '2001:db8::1']) {
      assert.equal(addressFromDashed(dashed(address)), address)
    }
    for (const label of ['', 'a', '1-2-3', '1-2-3-256', '1-2-3-4-5', '01-2-3-x']) {
      assert.equal(addressFromDashed(label), undefined, label)
    }
  })

  test('reverse names read back, short and broken ones do not', () => {
    assert.equal(addressFromReverse('4.3.2.1.in-addr.arpa'), '1.2.3.4')
    assert.equal(addressFromReverse(`1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`), '2001:db8::1')
    for (const name of [
      '3.2.1.in-addr.arpa',
      '256.3.2.1.in-addr.arpa',
      '1.0.ip6.arpa',
      `z.${'0.'.repeat(31)}ip6.arpa`,
    ]) {
      assert.equal(addressFromReverse(name), undefined, name)
    }
  })
})
