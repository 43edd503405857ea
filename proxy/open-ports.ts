/**
 * Listening sockets that come and go with Services: exactly those that are wanted are open, one change at a time. One that cannot be opened
 * (another program has the port) is told once and tried again when asked to.
 */
import type { Log } from '../kube/log.ts'

export interface Wanted {
  /** Where it listens; what else is said of it may change while it is open. */
  place: string
  service: string
}

export interface OpenPortsOptions<T extends Wanted> {
  /** Rejects when nothing, or not everything, could be opened; then nothing is. */
  open(current: () => T): Promise<{ close(): Promise<void> }>
  /** Called once, until it could be opened or another Service wants it. */
  onFailure(wanted: T, error: unknown): void
  log: Log
}

export interface OpenPorts<T extends Wanted> {
  set(wanted: readonly T[]): void
  /** Tries again what could not be opened. */
  retry(): void
  /** Resolves when everything asked for so far is open or has failed. */
  idle(): Promise<void>
  close(): Promise<void>
}

interface Entry<T> {
  wanted: T
  server: { close(): Promise<void> } | undefined
  failed: boolean
}

export function createOpenPorts<T extends Wanted>(options: OpenPortsOptions<T>): OpenPorts<T> {
  const entries = new Map<string, Entry<T>>()
  let wanted = new Map<string, T>()
  let work = Promise.resolve()
  let queued = false

  const settle = async () => {
    queued = false
    for (const [place, { server }] of entries) {
      if (wanted.has(place)) continue
      entries.delete(place)
      await server?.close()
    }
    for (const [place, now] of wanted) {
      const entry: Entry<T> = entries.get(place) ?? { wanted: now, server: undefined, failed: false }
      if (entry.wanted.service !== now.service) entry.failed = false
      entry.wanted = now
      entries.set(place, entry)
      if (entry.server === undefined) await tryOpen(entry)
    }
  }

  const tryOpen = async (entry: Entry<T>) => {
    try {
      entry.server = await options.open(() => entry.wanted)
      entry.failed = false
    } catch (error) {
      if (!entry.failed) options.onFailure(entry.wanted, error)
      entry.failed = true
    }
  }

  const queue = () => {
    if (queued) return
    queued = true
    work = work.then(settle).catch((error: unknown) => {
      options.log.error({ error }, 'ports could not be opened or closed')
    })
  }

  return {
    set(list) {
      wanted = new Map(list.map((each) => [each.place, each]))
      // What is said is new at once; only opening and closing takes turns.
      for (const [place, entry] of entries) {
        const now = wanted.get(place)
        if (now?.service === entry.wanted.service || (now && entry.server)) entry.wanted = now
      }
      const asOpen = wanted.size === entries.size && [...wanted.keys()].every((place) => entries.has(place))
      if (!asOpen) queue()
    },
    retry() {
      if ([...entries.values()].some((entry) => entry.failed)) queue()
    },
    idle: () => work,
    async close() {
      wanted = new Map()
      queue()
      await work
    },
  }
}
