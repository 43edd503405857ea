import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type Family, parseAddress, parseCidr, rangeKey } from '../rules/addresses.ts'
import { MalformedText } from '../netlink/text.ts'
import { fieldBytes, readFields, writeFields } from './fields.ts'
import type { Field } from './layout.ts'

function toBytes(text: string, fields: readonly Field[], family: Family, last = false): Buffer {
  const bytes = Buffer.alloc(fieldBytes(fields, family))
  writeFields(text, 0, fields, family, bytes, 0, last)
  return bytes
}

function toText(first: Buffer, fields: readonly Field[], family: Family, last = first): string {
  const both = Buffer.concat([first, last])
  const out = Buffer.alloc(512)
  return out.toString('latin1', 0, readFields(both, 0, first.length, fields, family, out, 0))
}

const address = {
  ip: fc.ipV4(),
  // Many zero groups, so that every place of `::` occurs.
  ip6: fc.oneof(
    // Not those that end in an IPv4 address: ipaddr.js takes ::0.0.0.0 for ::ffff:0.0.0.0.
    fc.ipV6().filter((text) => !text.includes('.')),
    fc
      .array(
        fc.oneof(
          fc.constant('0'),
          fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16)),
        ),
        {
          minLength: 8,
          maxLength: 8,
        },
      )
      .map((groups) => groups.join(':')),
  ),
}

describe('fields of an element', () => {
  test('stand one after another, each padded to 4 bytes', () => {
    assert.equal(
      toBytes('10.96.0.1 . tcp . 80 . 2', ['address', 'protocol', 'port', 'slot'], 'ip').toString('hex'),
      ['0a600001', '06000000', '00500000', '0300ad5e'].join(''),
    )
    assert.equal(toBytes('32000', ['port'], 'ip').toString('hex'), '7d00')
    assert.equal(toBytes('::ffff:192.0.2.1', ['address'], 'ip6').toString('hex'), '00000000000000000000ffffc0000201')
    assert.equal(
      toBytes('fd00:96::1 . 8080', ['address', 'port'], 'ip6').toString('hex'),
      ['fd000096000000000000000000000001', '1f900000'].join(''),
    )
  })

  test('a range is its first and its last address', () => {
    const fields: Field[] = ['port', 'range']
    assert.equal(toBytes('80 . 192.0.2.128/26', fields, 'ip').toString('hex'), '00500000c0000280')
    assert.equal(toBytes('80 . 192.0.2.128/26', fields, 'ip', true).toString('hex'), '00500000c00002bf')
    assert.equal(toBytes('80 . 192.0.2.7', fields, 'ip', true).toString('hex'), '00500000c0000207')
  })

  test('a range that is no network is printed with its ends', () => {
    const bytes = (text: string) => toBytes(text, ['address'], 'ip')
    assert.equal(toText(bytes('192.0.2.1'), ['range'], 'ip', bytes('192.0.2.6')), '192.0.2.1-192.0.2.6')
    assert.equal(toText(bytes('192.0.2.1'), ['range'], 'ip', bytes('192.0.2.2')), '192.0.2.1-192.0.2.2')
  })

  test('a protocol without a name is its number', () => {
    assert.equal(toText(Buffer.from([1]), ['protocol'], 'ip'), '1')
  })

  for (const family of ['ip', 'ip6'] as const) {
    test(`${family}: any address is written as addresses.ts spells it`, () => {
      fc.assert(
        fc.property(address[family], (text) => {
          const bytes = toBytes(text, ['address'], family)
          assert.equal(toText(bytes, ['address'], family), parseAddress(text)?.text)
        }),
        { numRuns: 500 },
      )
    })

    test(`${family}: any network keeps its prefix`, () => {
      fc.assert(
        fc.property(address[family], fc.nat(family === 'ip' ? 32 : 128), (text, prefix) => {
          const range = parseCidr(`${text}/${prefix}`)
          assert.ok(range)
          const key = rangeKey(range)
          const [first, last] = [toBytes(key, ['range'], family), toBytes(key, ['range'], family, true)]
          assert.equal(toText(first, ['range'], family, last), key)
        }),
        { numRuns: 500 },
      )
    })

    test(`${family}: keys and targets come back as they were`, () => {
      const fields: Field[] = ['address', 'protocol', 'port', 'slot']
      fc.assert(
        fc.property(
          address[family],
          fc.constantFrom('tcp', 'udp', 'sctp'),
          fc.nat(65_535),
          fc.nat(999),
          (text, protocol, port, slot) => {
            const key = `${parseAddress(text)?.text} . ${protocol} . ${port} . ${slot}`
            assert.equal(toText(toBytes(key, fields, family), fields, family), key)
          },
        ),
      )
    })
  }

  test('what is not spelled right is refused, not guessed', () => {
    const wrong: [string, Field[], Family][] = [
      ['10.96.0', ['address'], 'ip'],
      ['10.96.0.1.2', ['address'], 'ip'],
      ['10.96.0.256', ['address'], 'ip'],
      ['10.96..1', ['address'], 'ip'],
      ['', ['address'], 'ip'],
      ['fd00::1::2', ['address'], 'ip6'],
      ['fd00:1', ['address'], 'ip6'],
      ['1:2:3:4:5:6:7:8:9', ['address'], 'ip6'],
      [':1', ['address'], 'ip6'],
      ['fd00:', ['address'], 'ip6'],
      ['10.96.0.1', ['address'], 'ip6'],
      ['80 ', ['port'], 'ip'],
      ['65536', ['port'], 'ip'],
      ['-1', ['port'], 'ip'],
      ['icmp', ['protocol'], 'ip'],
      ['10.0.0.0/33', ['range'], 'ip'],
      ['80 .81', ['port', 'port'], 'ip'],
      ['80', ['port', 'port'], 'ip'],
      ['80 . 81 . 82', ['port', 'port'], 'ip'],
      ['1:2:3:4:5:6:7:8:192.0.2.1', ['address'], 'ip6'],
    ]
    for (const [text, fields, family] of wrong) {
      assert.throws(() => toBytes(text, fields, family), MalformedText, JSON.stringify(text))
    }
  })
})
