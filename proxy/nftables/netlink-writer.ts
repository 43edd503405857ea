/**
 * The default writer: elements go to the kernel as netlink batches, some 20 microseconds for a change whatever the size of the cluster.
 * Tables, chains and rules are text for nft all the same: rules written by raw netlink can make `nft list` abort on the whole host.
 * Both produce the same listing. Changes that others make to our tables are heard of at once (`watch`).
 */
import type { Family } from '../rules/addresses.ts'
import { families } from '../rules/addresses.ts'
import { type Change, difference, elementMaps, type ElementSet, isEmpty } from '../rules/elements.ts'
import { dump, exchange, refusalIn } from '../netlink/exchange.ts'
import { readMessages } from '../netlink/messages.ts'
import { type Netlink, NetlinkFailure, type NetlinkSocket } from '../netlink/socket.ts'
import { type AffinityEntry, type RuleWriter, WriteError } from '../writer.ts'
import { type AffinityElement, affinityMaps, elementsOf as affinityElementsOf, entriesOf } from './affinity-maps.ts'
import { emptyTables, lateChains, lateText, mendText, rulesPerChain } from './chains.ts'
import { choiceHandle, choiceNumber } from './choices.ts'
import {
  changeBatch,
  command,
  elementReader,
  elementsRequest,
  familyOf,
  messageType,
  refusedStep,
  setOf,
  subsystem,
  tableOf,
} from './element-messages.ts'
import { intervalReader, isInterval } from './intervals.ts'
import { layouts, type SetName } from './layout.ts'
import type { Nft } from './nft.ts'
import { lateRules, type SkeletonOptions, skeleton, tableName, versionChain } from './skeleton.ts'
import { differences, readStructure, type Structure } from './structure.ts'
import { swapTables, textWriter } from './text-writer.ts'

export interface NetlinkWriterOptions {
  netlink: Netlink
  socket: NetlinkSocket
  nft: Nft
  skeleton: SkeletonOptions
}

/** Group of the notifications about nftables. */
const nftablesGroup = 7
/** A client may be forgotten by the kernel itself between the look and the removal. */
const forgetAttempts = 5

