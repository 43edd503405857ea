import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { differences } from './structure.ts'

describe('two looks at the chains', () => {
  const seen = (...names: string[]) => new Map(names.map((name) => [name, { rules: 1, fingerprint: name }]))

  test('differ in what is missing, more, or another', () => {
    assert.deepEqual(differences(seen('ip a', 'ip b'), seen('ip a', 'ip b')), [])
    assert.deepEqual(differences(seen('ip a', 'ip b'), seen('ip b', 'ip c')), ['ip a', 'ip c'])
    const other = new Map([['ip a', { rules: 1, fingerprint: 'other' }]])
    assert.deepEqual(differences(seen('ip a'), other), ['ip a'])
  })
})
