/**
 * The writer that speaks nft text: one `nft -f -` process a batch, which is one kernel transaction over both families.
 * A change costs about 10 ms whatever the size of the cluster. It is also the reference for what any other writer must produce.
 */
import { type Family, families } from './addresses.ts'
import { type Change, chainsOf, type ElementSet, elementMaps, isEmpty, partsOf } from './elements.ts'
import { parseListing } from './listing.ts'
import type { RunNft } from './nft.ts'
import { chainBody, isFixedChain, type SkeletonOptions, skeleton, tableName, versionChain } from './skeleton.ts'
import { type AffinityEntry, type RuleWriter, WriteError } from './writer.ts'

/** Elements in one command; longer lines make nft slower, shorter ones as well. */
const perCommand = 500

export function textWriter(nft: RunNft, options: SkeletonOptions): RuleWriter {
  const grown = new Set<string>()

  const intact = async (): Promise<boolean> => {
    try {
      await nft(
        families.map((family) => `list chain ${family} ${tableName} ${versionChain(family, options)}\n`).join(''),
      )
      return true
    } catch (error) {
      if (error instanceof WriteError && /No such file or directory/.test(error.message)) return false
      throw error
    }
  }

  const affinity = async (): Promise<AffinityEntry[]> =>
    parseListing(await nft(families.map((family) => `list map ${family} ${tableName} affinity\n`).join(''))).affinity

  return {
    name: 'text',
    intact,
    affinity,
    async read() {
      if (!(await intact())) return undefined
      grown.clear()
      const lists = families.flatMap((family) =>
        elementMaps.map((map) => `list ${isSet(map) ? 'set' : 'map'} ${family} ${tableName} ${map}\n`),
      )
      return parseListing(await nft(lists.join(''))).elements
    },
    async replace(elements) {
      // Tables of another release may remember clients as well, or in a form that does not fit: then nothing is carried over.
      const remembered = await affinity().catch(() => [])
      const chains = missing(elements, new Set())
      await nft(replaceText(options, elements, remembered)).catch((error: unknown) => {
        if (remembered.length === 0) throw error
        return nft(replaceText(options, elements))
      })
      grown.clear()
      for (const chain of chains) grown.add(chain)
    },
    async apply(change) {
      if (isEmpty(change)) return
      const chains = missing(change.add, grown)
      await nft(chainText(chains) + changeText(change))
      for (const chain of chains) grown.add(chain)
    },
    async forget(entries) {
      if (entries.length > 0) await nft(forgetText(entries))
    },
    async remove() {
      await nft(removeText())
    },
  }
}

function isSet(map: string): boolean {
  return ['cluster-ips', 'masq', 'local-vips', 'hairpin', 'fw-vips', 'fw-allow'].includes(map)
}

/** Everything anew in one transaction. `table` before `delete table` makes the latter succeed when there is none. */
export function replaceText(
  options: SkeletonOptions,
  elements: ElementSet,
  remembered: readonly AffinityEntry[] = [],
): string {
  return [
    removeText(),
    skeleton(options),
    chainText(missing(elements, new Set())),
    commandText('add', elements),
    affinityText('add', remembered, (entry) => `${entry.key} ${entry.lifetime} : ${entry.target}`),
  ].join('')
}

export function changeText(change: Change): string {
  return commandText('delete', change.remove) + commandText('add', change.add)
}

function removeText(): string {
  return families.map((family) => `table ${family} ${tableName}\ndelete table ${family} ${tableName}\n`).join('')
}

/** Chains, as `<family> <name>`, that verdicts need beyond the skeleton's and `known`. */
function missing(elements: ElementSet, known: ReadonlySet<string>): string[] {
  return [...chainsOf(elements)]
    .flatMap(([family, names]) => [...names].filter((name) => !isFixedChain(name)).map((name) => `${family} ${name}`))
    .filter((chain) => !known.has(chain))
}

/** Flushing first makes it repeatable: the chain may be left from an earlier process. */
function chainText(chains: readonly string[]): string {
  return chains
    .map((chain) => {
      const [family = '', name = ''] = chain.split(' ')
      const at = `${family} ${tableName} ${name}`
      const rules = chainBody(family as Family, name).map((rule) => `add rule ${at} ${rule}\n`)
      return `add chain ${at}\nflush chain ${at}\n${rules.join('')}`
    })
    .join('')
}

function commandText(verb: 'add' | 'delete', elements: ElementSet): string {
  const byMap = new Map<string, string[]>()
  for (const [id, value] of elements) {
    const { family, map, key } = partsOf(id)
    const name = `${family} ${tableName} ${map}`
    let items = byMap.get(name)
    if (items === undefined) byMap.set(name, (items = []))
    items.push(verb === 'delete' || value === '' ? key : `${key} : ${value}`)
  }
  return [...byMap].map(([name, items]) => inCommands(verb, name, items)).join('')
}

/** An entry may expire between listing and deleting; adding it first makes the deletion succeed all the same. */
function forgetText(entries: readonly AffinityEntry[]): string {
  return (
    affinityText('add', entries, (entry) => `${entry.key} ${entry.lifetime} : ${entry.target}`) +
    affinityText('delete', entries, (entry) => entry.key)
  )
}

function affinityText(
  verb: 'add' | 'delete',
  entries: readonly AffinityEntry[],
  write: (entry: AffinityEntry) => string,
): string {
  return families
    .map((family) => {
      const items = entries.filter((entry) => entry.family === family).map(write)
      return items.length === 0 ? '' : inCommands(verb, `${family} ${tableName} affinity`, items)
    })
    .join('')
}

function inCommands(verb: 'add' | 'delete', name: string, items: readonly string[]): string {
  let text = ''
  for (let start = 0; start < items.length; start += perCommand) {
    text += `${verb} element ${name} { ${items.slice(start, start + perCommand).join(', ')} }\n`
  }
  return text
}
