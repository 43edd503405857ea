/**
 * The maps where the kernel keeps what session affinity remembers. An IPv4 client is one element: `client . session : address . port`.
 * An IPv6 client is one in each of two maps (skeleton.ts: words), under `hash . hash . session`. Pure.
 */
import type { Family } from '../rules/addresses.ts'
import type { AffinityEntry } from '../writer.ts'
import type { AffinityMap } from './layout.ts'

export const affinityMaps = {
  ip: ['affinity'],
  ip6: ['affinity-address', 'affinity-port'],
} as const satisfies Record<Family, readonly AffinityMap[]>

/** An element of such a map. */
export interface AffinityElement {
  family: Family
  map: AffinityMap
  key: string
  value: string
  lifetime: string
}

/** Where one half is missing, that half of the target is empty. */
export function entriesOf(elements: Iterable<AffinityElement>): AffinityEntry[] {
  const entries = new Map<string, AffinityEntry>()
  for (const { family, map, key, value, lifetime } of elements) {
    const target =
      map === 'affinity'
        ? value
        : halves(entries.get(`${family} ${key}`)?.target)
            .with(halfIndex(map), value)
            .join(' . ')
    entries.set(`${family} ${key}`, { family, key, target, lifetime })
  }
  return [...entries.values()]
}

export function elementsOf({ family, key, target, lifetime }: AffinityEntry): AffinityElement[] {
  if (family === 'ip') return [{ family, map: 'affinity', key, value: target, lifetime }]
  return affinityMaps.ip6.flatMap((map) => {
    const value = halves(target)[halfIndex(map)] ?? ''
    return value === '' ? [] : [{ family, map, key, value, lifetime }]
  })
}

function halves(target = ' . '): string[] {
  return target.split(' . ')
}

function halfIndex(map: AffinityMap): number {
  return map === 'affinity-port' ? 1 : 0
}
