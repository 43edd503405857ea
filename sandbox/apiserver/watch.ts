/**
 * A watch as a cursor into a Collection's event log: nothing is queued per watcher, a slow one just lags, and one that falls out of
 * the history window gets an ERROR event with 410, as from kube-apiserver's watch cache. Lines of shared events are made once.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Status } from '../../kube/objects.ts'
import { bytesOf, type Entry } from './entry.ts'
import { expired } from './failure.ts'
import type { Collection, StoredEvent } from './store.ts'

/** `shared` marks an event every watcher sees alike, whose line may be shared. */
export type WatchFrame =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; entry: Entry; shared?: StoredEvent }
  | { type: 'BOOKMARK'; version: number; initialEventsEnd: boolean }
  | { type: 'ERROR'; status: Status }

export interface WatchStream {
  /** The next frame, or undefined while nothing is waiting. */
  next(): WatchFrame | undefined
  /** True once no frame will come any more. */
  readonly ended: boolean
  /** Called when `next` may have something or the stream ended. One listener. */
  onWake(listener: () => void): void
  /** Ends without another frame. */
  end(): void
  readonly apiVersion: string
  readonly kind: string
  /** How the client sees a frame's object, when not as it is. */
  shape?(frame: WatchFrame): unknown
}

type Shape = Pick<WatchStream, 'apiVersion' | 'kind' | 'shape'>

export interface WatchQuery {
  namespace: string | undefined
  name: string | undefined
  matches: ((entry: Entry) => boolean) | undefined
  /** undefined or 0: the present state first. */
  since: number | undefined
  bookmarks: boolean
  /** The present state first, closed by a bookmark (KEP-3157). */
  sendInitialEvents: boolean
  timeoutMs: number
}

export interface WatchSource {
  collection: Collection
  current: () => number
  clock: Clock
  apiVersion: string
  kind: string
}

const bookmarkEveryMs = 60_000

export function openWatch(
  { collection, current, clock, apiVersion, kind }: WatchSource,
  query: WatchQuery,
): WatchStream {
  const inScope = (entry: Entry): boolean =>
    (query.namespace === undefined || entry.namespace === query.namespace) &&
    (query.name === undefined || entry.name === query.name)
  const selects = (entry: Entry): boolean => query.matches?.(entry) ?? true

  let listener: () => void = () => {}
  let ended = false
  let initial: Entry[] = []
  let initialAt = 0
  let endOfInitial = false
  let position: number
  let seen: number
  let failed: WatchFrame | undefined
  let bookmarkDue = false

  const fromState = query.sendInitialEvents || query.since === undefined || query.since === 0
  if (fromState) {
    initial = collection.sorted().filter((entry) => inScope(entry) && selects(entry))
    position = collection.log.end
    seen = current()
    endOfInitial = query.sendInitialEvents && query.bookmarks
  } else {
    seen = query.since ?? 0
    position = collection.log.after(seen)
    if (seen < collection.floor) failed = tooOld(seen, collection.floor)
  }

  const wake = () => listener()
  const unsubscribe = collection.subscribe(wake)
  const cancelTimeout = clock.after(query.timeoutMs, () => end())
  let cancelBookmark = () => {}
  const armBookmark = () => {
    cancelBookmark = clock.after(bookmarkEveryMs, () => {
      bookmarkDue = true
      armBookmark()
      wake()
    })
  }
  if (query.bookmarks) armBookmark()

  function end(): void {
    if (ended) return
    ended = true
    unsubscribe()
    cancelTimeout()
    cancelBookmark()
    wake()
  }

  function frameOf(event: StoredEvent): WatchFrame | undefined {
    if (!inScope(event.entry)) return undefined
    if (!query.matches) return { type: event.type, entry: event.entry, shared: event }
    const before = event.previous !== undefined && selects(event.previous)
    const after = event.type !== 'DELETED' && selects(event.entry)
    if (after) {
      const type = before ? 'MODIFIED' : 'ADDED'
      return type === event.type ? { type, entry: event.entry, shared: event } : { type, entry: event.entry }
    }
    if (!before) return undefined
    if (event.type === 'DELETED') return { type: 'DELETED', entry: event.entry, shared: event }
    return { type: 'DELETED', entry: lastMatching(event) }
  }

  return {
    apiVersion,
    kind,
    get ended() {
      return ended
    },
    onWake(wanted) {
      listener = wanted
    },
    end,
    next() {
      if (ended) return undefined
      if (failed) {
        end()
        return failed
      }
      const first = initial[initialAt]
      if (first) {
        initialAt++
        if (initialAt === initial.length) {
          initial = []
          initialAt = 0
        }
        return { type: 'ADDED', entry: first }
      }
      if (endOfInitial) {
        endOfInitial = false
        return { type: 'BOOKMARK', version: seen, initialEventsEnd: true }
      }
      const { log } = collection
      if (position < log.first) {
        const error = tooOld(seen, collection.floor)
        end()
        return error
      }
      for (; position < log.end; ) {
        const event = log.at(position++)
        if (!event || event.version <= seen) continue
        seen = event.version
        const frame = frameOf(event)
        if (frame) return frame
      }
      if (collection.closed) end()
      else if (bookmarkDue) {
        bookmarkDue = false
        return { type: 'BOOKMARK', version: current(), initialEventsEnd: false }
      }
      return undefined
    },
  }
}

/** An object that left the selection travels in its last matching state, with the version of the event. */
function lastMatching(event: StoredEvent): Entry {
  const previous = event.previous as Entry
  const metadata = { ...previous.object.metadata, resourceVersion: String(event.version) }
  return { ...omitBytes(previous), version: event.version, object: { ...previous.object, metadata } }
}

function omitBytes({ key, namespace, name, version, object }: Entry): Entry {
  return { key, namespace, name, version, object }
}

function tooOld(wanted: number, floor: number): WatchFrame {
  return { type: 'ERROR', status: expired(`too old resource version: ${wanted} (${floor})`).status }
}

const close = Buffer.from('}\n')

/** The object of a frame as a value the caller must not change. */
export function frameObject(frame: WatchFrame, stream: Shape): unknown {
  if (stream.shape) return stream.shape(frame)
  if (frame.type === 'ERROR') return frame.status
  if (frame.type !== 'BOOKMARK') {
    const { object } = frame.entry
    return object.apiVersion === stream.apiVersion ? object : { ...object, apiVersion: stream.apiVersion }
  }
  const metadata: Record<string, unknown> = { resourceVersion: String(frame.version) }
  if (frame.initialEventsEnd) metadata['annotations'] = { 'k8s.io/initial-events-end': 'true' }
  return { kind: stream.kind, apiVersion: stream.apiVersion, metadata }
}

/** A frame as one line of the response. */
export function frameLine(frame: WatchFrame, stream: Shape): Buffer {
  const plain =
    !stream.shape &&
    frame.type !== 'ERROR' &&
    frame.type !== 'BOOKMARK' &&
    frame.entry.object.apiVersion === stream.apiVersion
  if (!plain) return Buffer.from(`${JSON.stringify({ type: frame.type, object: frameObject(frame, stream) })}\n`)
  if (frame.shared?.line) return frame.shared.line
  const line = Buffer.concat([Buffer.from(`{"type":"${frame.type}","object":`), bytesOf(frame.entry), close])
  if (frame.shared) frame.shared.line = line
  return line
}
