import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type BandAllocator, createBandAllocator, lowBandSize } from './band-allocator.ts'

const portBands = { min: 16n, max: 128n, step: 32n }

describe('a band allocator', () => {
  test('gives unasked numbers from the high band while it has room, then from the low one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 60 }),
        fc.noShrink(fc.infiniteStream(unit())),
        (size, low, chance) => {
          const lowBand = BigInt(Math.min(low, size))
          const space = createBandAllocator({ first: 100n, size: BigInt(size), lowBand, random: () => next(chance) })
          const order = Array.from({ length: size }, () => space.takeNext() ?? -1n)
          const isLow = order.map((number) => number < 100n + lowBand)
          assert.equal(isLow.indexOf(true) < 0 ? size : isLow.indexOf(true), size - Number(lowBand))
          assert.equal(new Set(order).size, size)
          assert.equal(space.takeNext(), undefined)
          assert.equal(space.free, 0n)
        },
      ),
    )
  })

  test('never has a number twice, whatever is taken and released in whatever order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('take' as const), number: fc.bigInt(8n, 32n) }),
      fc.record({ kind: fc.constant('next' as const), number: fc.constant(0n) }),
      fc.record({ kind: fc.constant('release' as const), number: fc.bigInt(8n, 32n) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.noShrink(fc.infiniteStream(unit())), (steps, chance) => {
        const space = createBandAllocator({ first: 10n, size: 20n, lowBand: 5n, random: () => next(chance) })
        const held = new Set<bigint>()
        for (const { kind, number } of steps) {
          if (kind === 'release') {
            space.release(number)
            held.delete(number)
            continue
          }
          const got = kind === 'next' ? space.takeNext() : space.take(number) ? number : undefined
          assert.equal(got === undefined, kind === 'next' ? held.size === 20 : !inside(number) || held.has(number))
          if (got === undefined) continue
          assert.ok(inside(got) && !held.has(got))
          held.add(got)
        }
        agree(space, held)
      }),
    )
  })

  test('has the low band of KEP-3668 and KEP-3070', () => {
    assert.equal(lowBandSize(2768n, portBands), 86n)
    assert.equal(lowBandSize(16n, portBands), 0n)
    assert.equal(lowBandSize(17n, portBands), 16n)
    assert.equal(lowBandSize(65536n, portBands), 128n)
    assert.equal(lowBandSize(65536n, { min: 16n, max: 256n, step: 16n }), 256n)
  })
})

function inside(number: bigint): boolean {
  return number >= 10n && number < 30n
}

function agree(space: BandAllocator, held: ReadonlySet<bigint>): void {
  assert.equal(space.free, 20n - BigInt(held.size))
  for (let number = 10n; number < 30n; number += 1n) assert.equal(space.has(number), held.has(number))
}

function unit(): fc.Arbitrary<number> {
  return fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
}

function next(chance: Iterator<number>): number {
  return chance.next().value ?? 0
}
