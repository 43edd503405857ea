import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as holds, integer, property } from 'fast-check'
import { families } from '../addresses.ts'
import { difference } from '../elements.ts'
import { familyRules } from './family-rules.ts'
import { recover } from './recover.ts'
import { changeText, parseSaved, replaceText, sameChains } from './saved.ts'
import { elementsOf, options, randomNode } from './testing.ts'

const nobody = new Map<string, string>()

/** What a kernel's tables are after a text: enough of iptables-restore --noflush for chains of ours. */
function restored(saved: string, text: string): string {
  const { chains, jumps } = parseSaved(saved)
  let table: 'nat' | 'filter' = 'nat'
  const found = { nat: [...jumps.nat], filter: [...jumps.filter] }
  for (const line of text.split('\n')) {
    const [word = '', name = ''] = line.split(' ')
    if (word.startsWith('*')) table = word.slice(1) as typeof table
    else if (word.startsWith(':')) chains[table].set(word.slice(1), [])
    else if (word === '-A') {
      const rules = chains[table].get(name)
      assert.ok(rules, `no chain for ${line}`)
      chains[table].set(name, [...rules, line.slice(4 + name.length)])
      const [, target] = / -[jg] (ROADSTEAD-\S+)/.exec(line) ?? []
      assert.ok(target === undefined || chains[table].has(target), `no target for ${line}`)
    } else if (word === '-I') found[table].push(line.slice(3).replace(' 1 ', ' '))
    else if (word === '-X') {
      const users: string[] = [...chains[table].values()].flat().filter((rule) => rule.endsWith(` ${name}`))
      assert.deepEqual([chains[table].get(name), users], [[], []], `${name} is in use`)
      chains[table].delete(name)
    }
  }
  return (['nat', 'filter'] as const)
    .map((each) => {
      const names = [...chains[each].keys()].map((name) => `:${name} - [0:0]\n`)
      const rules = [...chains[each]].flatMap(([name, lines]) => lines.map((rule) => `-A ${name} ${rule}\n`))
      return `*${each}\n${names.join('')}${found[each].map((jump) => `-A ${jump}\n`).join('')}${rules.join('')}COMMIT\n`
    })
    .join('')
}

test('a part of the chains written leads to the same rules as all of them anew', () => {
  holds(
    property(integer(), integer(), (one, other) => {
      for (const family of families) {
        const before = elementsOf(family, randomNode(one))
        const after = elementsOf(family, randomNode(other))
        const rules = familyRules(family, options, before)
        let kernel = restored('', replaceText(rules.chains, parseSaved('')))
        kernel = restored(kernel, changeText(rules.follow(difference(before, after))))
        const anew = familyRules(family, options, after)
        assert.ok(sameChains(rules.chains, anew.chains))
        assert.ok(sameChains(parseSaved(kernel).chains, anew.chains))
      }
    }),
    { numRuns: 25 },
  )
})

test('elements are read back from the rules', () => {
  holds(
    property(integer(), (seed) => {
      for (const family of families) {
        const elements = elementsOf(family, randomNode(seed))
        const { chains } = familyRules(family, options, elements)
        const found = recover(family, parseSaved(restored('', replaceText(chains, parseSaved('')))).chains, options)
        // Whoever is remembered and then dropped is in no rule.
        const { remove, add } = difference(found?.elements ?? nobody, elements)
        assert.deepEqual([...remove.keys()], [])
        assert.deepEqual(
          [...add.keys()].filter((id) => !/ (session|learn) /.test(id)),
          [],
        )
      }
    }),
    { numRuns: 25 },
  )
})
