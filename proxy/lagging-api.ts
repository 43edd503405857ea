/**
 * For tests: an API server that only reads, whose news arrive when the test lets them. Each kind is behind by a number of changes of its
 * own, so that a slice may come before its Service, and a watch that expires loses what lay between. Selectors of labels are `!name` only.
 */
import { ApiError, type KubeClient, type WatchEvent } from '../kube/client.ts'
import { keyOf } from '../kube/key.ts'
import type { KubeObject } from '../kube/objects.ts'
import type { ResourceType } from '../kube/resources.ts'

interface News {
  version: number
  before: KubeObject | undefined
  after: KubeObject | undefined
}

interface Stream {
  push(event: WatchEvent<KubeObject> | 'end'): void
}

interface Kind {
  /** What is known to those who ask. */
  told: Map<string, KubeObject>
  /** What they have yet to be told. */
  news: News[]
  /** The version that `told` is of. */
  version: number
  streams: Set<Stream>
}

export interface LaggingApi {
  readonly client: KubeClient
  /** Gives the object the next version; a name that is new, or was deleted, a UID of its own. */
  put(type: ResourceType, object: KubeObject): void
  remove(type: ResourceType, key: string): void
  /** The next so many changes of this kind are told. */
  tell(type: ResourceType, count?: number): void
  /** Watches of this kind end: `expired` as if their version was forgotten, so that they must list again. What is not told yet comes by the list. */
  cut(type: ResourceType, how: 'ended' | 'expired'): void
}

export function laggingApi(): LaggingApi {
  const kinds = new Map<string, Kind>()
  const actual = new Map<string, KubeObject>()
  let version = 1
  const kindOf = ({ plural }: ResourceType): Kind => {
    const kind = kinds.get(plural) ?? { told: new Map(), news: [], version, streams: new Set() }
    kinds.set(plural, kind)
    return kind
  }
  const change = (type: ResourceType, key: string, after: KubeObject | undefined) => {
    const name = `${type.plural} ${key}`
    const before = actual.get(name)
    version++
    const metadata = { resourceVersion: `${version}`, uid: before?.metadata.uid ?? `uid-${version}` }
    const made = after && { ...after, metadata: { ...after.metadata, ...metadata } }
    if (made === undefined) actual.delete(name)
    else actual.set(name, made)
    kindOf(type).news.push({ version, before, after: made })
  }
  const take = (kind: Kind, count: number): News[] => {
    const taken = kind.news.splice(0, count)
    for (const { version: at, before, after } of taken) {
      kind.version = at
      if (after !== undefined) kind.told.set(keyOf(after), after)
      else if (before !== undefined) kind.told.delete(keyOf(before))
    }
    return taken
  }
  const followers = new Map<Stream, (news: News) => void>()
  const refuse = () => Promise.reject(new ApiError('forbidden', { code: 403, reason: 'Forbidden' }))

  const client: KubeClient = {
    list(type, _namespace, options = {}) {
      const kind = kindOf(type)
      // In the order of their names, as etcd gives them.
      const items = [...kind.told]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([, object]) => (isSelected(object, options) ? [object] : []))
      return Promise.resolve({
        metadata: { resourceVersion: `${kind.version}` },
        items: structuredClone(items) as never[],
      })
    },
    async *watch(type, _namespace, options = {}, signal) {
      const kind = kindOf(type)
      const waiting: (WatchEvent<KubeObject> | 'end')[] = []
      let wake = () => {}
      const stream: Stream = {
        push(event) {
          waiting.push(event)
          wake()
        },
      }
      const stop = () => stream.push('end')
      signal?.addEventListener('abort', stop, { once: true })
      kind.streams.add(stream)
      followers.set(stream, ({ version: at, before, after }) => {
        const was = before !== undefined && isSelected(before, options)
        const is = after !== undefined && isSelected(after, options)
        const gone = before && {
          ...(after ?? before),
          metadata: { ...(after ?? before).metadata, resourceVersion: `${at}` },
        }
        if (is) stream.push({ type: was ? 'MODIFIED' : 'ADDED', object: after })
        else if (was && gone) stream.push({ type: 'DELETED', object: gone })
      })
      try {
        // Told while the list was on its way.
        const since = Number(options.resourceVersion ?? kind.version)
        if (since < kind.version) stream.push(expired)
        for (;;) {
          const next = waiting.shift()
          if (next === 'end' || signal?.aborted) return
          if (next !== undefined) yield structuredClone(next) as never
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        signal?.removeEventListener('abort', stop)
        kind.streams.delete(stream)
        followers.delete(stream)
      }
    },
    get: refuse,
    create: refuse,
    replace: refuse,
    patch: refuse,
    remove: refuse,
  }
  return {
    client,
    put: (type, object) => change(type, keyOf(object), object),
    remove(type, key) {
      if (actual.has(`${type.plural} ${key}`)) change(type, key, undefined)
    },
    tell(type, count = Infinity) {
      const kind = kindOf(type)
      for (const each of take(kind, count)) for (const stream of kind.streams) followers.get(stream)?.(each)
    },
    cut(type, how) {
      const kind = kindOf(type)
      if (how === 'expired') take(kind, Infinity)
      for (const stream of kind.streams) stream.push(how === 'expired' ? expired : 'end')
    },
  }
}

const expired: WatchEvent<KubeObject> = {
  type: 'ERROR',
  object: {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code: 410,
    reason: 'Expired',
    message: 'too old',
  },
}

function isSelected(object: KubeObject, options: { labelSelector?: string; fieldSelector?: string }): boolean {
  const { labelSelector = '', fieldSelector = '' } = options
  const unwanted = labelSelector.split(',').filter((term) => term.startsWith('!'))
  const [, name] = /^metadata\.name=(.*)$/.exec(fieldSelector) ?? []
  return (
    unwanted.every((term) => object.metadata.labels?.[term.slice(1)] === undefined) &&
    (name === undefined || name === object.metadata.name)
  )
}
