import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { changeText, wholeText } from './changes.ts'
import type { Frontend } from './frontends.ts'
import type { Ruleset, RulesInput } from './rules.ts'
import { rulesets, setNames, skeleton } from './rules.ts'

function frontend(changes: Partial<Frontend> = {}): Frontend {
  return {
    listener: 'http',
    family: 'IPv4',
    address: '203.0.113.1',
    protocol: 'TCP',
    port: 80,
    mode: 'node-port',
    targets: [
      { id: 1, address: '172.18.0.11', port: 31000 },
      { id: 2, address: '172.18.0.12', port: 31000 },
    ],
    waiting: false,
    keep: [1, 2],
    restricted: false,
    sourceRanges: [],
    affinitySeconds: 0,
    ...changes,
  }
}

function input(frontends: readonly Frontend[], changes: Partial<RulesInput> = {}): RulesInput {
  const pools = ['203.0.113.0/24', '2001:db8:113::/64']
  const addresses = [...new Set(frontends.map(({ address }) => address))]
  return { pools, addresses, frontends, retired: [], insideInterfaces: ['eth0'], zone: 7, ...changes }
}

function v4(...frontends: Frontend[]): Ruleset {
  const [rules] = rulesets(input(frontends))
  assert.ok(rules)
  return rules
}

const set = (rules: Ruleset, name: string) => Object.fromEntries(rules.elements.get(name) ?? [])

test('a node-port frontend: a slot per target, translated by its mark', () => {
  const rules = v4(frontend())
  assert.deepEqual(set(rules, 'choose'), { '203.0.113.1 . tcp . 80': 'goto spread-2' })
  assert.deepEqual(set(rules, 'slots'), {
    '203.0.113.1 . tcp . 80 . 0': '0x00000001',
    '203.0.113.1 . tcp . 80 . 1': '0x00000002',
  })
  assert.deepEqual(set(rules, 'forward'), {
    '203.0.113.1 . tcp . 80 . 0x00000001': '172.18.0.11 . 31000',
    '203.0.113.1 . tcp . 80 . 0x00000002': '172.18.0.12 . 31000',
  })
})

test('a passthrough frontend is marked for routing and not translated', () => {
  const rules = v4(frontend({ mode: 'passthrough' }))
  assert.deepEqual(Object.values(set(rules, 'slots')), ['0x00010001', '0x00010002'])
  assert.deepEqual(set(rules, 'forward'), {})
})

test('kept connections survive a change of mode: both marks of a node', () => {
  const rules = v4(frontend({ targets: [], keep: [3] }))
  assert.deepEqual(Object.keys(set(rules, 'kept')), [
    '203.0.113.1 . tcp . 80 . 0x00000003',
    '203.0.113.1 . tcp . 80 . 0x00010003',
  ])
  assert.deepEqual(set(rules, 'alive'), {})
})

test('without targets callers are refused, while verdicts are out they wait', () => {
  assert.deepEqual(set(v4(frontend({ targets: [], keep: [] })), 'choose'), {})
  assert.deepEqual(set(v4(frontend({ targets: [], keep: [], waiting: true })), 'choose'), {
    '203.0.113.1 . tcp . 80': 'drop',
  })
})

test('affinity has a chain per number of targets and timeout', () => {
  const rules = v4(frontend({ affinitySeconds: 60 }))
  assert.deepEqual(set(rules, 'choose'), { '203.0.113.1 . tcp . 80': 'goto sticky-2-60' })
  assert.ok(rules.chains.get('sticky-2-60')?.some((rule) => rule.includes('timeout 60s')))
})

test('source ranges are cleaned of overlaps; ranges of another family alone let nobody in', () => {
  const rules = v4(frontend({ restricted: true, sourceRanges: ['10.1.0.0/16', '10.0.0.1/8'] }))
  assert.deepEqual(Object.keys(set(rules, 'allowed')), ['203.0.113.1 . tcp . 80 . 10.0.0.0/8'])
  const closed = v4(frontend({ restricted: true, sourceRanges: [] }))
  assert.deepEqual(set(closed, 'restricted'), { '203.0.113.1 . tcp . 80': '' })
  assert.deepEqual(set(closed, 'allowed'), {})
})

test('each family has its own table', () => {
  const six = frontend({
    family: 'IPv6',
    address: '2001:db8:113::1',
    targets: [{ id: 3, address: 'fd00:18::11', port: 31000 }],
  })
  const [four, other] = rulesets(input([frontend(), six]))
  assert.ok(four && other)
  assert.deepEqual(Object.keys(set(four, 'used')), ['203.0.113.1'])
  assert.deepEqual(set(other, 'forward'), { '2001:db8:113::1 . tcp . 80 . 0x00000003': 'fd00:18::11 . 31000' })
})

