import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as holds, asyncProperty, integer } from 'fast-check'
import { families } from '../rules/addresses.ts'
import { difference } from '../rules/elements.ts'
import { fakeIptables } from './fake.ts'
import { familyRules } from './family-rules.ts'
import { recover } from './recover.ts'
import { changeText, parseSaved, replaceText, sameChains } from './saved.ts'
import { elementsOf, options, randomNode } from './testing.ts'

const nobody = new Map<string, string>()

test('the chains that differ, written over the old ones, are the same rules as all of them anew', async () => {
  await holds(
    asyncProperty(integer(), integer(), async (one, other) => {
      for (const family of families) {
        const kernel = fakeIptables(family)
        const before = elementsOf(family, randomNode(one))
        const after = elementsOf(family, randomNode(other))
        const rules = familyRules(family, options, before)
        await kernel.restore(replaceText(rules.chains, parseSaved(await kernel.save())))
        await kernel.restore(changeText(rules.follow(difference(before, after))))
        const anew = familyRules(family, options, after).chains
        assert.ok(sameChains(rules.chains, anew))
        assert.ok(sameChains(parseSaved(await kernel.save()).chains, anew))
      }
    }),
    { numRuns: 25 },
  )
})

test('elements are read back from the rules', async () => {
  await holds(
    asyncProperty(integer(), async (seed) => {
      for (const family of families) {
        const kernel = fakeIptables(family)
        const elements = elementsOf(family, randomNode(seed))
        const { chains } = familyRules(family, options, elements)
        await kernel.restore(replaceText(chains, parseSaved(await kernel.save())))
        const found = recover(family, parseSaved(await kernel.save()).chains, options)
        const { remove, add } = difference(found?.elements ?? nobody, elements)
        assert.deepEqual([...remove.keys()], [])
        // Who is remembered without an endpoint to go to is in no rule.
        assert.deepEqual(
          [...add.keys()].filter((id) => !/ (session|learn) /.test(id)),
          [],
        )
      }
    }),
    { numRuns: 25 },
  )
})

test('rules of another release, or altered ones, are not taken for elements', () => {
  const elements = elementsOf('ip', randomNode(7))
  const { chains } = familyRules('ip', options, elements)
  const [name = '', rules = []] = [...chains.nat].find(([chain]) => chain.includes('-SVC-')) ?? []
  for (const altered of [[...rules, '-j RETURN'], rules.slice(1), []]) {
    const nat = new Map(chains.nat).set(name, altered)
    assert.equal(recover('ip', { ...chains, nat }, options), undefined)
  }
  assert.equal(recover('ip', chains, { ...options, masqueradeBit: 15 }), undefined)
  assert.ok(recover('ip', chains, options))
})

test('an endpoint that changes is one chain; a Service that comes is its chain and what leads to it', () => {
  const spec = randomNode(3)
  const web = { kind: 'cluster-ip', at: 200, protocol: 'tcp', port: 80, policy: 'Cluster', sources: [] } as const
  const of = (endpoints: number[]) =>
    elementsOf('ip', { ...spec, frontends: [{ ...web, endpoints, seconds: undefined }, ...spec.frontends] })
  const rules = familyRules('ip', options, elementsOf('ip', spec))
  const came = rules.follow(difference(elementsOf('ip', spec), of([1, 2])))
  assert.ok(came.set.nat.size <= 4 && came.set.filter.size <= 3, `${came.set.nat.size} ${came.set.filter.size}`)
  const changed = rules.follow(difference(of([1, 2]), of([1, 3])))
  assert.deepEqual([changed.set.nat.size, changed.set.filter.size, changed.gone.nat.size], [1, 0, 0])
})

test('every endpoint is as likely as every other, however many there are', () => {
  for (const count of [1, 2, 3, 7, 64, 1000]) {
    const elements = new Map([['ip svc 10.96.0.1 . tcp . 80', `goto n${count}`]])
    for (let slot = 0; slot < count; slot++) {
      elements.set(`ip ep 10.96.0.1 . tcp . 80 . ${slot}`, `10.244.${slot >> 8}.${slot & 255} . 80`)
    }
    const { nat } = familyRules('ip', options, elements).chains
    const [, rules = []] = [...nat].find(([name]) => name.includes('-SVC-')) ?? []
    let left = 1
    const shares = rules.map((rule) => {
      const share = left * Number(/--probability (\S+)/.exec(rule)?.[1] ?? 1)
      left -= share
      return share
    })
    assert.equal(shares.length, count)
    assert.ok(
      shares.every((share) => Math.abs(share * count - 1) < 1e-4),
      `${count}: ${Math.min(...shares)} ${Math.max(...shares)}`,
    )
  }
})

test('an address that becomes a ClusterIP, and stops being one, changes what its frontends do', () => {
  const front = '10.96.0.1 . tcp . 80'
  const before = new Map([
    [`ip frontends ${front}`, ''],
    [`ip svc ${front}`, 'goto n1'],
    [`ip ep ${front} . 0`, '10.244.0.1 . 80'],
  ])
  const after = new Map([...before, ['ip cluster-ips 10.96.0.1', '']])
  const rules = familyRules('ip', options, before)
  for (const [from, to] of [
    [before, after],
    [after, before],
  ] as const) {
    rules.follow(difference(from, to))
    assert.ok(sameChains(rules.chains, familyRules('ip', options, to).chains))
  }
})
