import assert from 'node:assert/strict'
import { test } from 'node:test'
import { staleEntries } from './affinity.ts'

test('forgotten are clients at endpoints that their session has not, of sessions that are gone, and halves', () => {
  const entry = (family: 'ip' | 'ip6', key: string, target: string) => ({ family, key, target, lifetime: '' })
  const entries = [
    entry('ip', '10.0.0.1 . a:1', '10.244.0.1 . 80'),
    entry('ip', '10.0.0.2 . a:1', '10.244.0.9 . 80'),
    entry('ip', '10.0.0.3 . a:2', '10.244.0.1 . 80'),
    entry('ip6', '7 . 8 . a:1', 'fd00::1 . 80'),
    entry('ip6', '7 . 9 . a:1', 'fd00::1 . '),
  ]
  const targets = { ip: new Set(['10.244.0.1 . 80']), ip6: new Set(['fd00::1 . 80']) }
  const stale = staleEntries(entries, (family, id) => (id === 'a:1' ? targets[family] : undefined))
  assert.deepEqual(
    stale.map(({ key }) => key),
    ['10.0.0.2 . a:1', '10.0.0.3 . a:2', '7 . 9 . a:1'],
  )
})
