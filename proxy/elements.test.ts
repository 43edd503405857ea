import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { applied, chainsOf, difference, isEmpty, partsOf } from './elements.ts'

const sets = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.constantFrom('', 'drop', 'goto n1', 'goto n2'))
  .map((entries) => new Map(Object.entries(entries).map(([key, value]) => [`ip svc ${key}`, value])))

describe('the difference of two element sets', () => {
  test('leads from the one to the other', () => {
    fc.assert(fc.property(sets, sets, (a, b) => assert.deepEqual(applied(difference(a, b), a), b)))
  })

  test('is empty exactly when they are equal', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const equal = a.size === b.size && [...a].every(([id, value]) => b.get(id) === value)
        assert.equal(isEmpty(difference(a, b)), equal)
      }),
    )
  })

  test('backwards undoes it', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const there = applied(difference(a, b), a)
        assert.deepEqual(applied(difference(b, a), there), a)
      }),
    )
  })

  test('is refused by a set it was not made for, as the kernel refuses it', () => {
    const change = difference(new Map([['ip svc a', 'drop']]), new Map())
    assert.throws(() => applied(change, new Map()), /no such element/)
    assert.throws(
      () => applied({ remove: new Map(), add: new Map([['x', '1']]) }, new Map([['x', '2']])),
      /another value/,
    )
  })
})

test('an id falls into family, map and key', () => {
  assert.deepEqual(partsOf('ip6 svc-local fd00::1 . tcp . 80'), {
    family: 'ip6',
    map: 'svc-local',
    key: 'fd00::1 . tcp . 80',
  })
})

test('chains are what verdicts go to, by family', () => {
  const chains = chainsOf(
    new Map([
      ['ip svc a', 'goto n3'],
      ['ip6 svc b', 'goto n3'],
      ['ip svc c', 'drop'],
    ]),
  )
  assert.deepEqual(
    [...chains].map(([family, names]) => [family, ...names]),
    [
      ['ip', 'n3'],
      ['ip6', 'n3'],
    ],
  )
})
