/**
 * Which remembered clients must be forgotten: those kept at an endpoint that their session has no more, or whose session is gone.
 * The kernel looks at its memory before it picks an endpoint, so an entry that is not taken out leads to a dead address. Pure.
 */
import type { Family } from './addresses.ts'
import type { AffinityEntry } from '../writer.ts'

/** @param targets where clients of a session may be kept (Ruleset.sessionTargets) */
export function staleEntries(
  entries: readonly AffinityEntry[],
  targets: (family: Family, id: string) => ReadonlySet<string> | undefined,
): AffinityEntry[] {
  return entries.filter(({ family, key, target }) => {
    const id = key.slice(key.lastIndexOf(' ') + 1)
    return targets(family, id)?.has(target) !== true
  })
}
