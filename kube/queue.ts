/**
 * A queue of keys, with the guarantees of client-go's workqueue: a key waits at most once; it is never with two workers at
 * once; added while it is being worked on, it comes again exactly once afterwards. First in, first out, so that no key
 * starves; a key that failed waits by itself, on the clock it was given.
 */
import { type Backoff, backoffMs } from './backoff.ts'
import type { Clock } from './clock.ts'

/** Callbacks for metrics; all optional. */
export interface QueueHooks {
  added?(key: string, depth: number): void
  /** `waitedMs` from the add to the start. */
  started?(key: string, waitedMs: number, depth: number): void
  finished?(key: string, tookMs: number): void
  /** `attempt` failures in a row by now; the key comes again in `delayMs`. */
  retried?(key: string, attempt: number, delayMs: number): void
}

export interface KeyQueueOptions {
  clock: Clock
  random: () => number
  /** Per key; default 5 ms doubling to 1000 s as in client-go, with jitter. */
  backoff?: Partial<Backoff>
  hooks?: QueueHooks
}

export interface KeyQueue {
  add(key: string): void
  /** Adds the key after `ms`. Of several delays for a key the earliest wins. */
  addAfter(key: string, ms: number): void
  /** Counts a failure and adds the key after its backoff, or after `atLeastMs` when that is longer. `pace`: another backoff for this kind of failure. */
  retry(key: string, atLeastMs?: number, pace?: Partial<Backoff>): void
  /** The key's next backoff is the first one again. Does not take it out of the queue. */
  forget(key: string): void
  /** Failures in a row. */
  failures(key: string): number
  /** Keys that are ready and not yet taken. */
  readonly depth: number
  /** Neither ready, nor waiting for a time, nor with a worker. */
  readonly idle: boolean
  /** The next key, when there is one; undefined once closed. Whoever takes a key must call `done` with it. */
  take(): Promise<string | undefined>
  done(key: string): void
  /** Drops what waits, cancels the timers; takers get undefined. */
  close(): void
}

const usual: Backoff = { initialMs: 5, maxMs: 1_000_000, factor: 2, jitter: 0.2 }

export function createKeyQueue(options: KeyQueueOptions): KeyQueue {
  const { clock, random, hooks = {} } = options
  const backoff = { ...usual, ...options.backoff }
  /** Ready keys in order of arrival, with the time of it. */
  const ready = new Map<string, number>()
  const working = new Map<string, number>()
  /** Added while being worked on. */
  const again = new Map<string, number>()
  const delayed = new Map<string, { at: number; cancel: () => void }>()
  const failed = new Map<string, number>()
  const takers: ((key: string | undefined) => void)[] = []
  let closed = false

  function add(key: string): void {
    if (closed || ready.has(key) || again.has(key)) return
    if (working.has(key)) {
      again.set(key, clock.now())
      return
    }
    enqueue(key, clock.now())
  }

  function enqueue(key: string, since: number): void {
    ready.set(key, since)
    hooks.added?.(key, ready.size)
    const taker = takers.shift()
    if (taker) taker(next())
  }

  function next(): string | undefined {
    const [entry] = ready
    if (entry === undefined) return undefined
    const [key, since] = entry
    const now = clock.now()
    ready.delete(key)
    working.set(key, now)
    hooks.started?.(key, now - since, ready.size)
    return key
  }

  function addAfter(key: string, ms: number): void {
    if (closed) return
    if (!(ms > 0)) return add(key)
    const at = clock.now() + ms
    const planned = delayed.get(key)
    if (planned && planned.at <= at) return
    planned?.cancel()
    const cancel = clock.after(ms, () => {
      delayed.delete(key)
      add(key)
    })
    delayed.set(key, { at, cancel })
  }

  return {
    add,
    addAfter,
    retry(key, atLeastMs = 0, pace = {}) {
      const attempt = (failed.get(key) ?? 0) + 1
      failed.set(key, attempt)
      const delayMs = Math.max(atLeastMs, backoffMs({ ...backoff, ...pace }, attempt, random))
      hooks.retried?.(key, attempt, delayMs)
      addAfter(key, delayMs)
    },
    forget: (key) => void failed.delete(key),
    failures: (key) => failed.get(key) ?? 0,
    get depth() {
      return ready.size
    },
    get idle() {
      return ready.size === 0 && working.size === 0 && delayed.size === 0
    },
    take() {
      if (closed) return Promise.resolve(undefined)
      if (ready.size > 0) return Promise.resolve(next())
      return new Promise((resolve) => takers.push(resolve))
    },
    done(key) {
      const since = working.get(key)
      if (since === undefined) throw new TypeError(`${key} is not being worked on`)
      working.delete(key)
      hooks.finished?.(key, clock.now() - since)
      const addedAt = again.get(key)
      again.delete(key)
      if (addedAt !== undefined && !closed) enqueue(key, addedAt)
    },
    close() {
      closed = true
      for (const { cancel } of delayed.values()) cancel()
      delayed.clear()
      ready.clear()
      again.clear()
      for (const taker of takers.splice(0)) taker(undefined)
    },
  }
}