export function netlinkWriter({ netlink, socket, nft, skeleton: options }: NetlinkWriterOptions): RuleWriter {
  const byText = textWriter(nft, options)
  /** Our tables as we know them to be right; undefined until the first look. */
  let known: Structure | undefined
  /** The kernel works within the sending of a batch. */
  let kernelMs = 0

  /** Whether the tables in the kernel are ours and whole. */
  const look = (): boolean => {
    const seen = asWriteError('look', () => readStructure(socket))
    if (!isOurSkeleton(seen, options)) return false
    if (known !== undefined) return differences(known, seen).length === 0 && areChoicesWhole(seen)
    const expected = rulesPerChain(skeleton(options))
    for (const [chain, rules] of expected) if (seen.get(chain)?.rules !== rules) return false
    for (const [chain, { rules }] of seen) if ((expected.get(chain) ?? rulesOfLateChain(chain)) !== rules) return false
    if (!areChoicesWhole(seen)) return false
    known = seen
    return true
  }

  /** `choices` belongs to the chains it leads to rather than to the elements. */
  const areChoicesWhole = (seen: Structure): boolean => {
    const expected = new Map<string, string>()
    for (const chain of ['ip drop', 'ip6 drop', ...seen.keys()]) {
      const [family = '', name = ''] = chain.split(' ')
      const verdict = name === 'drop' ? name : `goto ${name}`
      if (choiceNumber(verdict) !== undefined) expected.set(`${family} choices ${choiceHandle(verdict)}`, verdict)
    }
    const present = families.flatMap((family) => [...elementsOf(family, 'choices')])
    return present.length === expected.size && present.every(([id, verdict]) => expected.get(id) === verdict)
  }

  const intervalsOf = (family: Family, set: SetName): Map<string, string> => {
    const reader = intervalReader(family, set)
    asWriteError(`read ${family} ${set}`, () =>
      dump(
        socket,
        `elements of ${family} ${set}`,
        elementsRequest(family, set),
        () => reader.clear(),
        (message) => reader.read(message),
      ),
    )
    return new Map(reader.ids().map((id) => [id, '']))
  }

  const elementsOf = (family: Family, set: SetName): Map<string, string> => {
    if (isInterval(layouts[set])) return intervalsOf(family, set)
    const read = elementReader(family, set)
    const elements = new Map<string, string>()
    asWriteError(`read ${family} ${set}`, () =>
      dump(
        socket,
        `elements of ${family} ${set}`,
        elementsRequest(family, set),
        () => elements.clear(),
        // An element can appear twice while the kernel's hash table is being resized.
        (message) => read(message, (id, value) => elements.set(id, value)),
      ),
    )
    return elements
  }

  const readElements = (): Map<string, string> => {
    const all = new Map<string, string>()
    for (const family of families) {
      for (const map of elementMaps) {
        for (const [id, value] of elementsOf(family, map)) all.set(id, value)
      }
    }
    return all
  }

  const write = (change: Change): void => {
    if (isEmpty(change)) return
    const datagram = asWriteError('encode', () => changeBatch(change))
    const begun = performance.now()
    const answer = asWriteError('batch', () => exchange(socket, datagram))
    kernelMs += performance.now() - begun
    const refused = answer.acknowledgements.find(({ errno }) => errno !== 0)
    if (refused !== undefined) {
      const step = refusedStep(datagram, refused)
      const cause = refusalIn({ ...answer, acknowledgements: [refused] }, step)
      throw new WriteError(cause?.message ?? step, { cause })
    }
    if (answer.acknowledgements.length === 0) throw new WriteError('the kernel did not acknowledge the batch')
  }

  /** Altered chains and elements are put right in place, at a fraction of what a swap costs; false: that was not possible. */
  const mend = async (present: Structure, elements: ElementSet): Promise<boolean> => {
    try {
      await nft.load(mendText(options, elements, present.keys()))
      if (!look()) return false
      write(difference(readElements(), elements))
      return true
    } catch (error) {
      if (error instanceof WriteError) return false
      throw error
    }
  }

  const replace = async (elements: ElementSet) => {
    known = undefined
    const present = asWriteError('look', () => readStructure(socket))
    const isOurs = isOurSkeleton(present, options)
    if (isOurs && (await mend(present, elements))) return
    // Tables that work are swapped in one transaction, which only nft can do; where there are none, nothing is lost in between.
    if (isOurs) await swapTables(nft, options, elements, rememberedClients())
    else if (present.size > 0) await byText.replace(elements)
    else {
      await nft.load(emptyTables(options, elements))
      write({ remove: new Map(), add: elements })
    }
    known = asWriteError('look', () => readStructure(socket))
  }

  const affinity = (): AffinityEntry[] => {
    const found: AffinityElement[] = []
    for (const family of families) {
      for (const map of affinityMaps[family]) {
        const read = elementReader(family, map)
        const seen = new Map<string, AffinityElement>()
        const prefix = `${family} ${map} `.length
        asWriteError('read affinity', () =>
          dump(
            socket,
            `elements of ${family} ${map}`,
            elementsRequest(family, map),
            () => seen.clear(),
            (message) =>
              read(message, (id, value, timeout, expires) => {
                const key = id.slice(prefix)
                seen.set(key, { family, map, key, value, lifetime: lifetimeText(timeout, expires) })
              }),
          ),
        )
        found.push(...seen.values())
      }
    }
    return entriesOf(found)
  }

  /** None where somebody has taken out a map of theirs. */
  const rememberedClients = (): AffinityEntry[] => {
    try {
      return affinity()
    } catch {
      return []
    }
  }

  return {
    name: 'netlink',
    async read() {
      if (!look()) return undefined
      try {
        return readElements()
      } catch (error) {
        // A map that no rule refers to can be deleted without a trace in the chains.
        if (isMissing(error)) return undefined
        throw error
      }
    },
    async intact() {
      return look()
    },
    replace,
    async apply(change) {
      if (isEmpty(change)) return
      const chains = lateChains(change.add)
      if (chains.length > 0) {
        if (known === undefined && !look()) throw new WriteError('our tables are gone')
        const standing: Structure = known ?? new Map()
        const missing = chains.filter((chain) => !standing.has(chain))
        if (missing.length > 0) {
          await nft.load(lateText(missing))
          const now = asWriteError('look', () => readStructure(socket))
          known = new Map([...standing, ...[...now].filter(([name]) => missing.includes(name))])
        }
      }
      write(change)
    },
    async affinity() {
      return affinity()
    },
    async forget(entries) {
      let left: readonly AffinityEntry[] = entries
      for (let attempt = 1; left.length > 0; attempt++) {
        try {
          const elements = left.flatMap(affinityElementsOf)
          write({
            remove: new Map(elements.map(({ family, map, key }) => [`${family} ${map} ${key}`, ''])),
            add: new Map(),
          })
          return
        } catch (error) {
          if (attempt === forgetAttempts || !isMissing(error)) throw error
          const present = new Map(affinity().map((entry) => [`${entry.family} ${entry.key}`, entry.target]))
          left = left.filter(({ family, key, target }) => present.get(`${family} ${key}`) === target)
        }
      }
    },
    async remove() {
      known = undefined
      await byText.remove()
    },
    kernelSeconds: () => kernelMs / 1000,
    watch(onForeignChange) {
      const subscription = netlink.subscribe({
        group: nftablesGroup,
        except: socket,
        onReadable: (arrived) => {
          if (foreignChangeIn(arrived, (portId) => nft.isOurs(portId))) onForeignChange()
        },
      })
      return () => subscription.close()
    },
  }
}

