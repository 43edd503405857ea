/**
 * Finds the one rule for a destination among thousands without walking through all of them: chains in chains, split by the last two hex
 * digits of the address, then by port. kube-proxy's list is linear: at 10,000 Services a new connection walks through 10,000 rules. Pure.
 * A chain with few rules is not split, so that a small cluster's rules read as a list.
 */
import type { Family } from '../rules/addresses.ts'

/** What happens to packets for this address, and port if there is one. */
export interface Entry {
  readonly address: string
  readonly protocol?: string
  readonly port?: number
  /** What comes after the match, such as `-j DROP`. */
  readonly rules: readonly string[]
}

/** Chain name to rules, without `-A NAME`. */
export type Chains = Map<string, readonly string[]>

/** Rules in one chain before it is split. */
const most = 32

interface Branch {
  /** Unique among its siblings, and short: it is part of a chain's name. */
  digit: string
  match: string
}

/** Where an entry belongs; undefined: it stays in the chain that is split. */
type Level = (family: Family, entry: Entry) => Branch | undefined

const levels: readonly Level[] = [
  (family, { address }) => ofAddress(family, lastByte(address) & 0x0f, 0x0f),
  (family, { address }) => ofAddress(family, lastByte(address) & 0xf0, 0xf0),
  (_, entry) => ofPort(entry, 256),
  (_, entry) => ofPort(entry, 16),
]

/** @param root name of the chain to start at; those below it are `root-...` */
export function dispatch(family: Family, root: string, entries: Iterable<Entry>): Chains {
  const chains: Chains = new Map()
  const split = (path: string, here: readonly Entry[], depth: number) => {
    const rules: string[] = []
    chains.set(path === '' ? root : `${root}-${path}`, rules)
    const level = levels[depth]
    const size = here.reduce((sum, entry) => sum + entry.rules.length, 0)
    const branches = new Map<string, { branch: Branch; entries: Entry[] }>()
    for (const entry of here) {
      const branch = size > most ? level?.(family, entry) : undefined
      const present = branch && branches.get(branch.digit)
      if (present) present.entries.push(entry)
      else if (branch) branches.set(branch.digit, { branch, entries: [entry] })
    }
    for (const { branch, entries: below } of branches.values()) {
      rules.push(`${branch.match} -j ${root}-${path}${branch.digit}`)
      split(`${path}${branch.digit}`, below, depth + 1)
    }
    for (const entry of here) {
      if (size > most && level?.(family, entry) !== undefined) continue
      const match = matchOf(family, entry)
      for (const rule of entry.rules) rules.push(`${match} ${rule}`)
    }
  }
  split('', [...entries].sort(inOrder), 0)
  return chains
}

/** Whether the chain belongs to the tree that starts at `root`. */
export function isOfTree(root: string, chain: string): boolean {
  return chain === root || chain.startsWith(`${root}-`)
}

/** By address; rules for all ports of an address after those for one port. */
function inOrder(a: Entry, b: Entry): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1
  if (a.port === undefined || b.port === undefined) return a.port === b.port ? 0 : a.port === undefined ? 1 : -1
  return a.port - b.port || ((a.protocol ?? '') < (b.protocol ?? '') ? -1 : 1)
}

function matchOf(family: Family, { address, protocol, port }: Entry): string {
  const at = `-d ${address}/${family === 'ip' ? 32 : 128}`
  return protocol === undefined || port === undefined ? at : `${at} -p ${protocol} -m ${protocol} --dport ${port}`
}

function ofAddress(family: Family, bits: number, mask: number): Branch {
  const byte = (value: number) => {
    if (family === 'ip') return `0.0.0.${value}`
    return value === 0 ? '::' : `::${value.toString(16)}`
  }
  const digit = (mask === 0x0f ? bits : bits >> 4).toString(16)
  return { digit, match: `-d ${byte(bits)}/${byte(mask)}` }
}

function ofPort({ protocol, port }: Entry, size: 16 | 256): Branch | undefined {
  if (protocol === undefined || port === undefined) return undefined
  const first = port - (port % size)
  const digits = first.toString(16).padStart(4, '0')
  return {
    digit: size === 256 ? `${protocol[0] ?? ''}${digits.slice(0, 2)}` : (digits[2] ?? ''),
    match: `-p ${protocol} -m ${protocol} --dport ${first}:${first + size - 1}`,
  }
}

function lastByte(address: string): number {
  const group = address.slice(Math.max(address.lastIndexOf(':'), address.lastIndexOf('.')) + 1)
  return (address.includes(':') ? Number.parseInt(group || '0', 16) : Number(group)) & 0xff
}
