/**
 * Keeps a store equal to the API server's objects of one kind: list by pages, then watch, for ever, until stopped.
 * No failure ends it. It resumes a watch from the last version seen, lists again only when the server has forgotten that
 * version (410), waits with jitter between failures, obeys Retry-After, and never moves to an older state.
 * Protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
import { watchFailure } from './api-failure.ts'
import { type Backoff, backoffMs } from './backoff.ts'
import { isApiError, type KubeClient } from './client.ts'
import { type Clock, sleep } from './clock.ts'
import { listAll, type Selection, selectors, type WholeList } from './list-all.ts'
import type { Log } from './log.ts'
import type { KubeObject } from './objects.ts'
import { isOlder } from './resource-version.ts'
import type { ResourceType } from './resources.ts'

/** What a reflector writes to; createCache makes one. */
interface ReflectorStore<T extends KubeObject> {
  replace(objects: Iterable<T>, resourceVersion?: string): void
  reset(objects: Iterable<T>): void
  upsert(object: T): void
  remove(object: KubeObject): void
}

/** What happened, for logs, metrics, readiness and tests. */
export type ReflectorEvent =
  | { kind: 'listed'; items: number; pages: number; tookMs: number }
  | { kind: 'watching'; resourceVersion: string | undefined }
  | { kind: 'watchEnded' }
  | { kind: 'expired' }
  | { kind: 'failed'; error: unknown; attempt: number; retryInMs: number }

export interface ReflectorOptions<T extends KubeObject> extends Selection {
  client: KubeClient
  type: ResourceType<T>
  /** Drops what is not read, before anything is kept; may change the object it gets. */
  transform?: ((object: T) => T) | undefined
  store: ReflectorStore<T>
  clock: Clock
  random: () => number
  log: Log
  onEvent?: ((event: ReflectorEvent) => void) | undefined
  tuning?: Partial<ReflectorTuning> | undefined
}

interface ReflectorTuning {
  pageSize: number
  backoff: Backoff
  /** The server is asked to end a watch after one to two times this, so that watches spread over its instances. */
  watchSeconds: number
  /** Age of the list after which the end of a watch leads to a new one, so that a lost event heals. */
  relistAfterMs: number
  /** A server that for so long has nothing but lists older than what we saw was restored from a backup: follow it. */
  acceptOlderAfterMs: number
}

const usual: ReflectorTuning = {
  pageSize: 500,
  backoff: { initialMs: 200, maxMs: 30_000, factor: 2, jitter: 1 },
  watchSeconds: 300,
  relistAfterMs: 3_600_000,
  acceptOlderAfterMs: 300_000,
}

/** A watch that ends sooner is a failure whatever it sent, so that no server can make us spin. client-go: VeryShortWatchError. */
const shortestWatchMs = 1000

/** kube-apiserver sends a bookmark every minute (cacher.go, bookmarkFrequency). */
const bookmarksWithinMs = 75_000

export interface Reflector {
  /** Lists and watches until the signal aborts; then everything it opened is closed and it resolves. Never rejects. */
  run(signal: AbortSignal): Promise<void>
  /** The last version seen. */
  readonly position: { readonly resourceVersion: string | undefined }
}

