import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { emptyTables, mendText, rulesPerChain } from './chains.ts'
import { skeleton, versionChain } from './skeleton.ts'

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

describe('altered chains', () => {
  const version = `ip ${versionChain('ip', options)}`
  const mended = (standing: string[], elements = new Map<string, string>()) =>
    mendText(options, elements, [version, 'ip services', ...standing])

  test('are emptied and filled again, without touching a table or an element', () => {
    const text = mended([])
    assert.ok(text.startsWith('flush table ip roadstead\nflush table ip6 roadstead\n'))
    assert.ok(text.includes(skeleton(options)))
    assert.equal(/^(delete|add element)/m.test(text), false)
  })

  test('of somebody else go', () => {
    assert.match(mended(['ip6 stranger', 'ip n3']), /^delete chain ip6 roadstead stranger$/m)
    assert.equal(mended(['ip n3']).includes('delete chain'), false)
  })

  test('that were made on demand get their rules again, those that elements need are made', () => {
    const text = mended(['ip t60'], new Map([['ip6 learn 1a2b:c', 'goto t5']]))
    for (const [chain, seconds] of Object.entries({ 'ip roadstead t60': 60, 'ip6 roadstead t5': 5 })) {
      assert.ok(text.includes(`add chain ${chain}\nflush chain ${chain}\n`), chain)
      assert.match(text, new RegExp(`^add rule ${chain} .* timeout ${seconds}s `, 'm'))
    }
  })
})
