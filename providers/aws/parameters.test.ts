import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { parameterMeanings, parseParameters } from './parameters.ts'

describe('parameters', () => {
  test('a rich set is understood', () => {
    const parsed = parseParameters({
      subnets: 'subnet-1, subnet-2',
      'access-logs': 's3://logs/nlb/web/',
      'proxy-protocol': '*',
      tags: 'team=web,cost center=4711',
      'tls-certificates':
        'arn:aws:acm:eu-west-1:123456789012:certificate/a,arn:aws:iam::123456789012:server-certificate/b',
      'idle-timeout-seconds': '60',
      'cross-zone': '',
    })
    assert.deepEqual(parsed, {
      ok: true,
      value: {
        subnets: ['subnet-1', 'subnet-2'],
        accessLogs: { bucket: 'logs', prefix: 'nlb/web' },
        proxyProtocol: 'all',
        tags: { team: 'web', 'cost center': '4711' },
        certificates: [
          'arn:aws:acm:eu-west-1:123456789012:certificate/a',
          'arn:aws:iam::123456789012:server-certificate/b',
        ],
        idleTimeoutSeconds: 60,
      },
    })
  })

  for (const [key, value] of [
    ['cross-zone', 'yes'],
    ['eip-allocations', '203.0.113.7'],
    ['eip-allocations', 'eipalloc-1,eipalloc-1'],
    ['idle-timeout-seconds', '59'],
    ['access-logs', 'logs/nlb'],
    ['tags', 'aws:name=x'],
    ['tags', 'roadstead.dev/cluster=other'],
    ['security-groups', 'sg-of-mine'],
    ['security-groups', 'front*'],
    ['target-group-attributes', '80:'],
    ['listener-attributes', 'a b:c=d'],
    ['health-check-traffic-port', 'UDP'],
    ['keep-foreign-targets', 'some'],
    ['proxy-protocol', '80,,443'],
    ['tls-alpn', 'h2'],
    ['load-balancer-attributes', 'deletion_protection'],
  ] as const) {
    test(`${key} = ${JSON.stringify(value)} is refused with its name and what it must be`, () => {
      const parsed = parseParameters({ [key]: value })
      assert.ok(!parsed.ok)
      assert.ok(parsed.reasons[0]?.message.includes(key) && parsed.reasons[0].message.includes('must be'))
    })
  }

  test('no text makes it throw, and every refusal names the key', () => {
    const keys = Object.keys(parameterMeanings)
    fc.assert(
      fc.property(fc.constantFrom(...keys, 'constructor', '__proto__', 'other'), fc.string(), (key, value) => {
        const parsed = parseParameters(Object.fromEntries([[key, value]]))
        if (!parsed.ok) assert.ok(parsed.reasons.every(({ message }) => message.includes(key)))
      }),
    )
  })
})
