/**
 * Where the endpoints of one pool stand. A packet is sent to slot `numgen random mod N`, so slots 0..N-1 are always filled.
 * An endpoint keeps its slot while others come and go: one that leaves costs one moved endpoint, not a rewritten pool.
 */

/** The most endpoints of one pool that get traffic. */
export const maxSlots = 1000

/** `wanted` in slot order: kept places first, holes filled by new endpoints, then by moving the last ones. */
export function place(previous: readonly string[], wanted: readonly string[]): string[] {
  const chosen = choose(previous, wanted)
  const standing = new Set<string>()
  const slots: (string | undefined)[] = previous.slice(0, chosen.size).map((endpoint) => {
    if (!chosen.has(endpoint) || standing.has(endpoint)) return undefined
    standing.add(endpoint)
    return endpoint
  })
  const homeless = [...chosen].filter((endpoint) => !standing.has(endpoint))
  let next = 0
  for (let index = 0; index < chosen.size; index++) slots[index] ??= homeless[next++]
  return slots as string[]
}

/** All of them, or, above the limit, those that already have a place before the others in sorted order. */
function choose(previous: readonly string[], wanted: readonly string[]): Set<string> {
  const sorted = [...new Set(wanted)].sort()
  if (sorted.length <= maxSlots) return new Set(sorted)
  const present = new Set(sorted)
  const kept = previous.filter((endpoint) => present.has(endpoint))
  return new Set([...new Set([...kept, ...sorted])].slice(0, maxSlots))
}
