import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type Cidr, contains, outermost, parseCidr } from './addresses.ts'

const cidr = (text: string): Cidr => parseCidr(text) ?? assert.fail(text)

const someRange = fc.oneof(
  fc.tuple(fc.nat(3), fc.nat(255), fc.integer({ min: 6, max: 32 })).map(([a, b, length]) => `10.${a}.${b}.0/${length}`),
  fc.tuple(fc.nat(3), fc.nat(3), fc.integer({ min: 0, max: 128 })).map(([a, b, length]) => `fd0${a}::${b}/${length}`),
)

describe('the ranges that lie inside no other', () => {
  test('are those of a comparison of each with each, in the order given, each once', () => {
    fc.assert(
      fc.property(fc.array(someRange, { maxLength: 20 }), (texts) => {
        const all = texts.map(cidr)
        const unique = all.filter((range, index) => all.findIndex(({ text }) => text === range.text) === index)
        const inside = (range: Cidr) =>
          unique.some(
            (other) => other.prefix < range.prefix && contains(other, { family: range.family, text: range.network }),
          )
        const expected = unique.filter((range) => !inside(range)).map(({ text }) => text)
        assert.deepEqual(
          outermost(all).map(({ text }) => text),
          expected,
        )
      }),
    )
  })

  // Whoever may write a Service may write so many source ranges. Compared each with each they would take minutes.
  test('of 50,000 ranges', () => {
    const ranges = Array.from({ length: 50_000 }, (_, index) =>
      cidr(`${10 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`),
    )
    assert.equal(outermost(ranges).length, 50_000)
    assert.deepEqual(
      outermost([...ranges, cidr('10.0.0.0/8')]).map(({ text }) => text),
      ['10.0.0.0/8'],
    )
  })
})
