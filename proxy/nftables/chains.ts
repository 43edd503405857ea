/**
 * Which chains a set of elements needs beyond the skeleton's fixed ones, and the text that makes them. Pure; used by both writers:
 * chains and rules are always written as text.
 */
import { type Family, families } from '../addresses.ts'
import { chainsOf, type ElementSet } from '../elements.ts'
import { learnChain, type SkeletonOptions, skeleton, tableName } from './skeleton.ts'

/** New tables for these elements in place of any old ones, still without the elements. */
export function emptyTables(options: SkeletonOptions, elements: ElementSet): string {
  return removeText() + skeleton(options) + learnText(learnChains(elements))
}

/** `table` before `delete table` makes the latter succeed when there is none. */
export function removeText(): string {
  return families.map((family) => `table ${family} ${tableName}\ndelete table ${family} ${tableName}\n`).join('')
}

/** Chains, as `<family> <name>`, that are made on demand. */
export function learnChains(elements: ElementSet): string[] {
  return [...chainsOf(elements)].flatMap(([family, names]) =>
    [...names].filter((name) => name.startsWith('t')).map((name) => `${family} ${name}`),
  )
}

/** Flushing first makes it repeatable: the chain may be left from an earlier process. */
export function learnText(chains: readonly string[]): string {
  return chains
    .map((chain) => {
      const [family = '', name = ''] = chain.split(' ')
      const at = `${family} ${tableName} ${name}`
      const rules = learnChain(family as Family, name).map((rule) => `add rule ${at} ${rule}\n`)
      return `add chain ${at}\nflush chain ${at}\n${rules.join('')}`
    })
    .join('')
}