/** Reads all notifications. Some that were lost may have been about us. */
function foreignChangeIn(subscription: NetlinkSocket, isOurs: (portId: number) => boolean): boolean {
  let foreign = false
  for (;;) {
    try {
      const datagram = subscription.receive()
      if (datagram === undefined) return foreign
      readMessages(
        datagram,
        (message) => {
          if (message.type >> 8 !== subsystem || message.type === messageType(command.newGeneration)) return
          if (isOurs(message.portId) || familyOf(message) === undefined || tableOf(message) !== tableName) return
          const isElement =
            message.type === messageType(command.newElements) || message.type === messageType(command.deleteElements)
          if (isElement && setOf(message).startsWith('affinity')) return
          foreign = true
        },
        () => {},
      )
    } catch (error) {
      if (!(error instanceof NetlinkFailure && error.code === 'ENOBUFS')) throw error
      foreign = true
    }
  }
}

function isOurSkeleton(seen: Structure, options: SkeletonOptions): boolean {
  return families.every((family) => seen.has(`${family} ${versionChain(family, options)}`))
}

function rulesOfLateChain(chain: string): number | undefined {
  const [, family, name] = /^(ip6?) ([tnl]\d+)$/.exec(chain) ?? []
  return name === undefined ? undefined : lateRules(family as Family, name).length
}

function isMissing(error: unknown): boolean {
  return error instanceof WriteError && error.cause instanceof NetlinkFailure && error.cause.code === 'ENOENT'
}

function asWriteError<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new WriteError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** As nft prints it: `timeout 3s expires 2s996ms`. */
function lifetimeText(timeout: bigint | undefined, expires: bigint | undefined): string {
  const parts = [
    ...(timeout === undefined ? [] : [`timeout ${durationText(timeout)}`]),
    ...(expires === undefined ? [] : [`expires ${durationText(expires)}`]),
  ]
  return parts.join(' ')
}

function durationText(milliseconds: bigint): string {
  let rest = milliseconds
  let text = ''
  for (const [unit, size] of [
    ['d', 86_400_000n],
    ['h', 3_600_000n],
    ['m', 60_000n],
    ['s', 1000n],
    ['ms', 1n],
  ] as const) {
    if (rest >= size) text += `${rest / size}${unit}`
    rest %= size
  }
  return text === '' ? '0s' : text
}
