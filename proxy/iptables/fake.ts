/**
 * iptables-save and iptables-restore --noflush in memory, for tests. A table is taken as a whole or not at all, and what the programs
 * refuse is refused: rules for chains that are not there, jumps to such, deleting a chain that is in use or not empty, a rule that is not there.
 */
import type { Family } from '../rules/addresses.ts'
import { WriteError } from '../writer.ts'
import type { Iptables } from './iptables.ts'

type Rules = Map<string, string[]>

export interface FakeIptables extends Iptables {
  /** Chains by table; other programs change them here. */
  readonly tables: Map<string, Rules>
  /** The next restore fails with this. */
  failure: string | undefined
  /** A restore waits for it. */
  gate: Promise<void>
  /** A listing is taken and then waits for it. */
  listingGate: Promise<void>
  /** Texts restored, by table how many lines. */
  readonly restored: string[]
  /** How a rule is printed. */
  print: (rule: string) => string
}

const builtIn: Readonly<Record<string, readonly string[]>> = {
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
}

export function fakeIptables(family: Family): FakeIptables {
  const tables = new Map<string, Rules>(
    Object.entries(builtIn).map(([table, chains]) => [table, new Map(chains.map((chain) => [chain, []]))]),
  )
  const fake: FakeIptables = {
    family,
    tables,
    failure: undefined,
    gate: Promise.resolve(),
    listingGate: Promise.resolve(),
    restored: [],
    print: (rule) => rule,
    async save() {
      const text = [...tables].map(([name, chains]) => printed(name, chains, fake.print)).join('')
      await fake.listingGate
      return text
    },
    async restore(text) {
      await fake.gate
      const { failure } = fake
      fake.failure = undefined
      if (failure !== undefined) throw new WriteError(failure)
      fake.restored.push(text)
      for (const part of text.split(/^(?=\*)/m).filter(Boolean)) {
        const name = part.slice(1, part.indexOf('\n'))
        tables.set(name, changed(tables.get(name), part.split('\n').slice(1)))
      }
    },
    test: () => Promise.resolve(undefined),
  }
  return fake
}

function printed(name: string, chains: Rules, print: (rule: string) => string): string {
  const sorted = [...chains].sort(([a], [b]) => (a < b ? -1 : 1))
  const heads = sorted.map(([chain]) => `:${chain} ${builtIn[name]?.includes(chain) ? 'ACCEPT [7:420]' : '- [0:0]'}\n`)
  const rules = sorted.flatMap(([chain, lines]) => lines.map((rule) => `-A ${chain} ${print(rule)}\n`))
  return `# Generated\n*${name}\n${heads.join('')}${rules.join('')}COMMIT\n# Completed\n`
}

function changed(before: Rules | undefined, lines: readonly string[]): Rules {
  if (before === undefined) throw new WriteError('no such table')
  const chains: Rules = new Map([...before].map(([chain, rules]) => [chain, [...rules]]))
  const rulesOf = (chain: string, line: string) => {
    const rules = chains.get(chain)
    if (rules === undefined) throw new WriteError(`no such chain: ${line}`)
    return rules
  }
  for (const line of lines) {
    const [word = '', chain = ''] = line.split(' ')
    const rest = line.slice(word.length + chain.length + 2)
    if (word.startsWith(':')) chains.set(word.slice(1), [])
    else if (word === '-A') rulesOf(chain, line).push(rest)
    else if (word === '-I') rulesOf(chain, line).unshift(rest.replace(/^1 /, ''))
    else if (word === '-D') {
      const rules = rulesOf(chain, line)
      const at = rules.indexOf(rest)
      if (at === -1) throw new WriteError(`no such rule: ${line}`)
      rules.splice(at, 1)
    } else if (word === '-X') {
      if (rulesOf(chain, line).length > 0) throw new WriteError(`not empty: ${line}`)
      if ([...chains.values()].flat().some((rule) => targetOf(rule) === chain)) throw new WriteError(`in use: ${line}`)
      chains.delete(chain)
    } else if (word === 'COMMIT') break
    else throw new WriteError(`not understood: ${line}`)
  }
  for (const rule of [...chains.values()].flat()) {
    const target = targetOf(rule)
    if (target?.startsWith('ROADSTEAD') && !chains.has(target)) throw new WriteError(`no such target: ${rule}`)
  }
  return chains
}

function targetOf(rule: string): string | undefined {
  return / ?-[jg] (\S+)/.exec(rule)?.[1]
}
