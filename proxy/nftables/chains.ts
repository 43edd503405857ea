/**
 * Which chains a set of elements needs beyond the skeleton's fixed ones, and the text that makes them. Pure; used by both writers:
 * chains and rules are always written as text.
 */
import { type Family, families } from '../addresses.ts'
import { chainsOf, type ElementSet } from '../elements.ts'
import { countOf, firstCounts, lateRules, type SkeletonOptions, skeleton, tableName } from './skeleton.ts'

/** New tables for these elements in place of any old ones, still without the elements. */
export function emptyTables(options: SkeletonOptions, elements: ElementSet): string {
  return removeText() + skeleton(options) + lateText(lateChains(elements))
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
  return chains
    .map((chain) => {
      const [family = '', name = ''] = chain.split(' ')
      const at = `${family} ${tableName} ${name}`
      const rules = lateRules(family as Family, name).map((rule) => `add rule ${at} ${rule}\n`)
      return `add chain ${at}\nflush chain ${at}\n${rules.join('')}`
    })
    .join('')
}
