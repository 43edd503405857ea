/**
 * Objects of one kind by `namespace/name`, with indexes and change notifications. Never moves back: an object older than
 * the one held is ignored. A name that comes back with another UID is a removal followed by an addition.
 * Objects in it are shared and must not be changed.
 */
import type { ObjectName } from './client.ts'
import { keyFor, keyOf } from './key.ts'
import type { KubeObject } from './objects.ts'
import { isOlder } from './resource-version.ts'

export type Change<T> =
  | { kind: 'added'; key: string; before?: undefined; after: T }
  | { kind: 'updated'; key: string; before: T; after: T }
  | { kind: 'removed'; key: string; before: T; after?: undefined }

type ChangeListener<T> = (change: Change<T>) => void

export interface Cache<T extends KubeObject> {
  readonly size: number
  at(key: string): T | undefined
  get(at: ObjectName): T | undefined
  values(): Iterable<T>
  keys(): Iterable<string>
  /** Objects for which the index function gave `value`, in the order they came. Throws on an index that was not declared. */
  indexed(index: string, value: string): T[]
  /** Called after each change, in order, when the cache already shows it. Returns the cancellation. */
  onChange(listener: ChangeListener<T>): () => void
}

/** The side that a reflector writes to. */
export interface CacheWriter<T extends KubeObject> extends Cache<T> {
  /** The complete state at `resourceVersion`. What is held in a newer version than that stays. */
  replace(objects: Iterable<T>, resourceVersion?: string): void
  /** The complete state, also where it is older than what is held: the cluster itself went back. */
  reset(objects: Iterable<T>): void
  upsert(object: T): void
  remove(object: KubeObject): void
}

/** Index functions by name: the values under which an object is found. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>

export interface CacheOptions<T> {
  indexes?: Indexes<T> | undefined
  /** A listener or index function threw; the cache and everybody else go on. */
  onListenerError?: (error: unknown, change: Change<T>) => void
}

export function createCache<T extends KubeObject>(options: CacheOptions<T> = {}): CacheWriter<T> {
  const objects = new Map<string, T>()
  const listeners = new Set<ChangeListener<T>>()
  const indexes = new Map(Object.entries(options.indexes ?? {}).map(([name, of]) => [name, createIndex(of)]))

  const publish = (change: Change<T>) => {
    for (const follow of [...[...indexes.values()].map((index) => index.apply), ...listeners]) {
      try {
        follow(change)
      } catch (error) {
        options.onListenerError?.(error, change)
      }
    }
  }
  const removeKey = (key: string, before: T) => {
    objects.delete(key)
    publish({ kind: 'removed', key, before })
  }
  const put = (key: string, after: T) => {
    const before = objects.get(key)
    if (before && sameVersion(before, after)) return
    if (before && before.metadata.uid !== after.metadata.uid) {
      removeKey(key, before)
      return put(key, after)
    }
    objects.set(key, after)
    publish(before ? { kind: 'updated', key, before, after } : { kind: 'added', key, after })
  }

  return {
    get size() {
      return objects.size
    },
    at: (key) => objects.get(key),
    get: (at) => objects.get(keyFor(at)),
    values: () => objects.values(),
    keys: () => objects.keys(),
    indexed(name, value) {
      const index = indexes.get(name)
      if (!index) throw new TypeError(`the cache has no index ${name}`)
      return index.keys(value).flatMap((key) => objects.get(key) ?? [])
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    upsert(object) {
      const key = keyOf(object)
      if (!isOlder(object.metadata.resourceVersion, objects.get(key)?.metadata.resourceVersion)) put(key, object)
    },
    remove(object) {
      const key = keyOf(object)
      const held = objects.get(key)
      if (!held || isOlder(object.metadata.resourceVersion, held.metadata.resourceVersion)) return
      removeKey(key, held)
    },
    replace(all, resourceVersion) {
      const seen = new Set<string>()
      for (const object of all) {
        const key = keyOf(object)
        seen.add(key)
        if (!isOlder(object.metadata.resourceVersion, objects.get(key)?.metadata.resourceVersion)) put(key, object)
      }
      for (const [key, held] of objects) {
        if (!seen.has(key) && !isOlder(resourceVersion, held.metadata.resourceVersion)) removeKey(key, held)
      }
    },
    reset(all) {
      const wanted = new Map([...all].map((object) => [keyOf(object), object]))
      for (const [key, object] of wanted) put(key, object)
      for (const [key, held] of objects) if (!wanted.has(key)) removeKey(key, held)
    },
  }
}

function sameVersion(a: KubeObject, b: KubeObject): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.metadata.resourceVersion !== undefined &&
    a.metadata.resourceVersion === b.metadata.resourceVersion
  )
}

interface Index<T> {
  apply: ChangeListener<T>
  keys: (value: string) => string[]
}

/** A value that has one key holds it without a set: most values of most indexes do, and a set takes 200 bytes. */
function createIndex<T>(valuesOf: (object: T) => readonly string[]): Index<T> {
  const keysByValue = new Map<string, string | Set<string>>()
  const drop = (value: string, key: string) => {
    const keys = keysByValue.get(value)
    if (keys === key) keysByValue.delete(value)
    else if (keys instanceof Set) {
      keys.delete(key)
      const [last] = keys
      if (keys.size === 1 && last !== undefined) keysByValue.set(value, last)
    }
  }
  const add = (value: string, key: string) => {
    const keys = keysByValue.get(value)
    if (keys === undefined) keysByValue.set(value, key)
    else if (keys instanceof Set) keys.add(key)
    else if (keys !== key) keysByValue.set(value, new Set([keys, key]))
  }
  return {
    apply({ key, before, after }) {
      const old = before === undefined ? [] : valuesOf(before)
      const now = after === undefined ? [] : valuesOf(after)
      for (const value of old) if (!now.includes(value)) drop(value, key)
      for (const value of now) add(value, key)
    },
    keys(value) {
      const keys = keysByValue.get(value)
      return typeof keys === 'string' ? [keys] : [...(keys ?? [])]
    },
  }
}
