import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { families } from './addresses.ts'
import {
  applied,
  chainsOf,
  difference,
  type ElementId,
  elementId,
  elementMaps,
  type ElementSet,
  isEmpty,
  partsOf,
} from './elements.ts'

/** Keys of every shape there is: an address, a network, a frontend, a slot, a session. */
const keys = fc.constantFrom(
  '10.96.0.1',
  '10.0.0.0/8',
  'fd00::1 . tcp . 80',
  '10.96.0.1 . udp . 53 . 12',
  '1f:2a',
  '30123',
)
const ids = fc
  .tuple(fc.constantFrom(...families), fc.constantFrom(...elementMaps), keys)
  .map(([family, map, key]) => ({ family, map, key }))
const wide: fc.Arbitrary<ElementSet> = fc
  .array(fc.tuple(ids, fc.constantFrom('', 'drop', 'goto n1', '10.244.1.1 . 8080')), { maxLength: 40 })
  .map((entries) => new Map(entries.map(([{ family, map, key }, value]) => [elementId(family, map, key), value])))

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

  test('is the smallest: what stays is in neither part, a changed value in both, nothing else anywhere', () => {
    fc.assert(
      fc.property(wide, wide, (a, b) => {
        const { remove, add } = difference(a, b)
        for (const id of new Set([...a.keys(), ...b.keys()])) {
          const stays = a.has(id) && b.has(id) && a.get(id) === b.get(id)
          assert.equal(remove.has(id), a.has(id) && !stays)
          assert.equal(add.has(id), b.has(id) && !stays)
        }
        for (const [id, value] of remove) assert.equal(a.get(id), value)
        for (const [id, value] of add) assert.equal(b.get(id), value)
      }),
    )
  })

  test('one after another leads where the one from first to last leads, and none of them changes the sets', () => {
    fc.assert(
      fc.property(fc.array(wide, { minLength: 2, maxLength: 6 }), (steps) => {
        const copies = steps.map((each) => new Map(each))
        let set = new Map<ElementId, string>(steps[0])
        for (const [index, next] of steps.entries()) set = applied(difference(steps[index - 1] ?? set, next), set)
        const [first = new Map<ElementId, string>()] = steps
        const last = steps.at(-1) ?? first
        assert.deepEqual(set, applied(difference(first, last), first))
        assert.deepEqual(steps, copies)
      }),
    )
  })

  test('does not depend on the order of the elements', () => {
    fc.assert(
      fc.property(wide, wide, (a, b) => {
        const backwards = (set: ElementSet) => new Map([...set].toReversed())
        assert.deepEqual(difference(backwards(a), backwards(b)), difference(a, b))
      }),
    )
  })

  test('is refused by every set that lacks something of what it removes', () => {
    fc.assert(
      fc.property(wide, wide, fc.nat(), (a, b, at) => {
        const change = difference(a, b)
        const gone = [...change.remove.keys()]
        const id = gone[at % Math.max(1, gone.length)]
        fc.pre(id !== undefined)
        const other = new Map(a)
        other.delete(id)
        assert.throws(() => applied(change, other), /no such element/)
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

test('an id is put together from what it falls into', () => {
  fc.assert(
    fc.property(ids, (parts) => assert.deepEqual(partsOf(elementId(parts.family, parts.map, parts.key)), parts)),
  )
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