export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector {
  const { client, clock, store, type, onEvent = () => {} } = options
  const tuning = { ...usual, ...options.tuning }
  const about = { resource: type.plural, ...(options.namespace && { namespace: options.namespace }) }
  const transform = forgiving(options, about)
  const position: { resourceVersion: string | undefined } = { resourceVersion: undefined }
  let listedAt: number | undefined
  let olderSince: number | undefined
  let failures = 0
  /** The last watch brought nothing in all its life, not even a bookmark. */
  let silent = false

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (listedAt === undefined || clock.now() - listedAt > tuning.relistAfterMs) await list(signal)
        if (silent) await compare(signal)
        await watch(signal)
      } catch (error) {
        if (signal.aborted) return
        if (mustRelist(error)) {
          listedAt = undefined
          onEvent({ kind: 'expired' })
        }
        await pause(error, signal)
      }
    }
  }

  async function list(signal: AbortSignal): Promise<void> {
    const startedAt = clock.now()
    const whole = await listAll(client, type, { ...options, pageSize: tuning.pageSize, transform, signal })
    if (signal.aborted) return
    if (isOlder(whole.resourceVersion, position.resourceVersion)) {
      refuseOlder(whole)
      options.log.error(about, 'the API server went back in time (restored from a backup?): following it')
      store.reset(whole.objects)
    } else {
      store.replace(whole.objects, whole.resourceVersion)
    }
    olderSince = undefined
    position.resourceVersion = whole.resourceVersion
    listedAt = clock.now()
    onEvent({ kind: 'listed', items: whole.objects.length, pages: whole.pages, tookMs: listedAt - startedAt })
  }

  /** Throws unless it has gone on for too long. */
  function refuseOlder(whole: WholeList<T>): void {
    olderSince ??= clock.now()
    if (clock.now() - olderSince >= tuning.acceptOlderAfterMs) return
    throw new StaleServerError(`got a list of version ${whole.resourceVersion} after ${position.resourceVersion}`)
  }

  /** kube-apiserver says nothing at all to a watch from a version it has not reached, but a list tells where it is. */
  async function compare(signal: AbortSignal): Promise<void> {
    const { metadata } = await client.list(type, options.namespace, { ...selectors(options), limit: 1 }, signal)
    silent = false
    if (isOlder(metadata.resourceVersion, position.resourceVersion)) throw behind(metadata.resourceVersion)
  }

  async function watch(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const startedAt = clock.now()
    const { resourceVersion } = position
    const stream = client.watch(
      type,
      options.namespace,
      {
        ...selectors(options),
        allowBookmarks: true,
        timeoutSeconds: Math.round(tuning.watchSeconds * (1 + options.random())),
        ...(resourceVersion !== undefined && { resourceVersion }),
      },
      signal,
    )
    onEvent({ kind: 'watching', resourceVersion })
    const lived = () => clock.now() - startedAt >= shortestWatchMs
    let seen = false
    try {
      for await (const event of stream) {
        if (signal.aborted) return
        seen = true
        if (event.type === 'ERROR') throw watchFailure(event.object)
        if (event.type === 'DELETED') store.remove(event.object)
        else if (event.type !== 'BOOKMARK') store.upsert(transform(event.object))
        else if (isOlder(event.object.metadata.resourceVersion, position.resourceVersion)) {
          throw behind(event.object.metadata.resourceVersion)
        }
        advance(event.object)
      }
    } finally {
      if (lived()) failures = 0
      silent = !seen && clock.now() - startedAt >= bookmarksWithinMs
      onEvent({ kind: 'watchEnded' })
    }
    if (!lived() && !signal.aborted) await pause(new Error('the watch ended as soon as it had begun'), signal)
  }

  function advance({ metadata }: KubeObject): void {
    if (metadata.resourceVersion === undefined) return
    if (!isOlder(metadata.resourceVersion, position.resourceVersion))
      position.resourceVersion = metadata.resourceVersion
  }

  async function pause(error: unknown, signal: AbortSignal): Promise<void> {
    failures += 1
    const retryInMs = waitingTime(error, failures, tuning.backoff, options.random)
    onEvent({ kind: 'failed', error, attempt: failures, retryInMs })
    const level = failures > 2 || isApiError(error, 401) || isApiError(error, 403) ? 'warn' : 'debug'
    options.log[level]({ ...about, err: error, attempt: failures, retryInMs }, 'list or watch failed, trying again')
    await sleep(clock, retryInMs, signal)
  }

  return { run, position }
}

/** The server has not reached, or no longer knows, what was seen before: no answer of use, the next one may be better. */
class StaleServerError extends Error {
  override readonly name = 'StaleServerError'
}

function behind(resourceVersion: string | undefined): StaleServerError {
  return new StaleServerError(`the server is at version ${resourceVersion}, behind what was seen`)
}

/** An object that the transform fails on is kept as it is: one odd object must not stop all others. */
function forgiving<T extends KubeObject>(options: ReflectorOptions<T>, about: object): (object: T) => T {
  const { transform, log } = options
  if (!transform) return (object) => object
  return (object) => {
    try {
      return transform(object)
    } catch (error) {
      const { namespace, name } = object.metadata
      log.error({ ...about, namespace, name, err: error }, 'transform failed; the object is kept whole')
      return object
    }
  }
}

/** 410 and every refusal that is about our position rather than about time or rights. */
function mustRelist(error: unknown): boolean {
  if (error instanceof StaleServerError) return true
  if (!isApiError(error)) return false
  if ([401, 403, 408, 429].includes(error.code)) return false
  if (error.code >= 400 && error.code < 500) return true
  // The server has not reached our version (storage.NewTooLargeResourceVersionError): only a list can tell why.
  return error.status?.details?.causes?.some((cause) => cause.reason === 'ResourceVersionTooLarge') ?? false
}

/** Retry-After when the server gave one, plus up to a tenth so that clients don't come back all at once; otherwise backoff. */
function waitingTime(error: unknown, failures: number, backoff: Backoff, random: () => number): number {
  const asked = isApiError(error) ? error.retryAfterSeconds : undefined
  if (asked !== undefined && asked > 0) return Math.round(asked * 1000 * (1 + random() / 10))
  return backoffMs(backoff, failures, random)
}
