/**
 * Which chains a set of elements needs beyond the skeleton's fixed ones, and the text that makes them. Pure; used by both writers:
 * chains and rules are always written as text.
 */
import { type Family, families } from '../rules/addresses.ts'
import { chainsOf, type ElementSet } from '../rules/elements.ts'
import { choiceTexts } from './choices.ts'
import { countOf, firstCounts, lateRules, type SkeletonOptions, skeleton, tableName } from './skeleton.ts'

/** Of the chains that are made on demand. */
const lateName = /^[tnl]\d+$/

/** New tables for these elements in place of any old ones, still without the elements. */
export function emptyTables(options: SkeletonOptions, elements: ElementSet): string {
  return removeText() + skeleton(options) + lateText(lateChains(elements))
}

/**
 * Chains and rules as they should be, in tables of this version, in one transaction that leaves the elements alone: what a swap does at a
 * cost that does not grow with them. Maps that somebody has deleted are there again, empty. nft refuses it where somebody made a chain or a
 * map of another kind by one of our names, or where an element leads to a chain that is not ours.
 * @param standing `<family> <name>` of every chain that is there
 */
export function mendText(options: SkeletonOptions, elements: ElementSet, standing: Iterable<string>): string {
  const text = skeleton(options)
  const own = rulesPerChain(text)
  const late = new Set(lateChains(elements))
  const strangers: string[] = []
  for (const chain of standing) {
    if (own.has(chain)) continue
    const [family = '', name = ''] = chain.split(' ')
    if (lateName.test(name)) late.add(chain)
    else strangers.push(`delete chain ${family} ${tableName} ${name}\n`)
  }
  const flush = families.map((family) => `flush table ${family} ${tableName}\n`)
  // What leads to chains of somebody else would hold on to them.
  const lead = families.map((family) => `flush map ${family} ${tableName} choices\n`)
  return [...flush, ...lead, ...strangers, text, lateText([...late])].join('')
}

/** `table` before `delete table` makes the latter succeed when there is none. */
export function removeText(): string {
  return families.map((family) => `table ${family} ${tableName}\ndelete table ${family} ${tableName}\n`).join('')
}

/** Chains, as `<family> <name>`, that are made on demand: those that remember clients, those that choose among more endpoints than usual. */
export function lateChains(elements: ElementSet): string[] {
  const late = new Set<string>()
  for (const [family, names] of chainsOf(elements)) {
    for (const name of names) {
      const count = countOf(name)
      if (name.startsWith('t')) late.add(`${family} ${name}`)
      else if (count !== undefined && count > firstCounts) {
        // A whole block, so that a Service that grows step by step does not start nft for each.
        const last = Math.ceil(count / firstCounts) * firstCounts
        for (let next = last - firstCounts + 1; next <= last; next++) {
          for (const letter of ['n', 'l']) late.add(`${family} ${letter}${next}`)
        }
      }
    }
  }
  return [...late]
}

/** Flushing first makes it repeatable: the chain may be left from an earlier process. */
export function lateText(chains: readonly string[]): string {
  const texts = chains.map((chain) => {
    const [family = '', name = ''] = chain.split(' ')
    const at = `${family} ${tableName} ${name}`
    const rules = lateRules(family as Family, name).map((rule) => `add rule ${at} ${rule}\n`)
    return `add chain ${at}\nflush chain ${at}\n${rules.join('')}`
  })
  const ways = families.map((family) => {
    const names = chains.flatMap((chain) => (chain.startsWith(`${family} `) ? chain.slice(family.length + 1) : []))
    const verdicts = names.flatMap((name) => (countOf(name) === undefined ? [] : `goto ${name}`))
    return verdicts.length === 0 ? '' : `add element ${family} ${tableName} choices { ${choiceTexts(verdicts)} }\n`
  })
  return [...texts, ...ways].join('')
}

/** How many rules each chain of a skeleton has, by its text; the check for tables that another process has made. */
export function rulesPerChain(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  let family = ''
  let chain: string | undefined
  for (const line of text.split('\n')) {
    const [, table] = /^table (\S+) \S+ \{$/.exec(line) ?? []
    if (table !== undefined) family = table
    const [, name, rest = ''] = /^ {2}chain (\S+) \{(.*)$/.exec(line) ?? []
    if (name !== undefined) {
      chain = `${family} ${name}`
      counts.set(chain, /^ *\} *$/.test(rest) || rest.trim() === '' ? 0 : 1)
      if (rest.trim() !== '') chain = undefined
    } else if (/^ {2}\}/.test(line)) chain = undefined
    else if (chain !== undefined && line.trim() !== '' && !/^\s*type \w+ hook /.test(line)) {
      counts.set(chain, (counts.get(chain) ?? 0) + 1)
    }
  }
  return counts
}
