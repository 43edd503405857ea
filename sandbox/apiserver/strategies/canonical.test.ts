import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { canonicalise } from './canonical.ts'
import { canonicalQuantity } from './quantity.ts'

describe('the canonical form', () => {
  test('has no empty optional members', () => {
    const service = {
      metadata: { name: 'a', labels: {}, finalizers: [] },
      spec: {
        clusterIP: '',
        clusterIPs: [],
        allocateLoadBalancerNodePorts: false,
        ports: [{ name: '', port: 80, nodePort: 0 }],
      },
    }
    canonicalise('Service', service)
    assert.deepEqual(service, {
      metadata: { name: 'a' },
      spec: { allocateLoadBalancerNodePorts: false, ports: [{ port: 80, targetPort: 0 }] },
      status: { loadBalancer: {} },
    })
  })

  test('has the members that Go always writes', () => {
    const slice = { metadata: { name: 'a' }, addressType: 'IPv4', endpoints: [], ports: [{ name: 'x' }] }
    canonicalise('EndpointSlice', slice)
    assert.deepEqual(slice, {
      metadata: { name: 'a' },
      addressType: 'IPv4',
      endpoints: null,
      ports: [{ name: 'x' }],
    })
  })

  test('has times in UTC, in whole seconds or with six digits', () => {
    const event = {
      metadata: {},
      involvedObject: {},
      firstTimestamp: '2026-01-01T02:00:00.9+02:00',
      eventTime: '2026-01-01T00:00:00.123456Z',
    }
    canonicalise('Event', event)
    assert.equal(event.firstTimestamp, '2026-01-01T00:00:00Z')
    assert.equal(event.eventTime, '2026-01-01T00:00:00.123456Z')
  })

  test('leaves kinds and members it does not know alone', () => {
    const thing = { metadata: { name: 'a', other: '' }, more: 0 }
    canonicalise('Unheard', thing)
    canonicalise('ConfigMap', thing)
    assert.deepEqual(thing, { metadata: { name: 'a', other: '' }, more: 0 })
  })
})

describe('a quantity', () => {
  const pairs = [
    ['1000m', '1'],
    ['0.5', '500m'],
    ['0.5Gi', '512Mi'],
    ['1024Mi', '1Gi'],
    ['512', '512'],
    ['1000', '1k'],
    ['1000Ki', '1000Ki'],
    ['0.1Ki', '102400m'],
    ['1e3', '1e3'],
    ['0', '0'],
    ['-2000m', '-2'],
    ['many', 'many'],
  ] as const
  for (const [given, canonical] of pairs) {
    test(`${given} is ${canonical}`, () => assert.equal(canonicalQuantity(given), canonical))
  }
})
