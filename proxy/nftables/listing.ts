/** Reads elements out of the text that `nft list map` and `nft list set` print. Pure. */
import type { Family } from '../rules/addresses.ts'
import { type ElementId, elementId, elementMaps, type MapName } from '../rules/elements.ts'
import type { AffinityElement } from './affinity-maps.ts'
import { isChoice, verdictOfHandle } from './choices.ts'
import type { AffinityMap } from './layout.ts'
import { hasSlot, withSlot } from './slot-handles.ts'

export interface Listing {
  elements: Map<ElementId, string>
  affinity: AffinityElement[]
}

const names: ReadonlySet<string> = new Set(elementMaps)

/** Takes any number of listed tables, maps and sets of ours one after another. What is no element of ours is passed over. */
export function parseListing(text: string): Listing {
  const elements = new Map<ElementId, string>()
  const affinity: AffinityElement[] = []
  let family: Family = 'ip'
  let map = ''
  let inside = false
  for (const line of text.split('\n')) {
    const content = line.trim()
    if (!inside) {
      const opening = /^(table|map|set|chain) (?:(ip6?) )?([\w-]+)/.exec(content)
      if (opening?.[1] === 'table') family = opening[2] as Family
      else if (opening) map = opening[1] === 'chain' ? '' : (opening[3] ?? '')
    }
    const start = inside ? 0 : content.startsWith('elements = {') ? 'elements = {'.length : -1
    if (start === -1) continue
    const end = content.endsWith('}') ? content.length - 1 : content.length
    inside = end === content.length
    for (const item of content.slice(start, end).split(',')) {
      const entry = item.trim()
      if (entry === '') continue
      if (map.startsWith('affinity')) affinity.push(affinityElement(family, map as AffinityMap, entry))
      else if (names.has(map)) addElement(elements, family, map as MapName, entry)
    }
  }
  return { elements, affinity }
}

function addElement(elements: Map<ElementId, string>, family: Family, map: MapName, entry: string): void {
  const [key = '', value = ''] = entry.split(' : ')
  const id = elementId(family, map, hasSlot(map) ? withSlot(key.trim()) : key.trim())
  elements.set(id, isChoice(map) ? verdictOfHandle(value.trim()) : value.trim())
}

function affinityElement(family: Family, map: AffinityMap, entry: string): AffinityElement {
  const [left = '', value = ''] = entry.split(' : ')
  const at = left.search(/ (timeout|expires) /)
  return {
    family,
    map,
    key: (at === -1 ? left : left.slice(0, at)).trim(),
    lifetime: at === -1 ? '' : left.slice(at).trim(),
    value: value.trim(),
  }
}
