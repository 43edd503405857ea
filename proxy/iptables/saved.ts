/** What `iptables-save` prints of ours, and what `iptables-restore --noflush` is to be told. Pure. */
import { jumps, prefix, type Table, tables } from './chains.ts'
import type { AllChains, ChainChange } from './family-rules.ts'

export interface Saved {
  /** Chains of ours with their rules. */
  readonly chains: AllChains
  /** Jumps from the kernel's chains to ours: `PREROUTING -j ROADSTEAD-SERVICES`, as often as they are there. */
  readonly jumps: Readonly<Record<Table, readonly string[]>>
}

export function parseSaved(text: string): Saved {
  const chains: Record<Table, Map<string, string[]>> = { nat: new Map(), filter: new Map() }
  const found: Record<Table, string[]> = { nat: [], filter: [] }
  let table: Table | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = tables.find((name) => name === line.slice(1))
    if (table === undefined) continue
    if (line.startsWith(`:${prefix}-`)) chains[table].set(line.slice(1, line.indexOf(' ')), [])
    if (!line.startsWith('-A ')) continue
    const end = line.indexOf(' ', 3)
    const name = line.slice(3, end)
    const own = chains[table].get(name)
    if (own) own.push(line.slice(end + 1))
    else if (line.includes(`-j ${prefix}-`) || line.includes(`-g ${prefix}-`)) found[table].push(line.slice(3))
  }
  return { chains, jumps: found }
}

/** The jumps that ought to be there, as `Saved` has them. */
function wanted(table: Table): string[] {
  return Object.entries(jumps[table]).map(([chain, rule]) => `${chain} ${rule}`)
}

/** Whether every jump is there once, and no other leads to us. */
export function hasOurJumps(saved: Saved): boolean {
  return tables.every((table) => [...saved.jumps[table]].sort().join('\n') === wanted(table).sort().join('\n'))
}

/** Whether chains and rules are exactly these. */
export function sameChains(a: AllChains, b: AllChains): boolean {
  return tables.every(
    (table) =>
      a[table].size === b[table].size &&
      [...a[table]].every(([name, rules]) => b[table].get(name)?.join('\n') === rules.join('\n')),
  )
}

/** Chains first, then what leads to them; emptied before they go. Each table is one transaction. */
export function changeText({ set, gone }: ChainChange): string {
  return tables.map((table) => tableText(table, set[table], [...gone[table]], [])).join('')
}

/** All chains anew over what was there, and our jumps in front. */
export function replaceText(chains: AllChains, saved: Saved): string {
  return tables
    .map((table) => {
      const strangers = [...saved.chains[table].keys()].filter((name) => !chains[table].has(name))
      return tableText(table, chains[table], strangers, jumpText(saved.jumps[table], wanted(table)))
    })
    .join('')
}

/** Takes everything of ours away; empty when there is nothing. */
export function removeText(saved: Saved): string {
  return tables
    .map((table) => tableText(table, new Map(), [...saved.chains[table].keys()], jumpText(saved.jumps[table], [])))
    .join('')
}

/** A jump that is there once stays where it is: other programs' rules may have been put before it on purpose. */
function jumpText(present: readonly string[], ought: readonly string[]): string[] {
  const left = [...present]
  const missing: string[] = []
  for (const jump of ought) {
    const at = left.indexOf(jump)
    if (at === -1) missing.push(jump)
    else left.splice(at, 1)
  }
  return [...left.map((jump) => `-D ${jump}`), ...missing.map((jump) => `-I ${jump.replace(' ', ' 1 ')}`)]
}

function tableText(
  table: Table,
  set: ReadonlyMap<string, readonly string[]>,
  gone: readonly string[],
  jumpLines: readonly string[],
): string {
  if (set.size === 0 && gone.length === 0 && jumpLines.length === 0) return ''
  const parts = [`*${table}\n`]
  for (const name of [...set.keys(), ...gone]) parts.push(`:${name} - [0:0]\n`)
  for (const [name, rules] of set) for (const rule of rules) parts.push(`-A ${name} ${rule}\n`)
  for (const line of jumpLines) parts.push(`${line}\n`)
  for (const name of gone) parts.push(`-X ${name}\n`)
  parts.push('COMMIT\n')
  return parts.join('')
}
