/**
 * A KubeClient for tests of what lists and watches: the test decides each answer. Every request is recorded, and every watch
 * says whether it was closed, so that a leak is seen.
 */
import type { KubeClient, ListOptions, WatchEvent, WatchOptions } from './client.ts'
import type { KubeList, KubeObject } from './objects.ts'

interface ScriptedWatch {
  readonly options: WatchOptions
  readonly closed: boolean
  push(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR', object: object): void
  /** The server ends the stream. */
  end(): void
  /** The connection breaks. */
  fail(error: Error): void
}

export interface ScriptedClient extends KubeClient {
  readonly lists: ListOptions[]
  readonly watches: ScriptedWatch[]
}

export interface Script {
  /** Answer to list number `call` (from 0); an error is thrown, a promise that stays pending hangs until the abort. */
  list: (call: number, options: ListOptions) => Promise<KubeList<KubeObject>> | KubeList<KubeObject> | Error
  /** Refusal of watch number `call`. */
  watch?: (call: number, options: WatchOptions) => Error | undefined
}

export function scriptedClient(script: Script): ScriptedClient {
  const lists: ListOptions[] = []
  const watches: ScriptedWatch[] = []
  const refuse = () => Promise.reject(new Error('the script has no writes'))
  return {
    lists,
    watches,
    async list(_type, _namespace, options = {}, signal) {
      lists.push(options)
      const answer = await untilAborted(Promise.resolve(script.list(lists.length - 1, options)), signal)
      if (answer instanceof Error) throw answer
      return structuredClone(answer) as KubeList<never>
    },
    async *watch(_type, _namespace, options = {}, signal) {
      const refused = script.watch?.(watches.length, options)
      const watch = openWatch(options, signal)
      watches.push(watch.control)
      try {
        if (refused) throw refused
        yield* watch.events() as AsyncGenerator<never>
      } finally {
        watch.close()
      }
    },
    get: refuse,
    create: refuse,
    replace: refuse,
    patch: refuse,
    remove: refuse,
  }
}

function untilAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return answer
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([answer, aborted.promise]).finally(() => signal.removeEventListener('abort', abort))
}

type Next = { event: WatchEvent<KubeObject> } | { error: Error } | 'end'

function openWatch(options: WatchOptions, signal: AbortSignal | undefined) {
  const waiting: Next[] = []
  let closed = false
  let wake = () => {}
  const put = (next: Next) => {
    waiting.push(next)
    wake()
  }
  const abort = () => put('end')
  signal?.addEventListener('abort', abort, { once: true })
  const control: ScriptedWatch = {
    options,
    get closed() {
      return closed
    },
    push: (type, object) => put({ event: structuredClone({ type, object }) as WatchEvent<KubeObject> }),
    end: () => put('end'),
    fail: (error) => put({ error }),
  }
  return {
    control,
    close() {
      closed = true
      signal?.removeEventListener('abort', abort)
    },
    async *events() {
      for (;;) {
        const next = waiting.shift()
        if (next === 'end' || signal?.aborted) return
        if (next && 'error' in next) throw next.error
        if (next) yield next.event
        else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    },
  }
}

/** An object of one version, and a list of such: just enough for a cache. */
export function versioned(name: string, resourceVersion: number, uid = `uid-${name}`): KubeObject {
  return { metadata: { namespace: 'default', name, uid, resourceVersion: String(resourceVersion) } }
}

export function listOf(resourceVersion: number, items: KubeObject[], more?: string): KubeList<KubeObject> {
  return { metadata: { resourceVersion: String(resourceVersion), ...(more && { continue: more }) }, items }
}
