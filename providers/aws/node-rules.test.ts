import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Fragment, Owner } from '../contract.ts'
import { progress } from '../plan.ts'
import { awsCore } from './core.ts'
import { compact, portsFragment } from './node-rules.ts'
import { aws, documentOf } from './resources.ts'
import type { NodeRulesResource } from './resources.ts'

const document = documentOf('c1')
const owner = (name: string): Owner => ({ cluster: 'c1', namespace: 'shop', name, uid: `uid-${name}` })

function standing(rules: readonly string[], inUse: readonly string[] = []): NodeRulesResource {
  return {
    kind: 'node-rules',
    key: 'node-rules/sg-1',
    owner: document,
    needs: ['node-access-group'],
    immutable: { groupId: 'sg-1' },
    mutable: { rules },
    id: 'sg-1',
    state: 'ready',
    observed: { inUse, others: 3 },
  }
}

/** The node rules after each call, from these fragments and what stands. */
function walk(cap: number, fragments: readonly Fragment[], seen: NodeRulesResource): (readonly string[])[] {
  const { assemble, refine } = awsCore({ nodeRuleCap: cap })
  const { steps } = progress(assemble(document, fragments, [seen]).resources, [seen], refine)
  return steps.flatMap(({ resource }) => {
    const one = aws(resource)
    return one.kind === 'node-rules' ? [one.mutable.rules] : []
  })
}

const portNumbers = fc.uniqueArray(fc.integer({ min: 30_000, max: 32_767 }), { minLength: 1, maxLength: 120 })

function opened(rules: readonly string[]): Set<string> {
  return new Set(
    rules.flatMap((rule) => {
      const [protocol = '', ports = ''] = rule.split('/')
      const [from = 0, to = from] = ports.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, index) => `${protocol}/${from + index}`)
    }),
  )
}

describe('rules in the security groups of the nodes', () => {
  test('neighbours are one rule, protocols stay apart', () => {
    const { rules, others } = compact(['tcp/30081', 'tcp/30080', 'udp/30080', 'tcp/10256', 'tcp/10256'], 45)
    assert.deepEqual([rules, others], [['tcp/10256', 'tcp/30080-30081', 'udp/30080'], 0])
  })

  test('beyond the cap the smallest gaps are bridged first', () => {
    const { rules, others } = compact(['tcp/30000', 'tcp/30002', 'tcp/30010', 'tcp/31000'], 3)
    assert.deepEqual([rules, others], [['tcp/30000-30002', 'tcp/30010', 'tcp/31000'], 1])
  })

  test('exactly the used ports are open while they fit; beyond it every used one, in no more rules than the cap', () => {
    fc.assert(
      fc.property(portNumbers, fc.integer({ min: 2, max: 60 }), (numbers, cap) => {
        const ports = numbers.map((port) => `${port % 2 ? 'tcp' : 'udp'}/${port}`)
        const { rules, others } = compact(ports, cap)
        const open = opened(rules)
        assert.ok(rules.length <= cap)
        assert.ok(ports.every((port) => open.has(port)))
        assert.equal(open.size - new Set(ports).size, others)
        if (compact(ports, Infinity).rules.length <= cap) assert.equal(others, 0)
      }),
    )
  })

  test('no other choice of as many ranges opens fewer ports', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 9 }),
        fc.integer({ min: 1, max: 4 }),
        (numbers, cap) => {
          const sorted = numbers.toSorted((a, b) => a - b)
          const gaps = sorted.slice(1).map((port, index) => port - (sorted[index] ?? 0) - 1)
          // Every way to leave at most cap - 1 gaps closed.
          let best = Infinity
          for (let bits = 0; bits < 2 ** gaps.length; bits++) {
            const closed = gaps.filter((_, index) => bits & (1 << index))
            const ranges = closed.filter((gap) => gap > 0).length + 1
            if (ranges > cap) continue
            best = Math.min(
              best,
              gaps.reduce((sum, gap, index) => sum + (bits & (1 << index) ? 0 : gap), 0),
            )
          }
          assert.equal(
            compact(
              sorted.map((port) => `tcp/${port}`),
              cap,
            ).others,
            best,
          )
        },
      ),
    )
  })

  test('on the way from any rules to any others nothing wanted is ever closed, and few more rules than the cap stand', () => {
    fc.assert(
      fc.property(portNumbers, portNumbers, fc.integer({ min: 3, max: 50 }), (before, after, cap) => {
        const old = compact(
          before.map((port) => `tcp/${port}`),
          cap,
        ).rules
        const wanted = after.map((port) => `tcp/${port}`)
        const kept = wanted.filter((port) => opened(old).has(port))
        const states = walk(cap, [portsFragment(owner('web'), wanted)], standing(old))
        for (const rules of states) {
          const open = opened(rules)
          assert.ok(
            kept.every((port) => open.has(port)),
            'a port that was open and stays wanted was closed',
          )
          assert.ok(rules.length <= Math.max(old.length + 1, cap + 5), `${rules.length} rules at a cap of ${cap}`)
        }
        assert.deepEqual(states.at(-1) ?? old, compact(wanted, cap).rules)
      }),
    )
  })

  test('what is new is opened in a call before what is old is closed', () => {
    const states = walk(
      45,
      [portsFragment(owner('web'), ['tcp/30443', 'tcp/10256'])],
      standing(['tcp/10256', 'tcp/30080']),
    )
    assert.deepEqual(states, [
      ['tcp/10256', 'tcp/30080', 'tcp/30443'],
      ['tcp/10256', 'tcp/30443'],
    ])
  })

  test('the rule of a port that a target group still uses stays', () => {
    const fragments = [portsFragment(owner('web'), ['tcp/30443'])]
    assert.deepEqual(walk(45, fragments, standing(['tcp/30080', 'tcp/30443'], ['tcp/30080'])), [])
    assert.deepEqual(walk(45, fragments, standing(['tcp/30080', 'tcp/30443'])), [['tcp/30443']])
  })

  test('100 Services stay under a quota of 60, and people are told what else is open', () => {
    const fragments = Array.from({ length: 100 }, (_, index) =>
      portsFragment(owner(`s${index}`), [`tcp/${30_000 + index * 17}`, 'tcp/10256']),
    )
    const { resources, notes } = awsCore().assemble(document, fragments, [standing([])])
    const rules = resources.map(aws).flatMap((one) => (one.kind === 'node-rules' ? one.mutable.rules : []))
    assert.equal(rules.length, 45)
    assert.match(notes?.[0]?.message ?? '', /do not fit into 45 rules .* up to 1000 other ports/)
  })

  test('nobody left: the rules go, then the group', () => {
    const { assemble, refine } = awsCore()
    const [group] = assemble(document, [portsFragment(owner('web'), ['tcp/30080'])], []).resources
    assert.ok(group)
    const seen = [{ ...group, id: 'sg-2' }, standing(['tcp/30080'])]
    const { steps } = progress(assemble(document, [], seen).resources, seen, refine)
    assert.deepEqual(
      steps.map(({ verb, resource }) => [verb, resource.kind, resource.mutable['rules']]),
      [
        ['update', 'node-rules', []],
        ['delete', 'node-access-group', undefined],
      ],
    )
  })
})
