import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assert as checkProperty, property, string } from 'fast-check'
import { parseAnnotations } from './annotations.ts'
import { nearMatches } from './near-matches.ts'

const keys = new Set(['mode', 'address-pool'])
const parse = (annotations: Record<string, string>) => parseAnnotations(annotations, keys)

describe('annotations', () => {
  test('every common key is understood, and parameters of the clouds are passed on', () => {
    const parsed = parse({
      'roadstead.dev/drain-seconds': '0',
      'roadstead.dev/delete-drain-seconds': '120',
      'roadstead.dev/replacement-wait-seconds': '86400',
      'roadstead.dev/health-check-path': '/ready',
      'roadstead.dev/health-check-protocol': 'TCP',
      'roadstead.dev/addresses': '203.0.113.7, 2001:DB8::0007',
      'roadstead.dev/mode': 'passthrough',
      'service.beta.kubernetes.io/load-balancer-source-ranges': '10.1.2.3/8, 192.0.2.0/24',
      'example.com/other': 'left alone',
    })
    assert.deepEqual(parsed, {
      ok: true,
      value: {
        healthCheck: { path: '/ready', protocol: 'TCP' },
        drainSeconds: 0,
        deleteDrainSeconds: 120,
        replacementWaitSeconds: 86_400,
        requestedAddresses: ['203.0.113.7', '2001:db8::7'],
        sourceRanges: ['10.0.0.0/8', '192.0.2.0/24'],
        parameters: { mode: 'passthrough' },
      },
    })
  })

  test('the scheme and the nodes that get traffic', () => {
    const parsed = parse({
      'roadstead.dev/scheme': 'internal',
      'roadstead.dev/node-selector': 'pool=edge, example.com/lb',
    })
    assert.ok(parsed.ok)
    assert.deepEqual(
      [parsed.value.scheme, parsed.value.nodeSelector],
      ['internal', { pool: 'edge', 'example.com/lb': '' }],
    )
    assert.equal(parse({ 'roadstead.dev/scheme': 'private' }).ok, false)
    assert.equal(parse({ 'roadstead.dev/node-selector': 'pool in (edge)' }).ok, false)
  })

  test('an unknown key is refused with its near matches', () => {
    const parsed = parse({ 'roadstead.dev/mod': 'x' })
    assert.ok(!parsed.ok)
    assert.match(
      parsed.reasons[0]?.message ?? '',
      /roadstead\.dev\/mod is unknown.*did you mean roadstead\.dev\/mode\?/,
    )
  })

  test('inherited names of objects are no keys', () => {
    assert.equal(parse({ 'roadstead.dev/constructor': 'x' }).ok, false)
    assert.equal(parse({ 'roadstead.dev/__proto__': 'x' }).ok, false)
  })

  for (const [key, value] of [
    ['drain-seconds', '1.5'],
    ['drain-seconds', '3601'],
    ['health-check-port', '0'],
    ['health-check-port', '65536'],
    ['health-check-port', '8o8o!'],
    ['health-check-protocol', 'http'],
    ['health-check-path', 'ready'],
    ['health-check-path', '/a b'],
    ['addresses', '203.0.113.300'],
    ['addresses', '1.1.1.1,1.1.1.2,1.1.1.3'],
  ]) {
    test(`${key} = ${JSON.stringify(value)} is malformed`, () => {
      const parsed = parse({ [`roadstead.dev/${key}`]: value ?? '' })
      assert.ok(!parsed.ok)
      assert.equal(parsed.reasons[0]?.reason, 'MalformedAnnotation')
    })
  }

  test('no text makes it throw, and what is refused names the key', () => {
    checkProperty(
      property(string(), string(), (word, value) => {
        const parsed = parse({ [`roadstead.dev/${word}`]: value })
        if (!parsed.ok) assert.ok(parsed.reasons[0]?.message.includes(`roadstead.dev/${word}`))
      }),
    )
  })
})

test('near matches are the nearest few, nearest first', () => {
  assert.deepEqual(nearMatches('drain-second', ['mode', 'drain-seconds', 'drained-second', 'addresses']), [
    'drain-seconds',
    'drained-second',
  ])
})
