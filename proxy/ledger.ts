/**
 * All Services' claims together, and what of it is not yet written. Two Services may claim the same group (a load balancer address
 * and port in both, a Pod behind both): the one with the lower rank has it, whatever order they came in, and the other takes over when it goes.
 * Setting one Service touches only its own groups.
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

const nothing: ReadonlyMap<ElementId, string> = new Map()

/** Group and its elements in turns; the elements as id and value in turns. Maps within maps would take three times the memory. */
type Kept = readonly (string | readonly string[])[]

function keep(claims: Claims): Kept {
  const kept: (string | readonly string[])[] = []
  for (const [group, elements] of claims) {
    const flat: string[] = []
    for (const [id, value] of elements) flat.push(id, value)
    // A copy has no room to grow.
    kept.push(group, flat.slice())
  }
  return kept.slice()
}

function keptGroups(claims: Kept): string[] {
  return claims.filter((entry) => typeof entry === 'string')
}

function keptElements(claims: Kept, group: string): ReadonlyMap<ElementId, string> | undefined {
  const at = claims.indexOf(group)
  if (at < 0) return undefined
  const flat = claims[at + 1] as readonly string[]
  const elements = new Map<ElementId, string>()
  for (let index = 0; index < flat.length; index += 2) elements.set(flat[index] as string, flat[index + 1] as string)
  return elements
}

export function createLedger(): Ledger {
  const desired = new Map<ElementId, string>()
  const before = new Map<ElementId, string | undefined>()
  const owners = new Map<string, Owned>()
  const claimants = new Map<string, string | Set<string>>()

  const put = (id: ElementId, value: string | undefined) => {
    const old = desired.get(id)
    if (old === value) return
    if (!before.has(id)) before.set(id, old)
    if (value === undefined) desired.delete(id)
    else desired.set(id, value)
  }

  const winner = (group: string): string | undefined => {
    const held = claimants.get(group)
    if (held === undefined || typeof held === 'string') return held
    const order = (owner: string) => `${owners.get(owner)?.rank ?? ''}\0${owner}`
    return [...held].reduce((best, owner) => (order(owner) < order(best) ? owner : best))
  }

  const elements = (group: string): ReadonlyMap<ElementId, string> => {
    const owner = winner(group)
    return (owner === undefined ? undefined : keptElements(owners.get(owner)?.claims ?? [], group)) ?? nothing
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
      const old = owners.get(owner)
      const groups = new Set([...keptGroups(old?.claims ?? []), ...claims.keys()])
      const was = [...groups].map((group) => [group, elements(group)] as const)
      if (claims.size === 0) owners.delete(owner)
      else owners.set(owner, { rank, claims: keep(claims) })
      for (const group of groups) {
        if (claims.has(group)) addClaimant(group, owner)
        else dropClaimant(group, owner)
      }
      for (const [group, gone] of was) {
        const now = elements(group)
        for (const id of gone.keys()) if (!now.has(id)) put(id, undefined)
        for (const [id, value] of now) put(id, value)
      }
    },
    pending() {
      const remove = new Map<ElementId, string>()
      const add = new Map<ElementId, string>()
      for (const [id, old] of before) {
        const now = desired.get(id)
        if (old === now) continue
        if (old !== undefined) remove.set(id, old)
        if (now !== undefined) add.set(id, now)
      }
      return { remove, add }
    },
    written() {
      before.clear()
    },
  }
}
