/**
 * The difference of two rulesets as `nft -f` text, pure. The text is one transaction: all of it happens or nothing.
 */
import type { Ruleset } from './rules.ts'
import { mapNames, setNames, skeleton } from './rules.ts'

/** Elements per line: short enough to read, long enough to be quick. */
const perLine = 200

/**
 * The whole ruleset, whatever the table holds now. What packets wrote (affinity, moved flows) stays, so a restart keeps it;
 * `anew` drops the table first, for one that another version left.
 */
export function wholeText(rules: Ruleset, table: string, anew = false): string {
  const name = `${rules.family} ${table}`
  const start = anew ? `add table ${name}\ndelete table ${name}\n` : `add table ${name}\nflush table ${name}\n`
  const empty = setNames.map((set) => `flush ${mapNames.has(set) ? 'map' : 'set'} ${name} ${set}`)
  return `${start}${skeleton(rules.family, table)}${lines([...empty, ...chainLines(rules, table), ...setNames.flatMap((set) => elementLines('add', rules, table, set, rules.elements.get(set)))])}`
}

/** From `before` to `after`; empty when equal. Chains that are not needed any more stay: nothing goes to them. */
export function changeText(before: Ruleset, after: Ruleset, table: string): string {
  const removals: string[] = []
  const additions: string[] = []
  for (const set of setNames) {
    const old = before.elements.get(set) ?? new Map<string, string>()
    const wanted = after.elements.get(set) ?? new Map<string, string>()
    removals.push(...elementLines('delete', after, table, set, subtract(old, wanted)))
    additions.push(...elementLines('add', after, table, set, subtract(wanted, old)))
  }
  const chains = new Map([...after.chains].filter(([name, rules]) => !sameRules(before.chains.get(name), rules)))
  return lines([...removals, ...chainLines({ family: after.family, chains }, table), ...additions])
}

function chainLines({ family, chains }: Pick<Ruleset, 'family' | 'chains'>, table: string): string[] {
  return [...chains].flatMap(([chain, rules]) => {
    const name = `${family} ${table} ${chain}`
    return [`add chain ${name}`, `flush chain ${name}`, ...rules.map((rule) => `add rule ${name} ${rule}`)]
  })
}

function elementLines(
  verb: 'add' | 'delete',
  { family }: Pick<Ruleset, 'family'>,
  table: string,
  set: string,
  elements: ReadonlyMap<string, string> = new Map(),
): string[] {
  const texts = [...elements].map(([key, value]) => (value === '' ? key : `${key} : ${value}`))
  const groups = Array.from({ length: Math.ceil(texts.length / perLine) }, (_, index) =>
    texts.slice(index * perLine, (index + 1) * perLine),
  )
  return groups.map((group) => `${verb} element ${family} ${table} ${set} { ${group.join(', ')} }`)
}

function subtract(from: ReadonlyMap<string, string>, what: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...from].filter(([key, value]) => what.get(key) !== value))
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, index) => rule === b[index])
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}
