/** Workers on a key queue: the loop around a reconciler, written once. */
import type { Backoff } from './backoff.ts'
import type { KeyQueue } from './queue.ts'

/** Nothing: done. `afterMs`: look again then. `retryMs` (or an error thrown): a failure, backoff counts (`pace`: one of its own), wait at least so long. */
export type WorkResult = { afterMs: number } | { retryMs: number; pace?: Partial<Backoff> } | undefined | void

export interface WorkerOptions {
  queue: KeyQueue
  workers: number
  /** The signal aborts when the workers are told to stop. */
  work: (key: string, signal: AbortSignal) => Promise<WorkResult>
  signal: AbortSignal
  /** Work that threw; the key is tried again whatever this does. */
  onError: (key: string, error: unknown) => void
}

/** Works until the signal aborts, then closes the queue and resolves when the last worker has put its key down. Never rejects. */
export async function runWorkers(options: WorkerOptions): Promise<void> {
  const { queue, signal } = options
  const close = () => queue.close()
  if (signal.aborted) close()
  signal.addEventListener('abort', close, { once: true })
  await Promise.all(Array.from({ length: options.workers }, () => workOn(options)))
  signal.removeEventListener('abort', close)
}

async function workOn({ queue, work, signal, onError }: WorkerOptions): Promise<void> {
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    try {
      const result = await work(key, signal)
      if (result && 'retryMs' in result) {
        queue.retry(key, result.retryMs, result.pace)
      } else {
        queue.forget(key)
        if (result) queue.addAfter(key, result.afterMs)
      }
    } catch (error) {
      queue.retry(key)
      if (!signal.aborted) onError(key, error)
    } finally {
      queue.done(key)
    }
  }
}