test('the skeleton declares every set that is filled', () => {
  for (const family of ['ip', 'ip6'] as const) {
    const text = skeleton(family, 't')
    for (const name of setNames) assert.match(text, new RegExp(`(set|map) ${name} \\{`))
  }
})

test('a change is the difference alone, removals first', () => {
  const before = v4(frontend())
  const after = v4(frontend({ targets: [{ id: 2, address: '172.18.0.12', port: 31000 }], keep: [2] }))
  assert.equal(
    changeText(before, after, 't'),
    `${[
      'delete element ip t choose { 203.0.113.1 . tcp . 80 : goto spread-2 }',
      'delete element ip t slots { 203.0.113.1 . tcp . 80 . 0 : 0x00000001, 203.0.113.1 . tcp . 80 . 1 : 0x00000002 }',
      'delete element ip t alive { 203.0.113.1 . tcp . 80 . 0x00000001 }',
      'delete element ip t kept { 203.0.113.1 . tcp . 80 . 0x00000001, 203.0.113.1 . tcp . 80 . 0x00010001 }',
      'delete element ip t forward { 203.0.113.1 . tcp . 80 . 0x00000001 : 172.18.0.11 . 31000 }',
      'add chain ip t spread-1',
      'flush chain ip t spread-1',
      'add rule ip t spread-1 ct mark set ip daddr . meta l4proto . th dport . numgen random mod 1 map @slots',
      'add element ip t choose { 203.0.113.1 . tcp . 80 : goto spread-1 }',
      'add element ip t slots { 203.0.113.1 . tcp . 80 . 0 : 0x00000002 }',
    ].join('\n')}\n`,
  )
})

test('the whole text begins from any state of the table and keeps what packets wrote', () => {
  const text = wholeText(v4(frontend()), 't')
  assert.ok(text.startsWith('add table ip t\nflush table ip t\ntable ip t {'))
  assert.ok(!/flush (set|map) ip t (affinity|moved)/.test(text))
  assert.ok(wholeText(v4(), 't', true).startsWith('add table ip t\ndelete table ip t\n'))
})

const anyFrontend = fc
  .record({
    port: fc.integer({ min: 1, max: 4 }),
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    mode: fc.constantFrom('node-port' as const, 'passthrough' as const),
    ids: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 5 }),
    affinitySeconds: fc.constantFrom(0, 10, 60),
  })
  .map(({ ids, ...rest }) =>
    frontend({ ...rest, keep: ids, targets: ids.map((id) => ({ id, address: `172.18.0.${10 + id}`, port: 31000 })) }),
  )
const anyFrontends = fc.uniqueArray(anyFrontend, {
  maxLength: 4,
  selector: ({ port, protocol }) => `${protocol}/${port}`,
})

test('equal rules need no change; a change applied to the old elements gives the new ones', () => {
  fc.assert(
    fc.property(anyFrontends, anyFrontends, (first, second) => {
      const before = v4(...first)
      const after = v4(...second)
      assert.equal(changeText(after, v4(...second), 't'), '')
      assert.equal(changeText(after, v4(...second.toReversed()), 't'), '')
      const held = applied(before, changeText(before, after, 't'))
      for (const name of setNames) assert.deepEqual(held.get(name), new Map(after.elements.get(name)), name)
    }),
  )
})

test('every slot leads to a target that is alive and kept', () => {
  fc.assert(
    fc.property(anyFrontends, (frontends) => {
      const rules = v4(...frontends)
      for (const [key, mark] of rules.elements.get('slots') ?? []) {
        const target = `${key.slice(0, key.lastIndexOf(' . '))} . ${mark}`
        assert.ok(rules.elements.get('alive')?.has(target) && rules.elements.get('kept')?.has(target))
      }
    }),
  )
})

/** Plays `add element` and `delete element` lines; refuses what the kernel refuses. */
function applied(rules: Ruleset, text: string): Map<string, Map<string, string>> {
  const held = new Map([...rules.elements].map(([name, elements]) => [name, new Map(elements)]))
  for (const [, verb, name = '', list = ''] of text.matchAll(/^(add|delete) element ip t (\S+) \{ (.*) \}$/gm)) {
    for (const element of list.split(', ')) {
      const [key = '', value = ''] = element.split(' : ')
      const elements = held.get(name)
      assert.equal(elements?.has(key), verb === 'delete', `${verb} ${name} ${key}`)
      if (verb === 'add') elements?.set(key, value)
      else elements?.delete(key)
    }
  }
  return held
}
