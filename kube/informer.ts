/** A reflector and its cache as one thing: the cache is complete from `synced` on and follows the API server until `stop`. */
import { type Cache, createCache, type Indexes } from './cache.ts'
import type { KubeObject } from './objects.ts'
import { createReflector, type ReflectorOptions } from './reflector.ts'
import { isOlder } from './resource-version.ts'

export interface InformerOptions<T extends KubeObject> extends Omit<ReflectorOptions<T>, 'store'> {
  indexes?: Indexes<T> | undefined
  /** Stops the informer too. */
  signal?: AbortSignal | undefined
}

export interface Informer<T extends KubeObject> {
  readonly cache: Cache<T>
  /** Resolves when the first list is in the cache. It never rejects, and stays pending when stopped before that. */
  readonly synced: Promise<void>
  readonly hasSynced: boolean
  /**
   * Puts the answer of our own write into the cache at once, unless the watch has already passed it: the next look at the
   * cache then reads our own writes. The object goes through the transform.
   */
  learn(object: T): void
  /** Resolves when the last request is closed. May be called again. */
  stop(): Promise<void>
}

export function startInformer<T extends KubeObject>(options: InformerOptions<T>): Informer<T> {
  const { log, type, signal } = options
  const cache = createCache<T>({
    indexes: options.indexes,
    onListenerError: (error, { kind, key }) =>
      log.error({ resource: type.plural, key, change: kind, error }, 'a cache listener failed'),
  })
  const first = Promise.withResolvers<void>()
  let hasSynced = false
  const reflector = createReflector({
    ...options,
    store: cache,
    onEvent(event) {
      if (event.kind === 'listed' && !hasSynced) {
        hasSynced = true
        first.resolve()
      }
      options.onEvent?.(event)
    },
  })
  const own = new AbortController()
  const stopWithSignal = () => own.abort()
  if (signal?.aborted) own.abort()
  signal?.addEventListener('abort', stopWithSignal, { once: true })
  const running = reflector.run(own.signal).finally(() => signal?.removeEventListener('abort', stopWithSignal))

  return {
    cache,
    synced: first.promise,
    get hasSynced() {
      return hasSynced
    },
    learn(object) {
      const passed = reflector.position.resourceVersion
      if (!isOlder(passed, object.metadata.resourceVersion)) return
      cache.upsert(options.transform ? options.transform(object) : object)
    },
    async stop() {
      own.abort()
      await running
    },
  }
}
