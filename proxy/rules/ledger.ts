/**
 * All Services' claims together, and what of it is not yet written. Two Services may claim the same group (a load balancer address
 * and port in both, a Pod behind both): the one with the lower rank has it, whatever order they came in, and the other takes over when it goes.
 * Setting one Service touches only its own groups, and takes time in their number.
 */
import type { Change, ElementId, ElementSet } from './elements.ts'
import type { Claims } from './rules.ts'

export interface Ledger {
  /** Everything that should be in the kernel. */
  readonly desired: ElementSet
  /** Replaces the claims of `owner`. `rank` orders owners; an owner's rank may change between calls. */
  set(owner: string, rank: string, claims: Claims): void
  /** What `desired` differs from the last `written`, by looking at touched elements only. */
  pending(): Change
  /** `desired` is in the kernel now. */
  written(): void
}

interface Owned {
  rank: string
  claims: Kept
}

/** Elements as id and value in turns. */
type Flat = readonly string[]

/** Group and its elements in turns. Maps within maps would take three times the memory. */
type Kept = readonly (string | Flat)[]

const nothing: Flat = []

function keep(claims: Claims): Kept {
  const kept: (string | Flat)[] = []
  for (const [group, elements] of claims) {
    const flat: string[] = []
    for (const [id, value] of elements) flat.push(id, value)
    // A copy has no room to grow.
    kept.push(group, flat.slice())
  }
  return kept.slice()
}

function byGroup(kept: Kept): ReadonlyMap<string, Flat> {
  const groups = new Map<string, Flat>()
  for (let at = 0; at < kept.length; at += 2) groups.set(kept[at] as string, kept[at + 1] as Flat)
  return groups
}

function unflat(flat: Flat): ReadonlyMap<ElementId, string> {
  const elements = new Map<ElementId, string>()
  for (let at = 0; at < flat.length; at += 2) elements.set(flat[at] as string, flat[at + 1] as string)
  return elements
}

export function createLedger(): Ledger {
  const desired = new Map<ElementId, string>()
  /** What the kernel has of what was changed since. */
  const touched = new Map<ElementId, string | undefined>()
  const owners = new Map<string, Owned>()
  const claimants = new Map<string, string | Set<string>>()

  const put = (id: ElementId, value: string | undefined) => {
    const old = desired.get(id)
    if (old === value) return
    if (!touched.has(id)) touched.set(id, old)
    if (value === undefined) desired.delete(id)
    else desired.set(id, value)
  }

  const winner = (group: string): string | undefined => {
    const held = claimants.get(group)
    if (held === undefined || typeof held === 'string') return held
    const order = (owner: string) => `${owners.get(owner)?.rank ?? ''}\0${owner}`
    return [...held].reduce((best, owner) => (order(owner) < order(best) ? owner : best))
  }

  const elements = (group: string, claimsOf: (owner: string) => ReadonlyMap<string, Flat>): Flat => {
    const owner = winner(group)
    return (owner === undefined ? undefined : claimsOf(owner).get(group)) ?? nothing
  }

  const addClaimant = (group: string, owner: string) => {
    const held = claimants.get(group)
    if (held === undefined) claimants.set(group, owner)
    else if (typeof held !== 'string') held.add(owner)
    else if (held !== owner) claimants.set(group, new Set([held, owner]))
  }

  const dropClaimant = (group: string, owner: string) => {
    const held = claimants.get(group)
    if (held === owner) claimants.delete(group)
    else if (held !== undefined && typeof held !== 'string') {
      held.delete(owner)
      const [last] = held
      if (held.size === 1 && last !== undefined) claimants.set(group, last)
    }
  }

  return {
    desired,
    set(owner, rank, claims) {
      // Once for each owner that is asked: a search for each group would take the square of their number.
      const known = new Map<string, ReadonlyMap<string, Flat>>()
      const claimsOf = (each: string) => {
        let its = known.get(each)
        if (its === undefined) known.set(each, (its = byGroup(owners.get(each)?.claims ?? [])))
        return its
      }
      const groups = new Set([...claimsOf(owner).keys(), ...claims.keys()])
      const was = [...groups].map((group) => [group, elements(group, claimsOf)] as const)
      known.delete(owner)
      if (claims.size === 0) owners.delete(owner)
      else owners.set(owner, { rank, claims: keep(claims) })
      for (const group of groups) {
        if (claims.has(group)) addClaimant(group, owner)
        else dropClaimant(group, owner)
      }
      for (const [group, gone] of was) {
        const now = unflat(elements(group, claimsOf))
        for (let at = 0; at < gone.length; at += 2) {
          const id = gone[at] as ElementId
          if (!now.has(id)) put(id, undefined)
        }
        for (const [id, value] of now) put(id, value)
      }
    },
    pending() {
      const remove = new Map<ElementId, string>()
      const add = new Map<ElementId, string>()
      for (const [id, old] of touched) {
        const now = desired.get(id)
        if (old === now) continue
        if (old !== undefined) remove.set(id, old)
        if (now !== undefined) add.set(id, now)
      }
      return { remove, add }
    },
    written() {
      touched.clear()
    },
  }
}
