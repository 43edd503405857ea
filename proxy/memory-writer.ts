/**
 * The kernel's side of RuleWriter in memory, for tests: it refuses what the kernel refuses, and applies to a copy that is taken only when
 * all of it worked.
 */
import { applied, type ElementId } from './rules/elements.ts'
import { type AffinityEntry, type RuleWriter, WriteError } from './writer.ts'

export interface MemoryKernel {
  elements: Map<ElementId, string> | undefined
  clients: AffinityEntry[]
  /** Names of the calls made, reads left out. */
  calls: string[]
  /** The next write fails with this. */
  failure: string | undefined
  /** A write waits for it. */
  gate: Promise<void>
  /** Tells the writer's watchers that somebody else changed something. */
  disturb(): void
  /** How many watch. */
  readonly watchers: number
  reads: number
}

export function memoryWriter(): { writer: RuleWriter; kernel: MemoryKernel } {
  const watching = new Set<() => void>()
  const kernel: MemoryKernel = {
    elements: undefined,
    clients: [],
    calls: [],
    failure: undefined,
    gate: Promise.resolve(),
    disturb: () => watching.forEach((callback) => callback()),
    get watchers() {
      return watching.size
    },
    reads: 0,
  }
  const write = async (name: string, work: () => void) => {
    kernel.calls.push(name)
    await kernel.gate
    const { failure } = kernel
    kernel.failure = undefined
    if (failure !== undefined) throw new WriteError(failure)
    try {
      work()
    } catch (cause) {
      throw new WriteError(String(cause), { cause })
    }
  }
  const writer: RuleWriter = {
    name: 'memory',
    read() {
      kernel.reads++
      return Promise.resolve(kernel.elements && new Map(kernel.elements))
    },
    watch(onForeignChange) {
      watching.add(onForeignChange)
      return () => void watching.delete(onForeignChange)
    },
    intact: () => Promise.resolve(kernel.elements !== undefined),
    affinity: () => Promise.resolve([...kernel.clients]),
    replace: (elements) => write('replace', () => (kernel.elements = new Map(elements))),
    apply: (change) =>
      write('apply', () => {
        if (kernel.elements === undefined) throw new Error('no such table')
        kernel.elements = applied(change, kernel.elements)
      }),
    forget: (entries) =>
      write('forget', () => {
        const keys = new Set(entries.map((entry) => entry.key))
        kernel.clients = kernel.clients.filter((entry) => !keys.has(entry.key))
      }),
    remove: () => write('remove', () => (kernel.elements = undefined)),
  }
  return { writer, kernel }
}
