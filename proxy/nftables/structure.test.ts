import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { emptyTables } from './chains.ts'
import { differences, rulesPerChain } from './structure.ts'

const options = {
  local: { ip: { by: 'addresses' }, ip6: { by: 'nothing' } } as const,
  masqueradeAll: false,
  masqueradeBit: 14,
}

describe('rules that a skeleton should have', () => {
  const rules = rulesPerChain(emptyTables(options, new Map()))

  test('are counted for chains of one line, of several, with hooks and without rules', () => {
    assert.equal(rules.get('ip n1'), 1)
    assert.equal(rules.get('ip n64'), 1)
    assert.equal(rules.get('ip n65'), undefined)
    assert.equal(rules.get('ip reject-it'), 2)
    assert.equal(rules.get('ip6 reject-it'), 2)
    assert.equal(rules.get('ip nat-out'), 1)
    assert.equal(rules.get('ip nat-post'), 4)
    assert.equal([...rules].find(([chain]) => chain.startsWith('ip version-'))?.[1], 0)
  })

  test('differ where they should: without a Pod network fewer sources are masqueraded', () => {
    assert.equal((rules.get('ip services') ?? 0) - (rules.get('ip6 services') ?? 0), 1)
  })
})

describe('two looks at the chains', () => {
  const seen = (...names: string[]) => new Map(names.map((name) => [name, { rules: 1, fingerprint: name }]))

  test('differ in what is missing, more, or another', () => {
    assert.deepEqual(differences(seen('ip a', 'ip b'), seen('ip a', 'ip b')), [])
    assert.deepEqual(differences(seen('ip a', 'ip b'), seen('ip b', 'ip c')), ['ip a', 'ip c'])
    const other = new Map([['ip a', { rules: 1, fingerprint: 'other' }]])
    assert.deepEqual(differences(seen('ip a'), other), ['ip a'])
  })
})
