/**
 * A ruleset's changing part as data: elements of named maps and sets, nothing else. An element is written the way nft prints it,
 * so both writers, the listing parser and the tests mean the same thing by it. Identity is `<family> <map> <key>`; sets have the value ''.
 */
import type { Family } from './addresses.ts'

/** Maps and sets of the skeleton whose elements the proxy writes. `affinity` is filled by the kernel and not among them. */
export const elementMaps = [
  'svc',
  'svc-local',
  'ep',
  'ep-local',
  'learn',
  'cluster-ips',
  'frontends',
  'masq',
  'local-vips',
  'hairpin',
  'no-ep',
  'fw-vips',
  'fw-allow',
  'health-ports',
] as const

export type MapName = (typeof elementMaps)[number]

/** `<family> <map> <key>` */
export type ElementId = string

/** Id to value. Verdicts are `goto n3` or `drop`, endpoints `10.244.1.5 . 8080`, sets ''. */
export type ElementSet = ReadonlyMap<ElementId, string>

/** What one atomic batch does: removals first, then additions. A replaced value is in both. */
export interface Change {
  readonly remove: ElementSet
  readonly add: ElementSet
}

export interface ElementParts {
  family: Family
  map: MapName
  key: string
}

export function elementId(family: Family, map: MapName, key: string): ElementId {
  return `${family} ${map} ${key}`
}

export function partsOf(id: ElementId): ElementParts {
  const first = id.indexOf(' ')
  const second = id.indexOf(' ', first + 1)
  return {
    family: id.slice(0, first) as Family,
    map: id.slice(first + 1, second) as MapName,
    key: id.slice(second + 1),
  }
}

export function isEmpty(change: Change): boolean {
  return change.remove.size === 0 && change.add.size === 0
}

/** The change that leads from `before` to `after`. */
export function difference(before: ElementSet, after: ElementSet): Change {
  const remove = new Map<ElementId, string>()
  const add = new Map<ElementId, string>()
  for (const [id, value] of before) if (after.get(id) !== value) remove.set(id, value)
  for (const [id, value] of after) if (before.get(id) !== value) add.set(id, value)
  return { remove, add }
}

/** `set` after the change. Throws what the kernel would refuse: removing what is not there, adding over another value. */
export function applied(change: Change, set: ElementSet): Map<ElementId, string> {
  const result = new Map(set)
  for (const id of change.remove.keys()) {
    if (!result.delete(id)) throw new Error(`no such element: ${id}`)
  }
  for (const [id, value] of change.add) {
    if (result.has(id) && result.get(id) !== value) throw new Error(`element exists with another value: ${id}`)
    result.set(id, value)
  }
  return result
}

/** Chains that the verdicts among these elements go to. */
export function chainsOf(elements: ElementSet): Map<Family, Set<string>> {
  const chains = new Map<Family, Set<string>>()
  for (const [id, value] of elements) {
    if (!value.startsWith('goto ')) continue
    const { family } = partsOf(id)
    let names = chains.get(family)
    if (names === undefined) chains.set(family, (names = new Set()))
    names.add(value.slice('goto '.length))
  }
  return chains
}
