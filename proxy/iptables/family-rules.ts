/** All chains of one family, kept after the elements: a change of elements in, the chains that differ out. No I/O. */
import type { Family } from '../rules/addresses.ts'
import type { Change, ElementSet } from '../rules/elements.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import {
  clusterIpEntry,
  type FrontendRules,
  frontendRules,
  nodeChains,
  type Table,
  tables,
  type TreeName,
  treeNames,
  trees,
} from './chains.ts'
import { type Chains, dispatch, type Entry, isOfTree } from './dispatch.ts'
import { follow, noWishes } from './wishes.ts'

export type AllChains = Readonly<Record<Table, Chains>>

/** Chains to write anew, and chains that are no longer needed. */
export interface ChainChange {
  readonly set: AllChains
  readonly gone: Readonly<Record<Table, Set<string>>>
}

export interface FamilyRules {
  readonly chains: AllChains
  /** Elements of the other family are passed over. */
  follow(change: Change): ChainChange
}

export function familyRules(family: Family, options: SkeletonOptions, elements: ElementSet): FamilyRules {
  const wishes = noWishes(family)
  const chains: AllChains = { nat: new Map(), filter: new Map() }
  const entries: Record<TreeName, Map<string, Entry>> = {
    firewall: new Map(),
    external: new Map(),
    internal: new Map(),
    answers: new Map(),
  }
  const chainsOf = new Map<string, Record<Table, readonly string[]>>()

  const rebuild = (
    touched: ReturnType<typeof follow>,
    isDirty: (tree: TreeName) => boolean,
    change: ChainChange,
  ): ChainChange => {
    const dirty = new Set(treeNames.filter(isDirty))
    const put = (table: Table, name: string, rules: readonly string[]) => {
      const before = chains[table].get(name)
      change.gone[table].delete(name)
      if (before !== undefined && same(before, rules)) return
      chains[table].set(name, rules)
      change.set[table].set(name, rules)
    }
    const drop = (table: Table, name: string) => {
      if (chains[table].delete(name)) change.gone[table].add(name)
    }
    const lead = (tree: TreeName, key: string, entry: Entry | undefined) => {
      const before = entries[tree].get(key)
      if (before && entry ? same(before.rules, entry.rules) : before === entry) return
      if (entry) entries[tree].set(key, entry)
      else entries[tree].delete(key)
      dirty.add(tree)
    }
    for (const key of touched.frontends) {
      const wish = wishes.frontends.get(key)
      const rules: FrontendRules = wish
        ? frontendRules(key, wish, wishes, options)
        : { chains: { nat: new Map(), filter: new Map() }, entries: {} }
      for (const table of tables) {
        for (const name of chainsOf.get(key)?.[table] ?? []) if (!rules.chains[table].has(name)) drop(table, name)
        for (const [name, lines] of rules.chains[table]) put(table, name, lines)
      }
      if (wish) chainsOf.set(key, { nat: [...rules.chains.nat.keys()], filter: [...rules.chains.filter.keys()] })
      else chainsOf.delete(key)
      for (const tree of treeNames) lead(tree, key, rules.entries[tree])
    }
    for (const address of touched.clusterIps) {
      lead('answers', address, wishes.clusterIps.has(address) ? clusterIpEntry(address) : undefined)
    }
    for (const tree of dirty) {
      const { table, root } = trees[tree]
      const now = dispatch(family, root, entries[tree].values())
      for (const name of chains[table].keys()) if (isOfTree(root, name) && !now.has(name)) drop(table, name)
      for (const [name, rules] of now) put(table, name, rules)
    }
    if (touched.node) {
      const now = nodeChains(wishes, options)
      for (const table of tables) for (const [name, rules] of now[table]) put(table, name, rules)
    }
    return change
  }

  const first = follow(wishes, { remove: new Map(), add: elements })
  rebuild({ ...first, node: true }, () => true, noChange())
  return {
    chains,
    follow: (change) => rebuild(follow(wishes, change), () => false, noChange()),
  }
}

function noChange(): ChainChange {
  return { set: { nat: new Map(), filter: new Map() }, gone: { nat: new Set(), filter: new Set() } }
}

export function isNoChange({ set, gone }: ChainChange): boolean {
  return tables.every((table) => set[table].size === 0 && gone[table].size === 0)
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((rule, index) => rule === b[index])
}
