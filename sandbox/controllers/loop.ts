/**
 * The loop of every controller: changes put keys into a queue, workers bring what a key names into its wanted state.
 * Level-triggered: only the key comes in, the present state is read when its turn comes, failures come back with backoff.
 * A conflict or a vanished object is no failure worth a line: the change behind it is on its way.
 */
import { isApiError } from '../../kube/client.ts'
import { createKeyQueue } from '../../kube/queue.ts'
import { runWorkers, type WorkResult } from '../../kube/workers.ts'
import type { Surroundings } from './world.ts'

type Reconcile = (key: string, signal: AbortSignal) => Promise<WorkResult>

export interface Loop {
  add(key: string): void
  /** What to do with a key; said once, before `start`. */
  reconcileWith(reconcile: Reconcile): void
  /** Begins to work on the keys, also those that were added before. */
  start(): void
  stop(): Promise<void>
}

export function createLoop(name: string, { clock, random, log }: Surroundings, workers = 2): Loop {
  const queue = createKeyQueue({ clock, random, backoff: { initialMs: 10, maxMs: 30_000 } })
  const stopping = new AbortController()
  let work: Reconcile = () => Promise.resolve()
  let running: Promise<void> = Promise.resolve()
  return {
    add: (key) => queue.add(key),
    reconcileWith(reconcile) {
      work = reconcile
    },
    start() {
      running = runWorkers({
        queue,
        workers,
        work,
        signal: stopping.signal,
        onError(key, error) {
          if (isPassing(error)) log.debug({ controller: name, key, err: error }, 'will retry')
          else log.warn({ controller: name, key, err: error }, 'reconcile failed, will retry')
        },
      })
    },
    async stop() {
      stopping.abort()
      queue.close()
      await running
    },
  }
}

/** Somebody else was faster, or the namespace is on its way out. */
function isPassing(error: unknown): boolean {
  if (isApiError(error, 409) || isApiError(error, 404)) return true
  const causes = isApiError(error, 403) ? (error.status?.details?.causes ?? []) : []
  return causes.some(({ reason }) => reason === 'NamespaceTerminating')
}
