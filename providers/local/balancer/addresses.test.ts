import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Refusal } from '../wire.ts'
import { allocate, canonical, disjoint, inPools, parsePool } from './addresses.ts'

const v4 = parsePool('203.0.113.0/30')

test('network and broadcast addresses are never given out', () => {
  const first = allocate([v4], 'IPv4', new Set())
  const second = allocate([v4], 'IPv4', new Set([first]))
  assert.deepEqual([first, second], ['203.0.113.1', '203.0.113.2'])
  assert.throws(() => allocate([v4], 'IPv4', new Set([first, second])), isRefusal('AddressPoolExhausted'))
})

test('a range of one address gives that address', () => {
  assert.equal(allocate([parsePool('192.0.2.7/32')], 'IPv4', new Set()), '192.0.2.7')
  assert.equal(allocate([parsePool('2001:db8::7/128')], 'IPv6', new Set()), '2001:db8::7')
})

test('the next pool is used when one is full', () => {
  const pools = [parsePool('192.0.2.7/32'), parsePool('198.51.100.0/24')]
  assert.equal(allocate(pools, 'IPv4', new Set(['192.0.2.7'])), '198.51.100.1')
})

test('a family without a pool is refused', () => {
  assert.throws(() => allocate([v4], 'IPv6', new Set()), isRefusal('InvalidRequest'))
})

test('addresses are compared whatever way they are written', () => {
  const pool = parsePool('2001:DB8:113:0::/64')
  assert.equal(pool.cidr, '2001:db8:113::/64')
  assert.equal(canonical('2001:0DB8:113::0001'), '2001:db8:113::1')
  assert.ok(inPools([pool], '2001:0db8:0113::1'))
  assert.ok(!inPools([pool], '2001:db8:114::1'))
  assert.ok(!inPools([pool], 'nonsense'))
  assert.ok(!inPools([v4], '203.0.113.3'))
})

test('what is no range is named in the error', () => {
  for (const text of ['', '203.0.113.0', '203.0.113.0/33', 'x/24']) assert.throws(() => parsePool(text), RangeError)
})

test('disjoint ranges cover the same addresses without overlaps', () => {
  const cidr = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 8, max: 32 }))
    .map(([a, b, bits]) => `10.${a}.${b}.0/${bits}`)
  fc.assert(
    fc.property(
      fc.array(cidr, { maxLength: 8 }),
      fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 255 })),
      (cidrs, [a, b]) => {
        const address = `10.${a}.${b}.9`
        const covered = (ranges: readonly string[]) => ranges.filter((range) => contains(range, address)).length
        const result = disjoint(cidrs)
        assert.equal(covered(result) > 0, covered(cidrs) > 0)
        assert.ok(covered(result) <= 1)
        assert.deepEqual(disjoint(result), result)
        assert.deepEqual(disjoint([...cidrs].toReversed()), result)
      },
    ),
  )
})

function contains(range: string, address: string): boolean {
  const [network = '', bits = '32'] = range.split('/')
  const value = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - Number(bits))
  return Math.floor(value(network) / size) === Math.floor(value(address) / size)
}

function isRefusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.code === code
}
