import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { maxSlots, place } from './slots.ts'

describe('places of endpoints', () => {
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'), {
    maxLength: 12,
  })

  test('every wanted endpoint has exactly one slot, without a hole', () => {
    fc.assert(
      fc.property(names, names, (previous, wanted) => {
        assert.deepEqual(place(previous, wanted).sort(), [...wanted].sort())
      }),
    )
  })

  test('an endpoint that stays keeps its slot, unless that slot is gone', () => {
    fc.assert(
      fc.property(names, names, (previous, wanted) => {
        const slots = place(previous, wanted)
        previous.slice(0, wanted.length).forEach((endpoint, slot) => {
          if (wanted.includes(endpoint)) assert.equal(slots[slot], endpoint)
        })
      }),
    )
  })

  test('nothing changed, nothing moves, whatever the order', () => {
    fc.assert(fc.property(names, (slots) => assert.deepEqual(place(slots, slots.toReversed()), slots)))
  })

  test('one that leaves costs one move', () => {
    assert.deepEqual(place(['a', 'b', 'c', 'd'], ['a', 'c', 'd']), ['a', 'd', 'c'])
    assert.deepEqual(place(['a', 'b'], ['a', 'b', 'x']), ['a', 'b', 'x'])
    assert.deepEqual(place(['a', 'b'], ['a', 'x']), ['a', 'x'])
  })

  test('above the limit, who has a slot keeps it', () => {
    const many = Array.from({ length: maxSlots + 5 }, (_, index) => `e${String(index).padStart(4, '0')}`)
    const last = many.at(-1) ?? ''
    const slots = place([last], many)
    assert.equal(slots.length, maxSlots)
    assert.equal(slots[0], last)
  })
})
