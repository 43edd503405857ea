/**
 * Objects by resource under one resourceVersion counter, with a window of past events for watches and exact lists.
 * A Collection's log holds every event newer than `floor`; what is older is compacted and answers 410 Expired.
 */
import type { Clock } from '../../kube/clock.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { type Entry, keyOf, makeEntry } from './entry.ts'

export interface StoredEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  readonly at: number
  /** The object after the event; for DELETED its last state with the version of the deletion. */
  readonly entry: Entry
  readonly previous: Entry | undefined
  /** Bytes of the watch line, made once. */
  line?: Buffer
}

export interface Collection {
  get(namespace: string, name: string): Entry | undefined
  readonly size: number
  /** Sorted by key. Shared and live: read it before the next write, do not keep it. */
  sorted(): readonly Entry[]
  /** Sorted as they were at `version`; undefined when that is compacted. */
  sortedAt(version: number): readonly Entry[] | undefined
  put(object: KubeObject): Entry
  remove(entry: Entry): Entry
  /** Events up to this version are forgotten. */
  readonly floor: number
  readonly log: EventLog
  /** Called after every event, in order of subscription; returns the way out. */
  subscribe(wake: () => void): () => void
  expire(): void
  /** The resource is not served any more; watches end when they have read what is in the log. */
  close(): void
  readonly closed: boolean
}

/** Events in order; positions count from the beginning of time, so a reader's position survives compaction. */
interface EventLog {
  readonly first: number
  readonly end: number
  at(position: number): StoredEvent | undefined
  /** Position of the first event newer than `version`. */
  after(version: number): number
}

export interface Store {
  readonly version: number
  collection(id: string): Collection
  drop(id: string): void
  collections(): Iterable<[string, Collection]>
  /** Forgets the history of every collection: older resourceVersions answer 410 from now on. */
  expire(): void
}

export interface StoreOptions {
  clock: Clock
  /** Events older than this may be compacted; as etcd compaction in kube-apiserver, 5 minutes. */
  historyMs?: number
  /** Most events kept for one resource. */
  historyEvents?: number
}

export function createStore({ clock, historyMs = 300_000, historyEvents = 100_000 }: StoreOptions): Store {
  const collections = new Map<string, Collection>()
  let version = 1
  const next = () => ++version
  return {
    get version() {
      return version
    },
    collection(id) {
      let found = collections.get(id)
      if (!found) {
        found = createCollection({ clock, historyMs, historyEvents, next, current: () => version })
        collections.set(id, found)
      }
      return found
    },
    drop(id) {
      collections.get(id)?.close()
      collections.delete(id)
    },
    collections: () => collections.entries(),
    expire() {
      for (const collection of collections.values()) collection.expire()
    },
  }
}

interface CollectionOptions {
  clock: Clock
  historyMs: number
  historyEvents: number
  next: () => number
  current: () => number
}

function createCollection({ clock, historyMs, historyEvents, next, current }: CollectionOptions): Collection {
  const byKey = new Map<string, Entry>()
  const order: Entry[] = []
  const wakers = new Set<() => void>()
  let events: StoredEvent[] = []
  let first = 0
  let floor = 0
  let closed = false

  const position = (key: string): number => {
    let low = 0
    let high = order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((order[middle] as Entry).key < key) low = middle + 1
      else high = middle
    }
    return low
  }

  const forget = (count: number): void => {
    if (count <= 0) return
    floor = (events[count - 1] as StoredEvent).version
    events = events.slice(count)
    first += count
  }

  // Dropping in chunks keeps appends O(1): the array is cut only when an eighth of the window is out of date.
  const compact = (now: number): void => {
    const chunk = Math.max(64, historyEvents >>> 3)
    if (events.length >= historyEvents + chunk) forget(chunk)
    const old = events[chunk]
    if (old && old.at < now - historyMs) forget(chunk)
  }

  const append = (event: StoredEvent): void => {
    events.push(event)
    compact(event.at)
    for (const wake of wakers) wake()
  }

  const log: EventLog = {
    get first() {
      return first
    },
    get end() {
      return first + events.length
    },
    at: (at) => events[at - first],
    after(wanted) {
      let low = 0
      let high = events.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((events[middle] as StoredEvent).version <= wanted) low = middle + 1
        else high = middle
      }
      return first + low
    },
  }

  return {
    log,
    get floor() {
      return floor
    },
    get size() {
      return order.length
    },
    get: (namespace, name) => byKey.get(keyOf(namespace, name)),
    sorted: () => order,
    sortedAt(wanted) {
      if (wanted < floor) return undefined
      if (log.after(wanted) === log.end) return order
      const then = new Map(byKey)
      for (let at = log.end - 1; at >= first; at--) {
        const event = log.at(at)
        if (!event || event.version <= wanted) break
        if (event.previous) then.set(event.entry.key, event.previous)
        else then.delete(event.entry.key)
      }
      return [...then.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    },
    put(object) {
      const entry = makeEntry(object, next())
      const previous = byKey.get(entry.key)
      const where = position(entry.key)
      if (previous) order[where] = entry
      else order.splice(where, 0, entry)
      byKey.set(entry.key, entry)
      append({ type: previous ? 'MODIFIED' : 'ADDED', version: entry.version, at: clock.now(), entry, previous })
      return entry
    },
    remove(previous) {
      const object = { ...previous.object, metadata: { ...previous.object.metadata } }
      const entry = makeEntry(object, next())
      byKey.delete(entry.key)
      order.splice(position(entry.key), 1)
      append({ type: 'DELETED', version: entry.version, at: clock.now(), entry, previous })
      return entry
    },
    subscribe(wake) {
      wakers.add(wake)
      return () => wakers.delete(wake)
    },
    get closed() {
      return closed
    },
    close() {
      closed = true
      for (const wake of wakers) wake()
    },
    expire() {
      first += events.length
      events = []
      floor = current()
    },
  }
}
