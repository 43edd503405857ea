/**
 * The writer that speaks nft text: one `nft -f -` process a batch, which is one kernel transaction over both families.
 * A change costs about 10 ms whatever the size of the cluster. It is also the reference for what any other writer must produce.
 */
import { families } from '../rules/addresses.ts'
import { type Change, type ElementSet, isEmpty, partsOf } from '../rules/elements.ts'
import { affinityMaps, elementsOf, entriesOf } from './affinity-maps.ts'
import { emptyTables, lateChains, lateText, removeText } from './chains.ts'
import { choiceHandle, isChoice } from './choices.ts'
import { parseListing } from './listing.ts'
import type { Nft } from './nft.ts'
import { hasSlot, withHandle } from './slot-handles.ts'
import { type SkeletonOptions, tableName, versionChain } from './skeleton.ts'
import { type AffinityEntry, type RuleWriter, WriteError } from '../writer.ts'

/** Elements in one command; longer lines make nft slower, shorter ones as well. */
const perCommand = 500

export function textWriter(nft: Nft, options: SkeletonOptions): RuleWriter {
  const late = new Set<string>()

  const intact = async (): Promise<boolean> => {
    // Could a rule be added to the marker chain? Listing it would read every element of the tables.
    const markers = families.map((family) => `${family} ${tableName} ${versionChain(family, options)}`)
    try {
      await nft.check(markers.map((chain) => `add rule ${chain} return\n`).join(''))
      return true
    } catch (error) {
      if (error instanceof WriteError && /No such file or directory/.test(error.message)) return false
      throw error
    }
  }

  const affinity = async (): Promise<AffinityEntry[]> => {
    const lists = await Promise.all(
      families.flatMap((family) => affinityMaps[family].map((map) => nft.list('map', family, tableName, map))),
    )
    return entriesOf(lists.flatMap((list) => parseListing(list).affinity))
  }

  const read = async () => {
    if (!(await intact())) return undefined
    const tables = await Promise.all(families.map((family) => nft.list('table', family, tableName)))
    late.clear()
    return parseListing(tables.join('')).elements
  }

  const replace = async (elements: ElementSet) => {
    // Tables of another release may remember clients as well, or in a form that does not fit: then nothing is carried over.
    await swapTables(nft, options, elements, await affinity().catch(() => []))
    late.clear()
    for (const chain of lateChains(elements)) late.add(chain)
  }

  return {
    name: 'text',
    intact,
    affinity,
    read,
    replace,
    async apply(change) {
      if (isEmpty(change)) return
      const chains = lateChains(change.add).filter((chain) => !late.has(chain))
      await nft.load(lateText(chains) + changeText(change))
      for (const chain of chains) late.add(chain)
    },
    async forget(entries) {
      if (entries.length > 0) await nft.load(forgetText(entries))
    },
    async remove() {
      await nft.load(removeText())
    },
  }
}

/** Clients that the new tables do not take are left behind. */
export async function swapTables(
  nft: Nft,
  options: SkeletonOptions,
  elements: ElementSet,
  remembered: readonly AffinityEntry[],
): Promise<void> {
  await nft.load(replaceText(options, elements, remembered)).catch((error: unknown) => {
    if (remembered.length === 0) throw error
    return nft.load(replaceText(options, elements))
  })
}

/** Everything anew in one transaction. */
export function replaceText(
  options: SkeletonOptions,
  elements: ElementSet,
  remembered: readonly AffinityEntry[] = [],
): string {
  return [emptyTables(options, elements), commandText('add', elements), affinityText('add', remembered)].join('')
}

export function changeText(change: Change): string {
  return commandText('delete', change.remove) + commandText('add', change.add)
}

function commandText(verb: 'add' | 'delete', elements: ElementSet): string {
  const byMap = new Map<string, string[]>()
  for (const [id, value] of elements) {
    const { family, map, key } = partsOf(id)
    const name = `${family} ${tableName} ${map}`
    let items = byMap.get(name)
    if (items === undefined) byMap.set(name, (items = []))
    const written = hasSlot(map) ? withHandle(key) : key
    const told = isChoice(map) && verb === 'add' ? choiceHandle(value) : value
    items.push(verb === 'delete' || value === '' ? written : `${written} : ${told}`)
  }
  return [...byMap].map(([name, items]) => inCommands(verb, name, items)).join('')
}

/** An entry may expire between listing and deleting; adding it first makes the deletion succeed all the same. */
function forgetText(entries: readonly AffinityEntry[]): string {
  return affinityText('add', entries) + affinityText('delete', entries)
}

function affinityText(verb: 'add' | 'delete', entries: readonly AffinityEntry[]): string {
  const byMap = new Map<string, string[]>()
  for (const { family, map, key, value, lifetime } of entries.flatMap(elementsOf)) {
    const name = `${family} ${tableName} ${map}`
    const items = byMap.get(name) ?? []
    items.push(verb === 'delete' ? key : `${key} ${lifetime} : ${value}`)
    byMap.set(name, items)
  }
  return [...byMap].map(([name, items]) => inCommands(verb, name, items)).join('')
}

function inCommands(verb: 'add' | 'delete', name: string, items: readonly string[]): string {
  let text = ''
  for (let start = 0; start < items.length; start += perCommand) {
    text += `${verb} element ${name} { ${items.slice(start, start + perCommand).join(', ')} }\n`
  }
  return text
}
