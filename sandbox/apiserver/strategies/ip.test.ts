import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { addressErrors, addressWarnings, blockErrors, blockWarnings, formatAddress, parseAddress } from './ip.ts'

describe('an address', () => {
  test('reads back from its canonical form', () => {
    const v4 = fc.bigInt(0n, (1n << 32n) - 1n).map((value) => ({ family: 'IPv4' as const, value }))
    const v6 = fc
      .bigInt(0n, (1n << 128n) - 1n)
      .filter((value) => value >> 32n !== 0xffffn)
      .map((value) => ({ family: 'IPv6' as const, value }))
    fc.assert(
      fc.property(fc.oneof(v4, v6), ({ family, value }) => {
        const text = formatAddress(family, value)
        const address = parseAddress(text)
        assert.deepEqual([address?.family, address?.value], [family, value])
        assert.deepEqual([addressErrors('f', text), addressWarnings('f', text)], [[], []])
      }),
    )
  })

  test('is refused when malformed, with leading zeros or mapped', () => {
    const faultOf = (text: string) => addressErrors('f', text)[0]?.detail
    for (const text of ['', 'x', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1::2::3', 'fe80::1%eth0', ':::']) {
      assert.equal(faultOf(text), 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)', text)
    }
    assert.equal(faultOf('010.1.1.1'), 'must not have leading 0s')
    assert.equal(faultOf('::ffff:1.2.3.4'), 'must not be an IPv4-mapped IPv6 address')
    assert.deepEqual(addressErrors('f', '010.1.1.1', ['010.1.1.1']), [])
  })
})

describe('a CIDR block', () => {
  test('is refused when malformed or with bits beyond its length', () => {
    const faultOf = (text: string) => blockErrors('f', text)[0]?.detail
    assert.equal(faultOf('10.0.0.0/8'), undefined)
    assert.equal(faultOf('2001:db8::/32'), undefined)
    assert.equal(faultOf('10.0.0.1/8'), 'must not have bits set beyond the prefix length')
    assert.equal(faultOf('10.0.0.0/33'), 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
    assert.equal(faultOf('10.0.0.0/08'), 'must not have leading 0s in IP or prefix length')
  })

  test('warns when a host was perhaps meant', () => {
    assert.deepEqual(blockWarnings('f', '10.1.2.3/8'), [
      'f: CIDR value "10.1.2.3/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.2.3/32"?)',
    ])
  })
})
