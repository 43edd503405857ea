import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AffinityElement, elementsOf, entriesOf } from './affinity-maps.ts'

const half = (map: AffinityElement['map'], key: string, value: string): AffinityElement => ({
  family: 'ip6',
  map,
  key,
  value,
  lifetime: 'timeout 3s',
})

describe('remembered IPv6 clients', () => {
  const whole = { family: 'ip6' as const, key: '1 . 2 . a:b', target: 'fd00::5 . 8080', lifetime: 'timeout 3s' }

  test('are put together from both maps, in whatever order, and taken apart again', () => {
    const elements = elementsOf(whole)
    assert.deepEqual(
      elements.map(({ map, value }) => `${map} ${value}`),
      ['affinity-address fd00::5', 'affinity-port 8080'],
    )
    assert.deepEqual(entriesOf(elements), [whole])
    assert.deepEqual(entriesOf(elements.toReversed()), [whole])
  })

  test('of which one half is gone are still entries, with that half empty', () => {
    for (const [element, target] of [
      [half('affinity-address', '1 . 2 . a:b', 'fd00::5'), 'fd00::5 . '],
      [half('affinity-port', '1 . 2 . a:b', '8080'), ' . 8080'],
    ] as const) {
      const [entry] = entriesOf([element])
      assert.equal(entry?.target, target)
      assert.deepEqual(entry && elementsOf(entry), [element])
    }
  })
})

test('a remembered IPv4 client is one element', () => {
  const entry = { family: 'ip' as const, key: '10.0.0.1 . a:b', target: '10.244.0.5 . 8080', lifetime: '' }
  assert.deepEqual(entriesOf(elementsOf(entry)), [entry])
})
