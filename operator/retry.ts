/**
 * The one retry layer for cloud calls, as a function around a provider: short, for what passes within seconds. Longer waits belong to the
 * queues, where a key waits alone and no worker is held up. p-retry counts; the waiting is on the injected clock.
 */
import pRetry from 'p-retry'
import { backoffMs } from '../kube/backoff.ts'
import { sleep } from '../kube/clock.ts'
import type { Clock } from '../kube/clock.ts'
import { CloudError } from '../providers/contract.ts'
import type { CloudErrorKind, Provider } from '../providers/contract.ts'

export interface RetryOptions {
  clock: Clock
  random: () => number
  /** Tries after the first. */
  retries?: number
}

const backoff = { initialMs: 200, maxMs: 2000, factor: 2, jitter: 1 }
/** Kinds that may have passed within seconds. */
const passing: ReadonlySet<CloudErrorKind> = new Set(['unavailable', 'throttled', 'not-visible'])
/** A Retry-After longer than this is for the queue. */
const longestWaitMs = 2000

export function withRetry(provider: Provider, { clock, random, retries = 2 }: RetryOptions): Provider {
  const persistently = <T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> =>
    pRetry(call, {
      retries,
      signal,
      minTimeout: 0,
      async shouldRetry({ error, attemptNumber }) {
        if (!(error instanceof CloudError)) return false
        const asked = (error.retryAfterSeconds ?? 0) * 1000
        if (!passing.has(error.kind) || asked > longestWaitMs) return false
        await sleep(clock, Math.max(asked, backoffMs(backoff, attemptNumber, random)), signal)
        return !signal.aborted
      },
    })
  const { documents } = provider
  return {
    ...provider,
    observe: (target, signal) => persistently(signal, () => provider.observe(target, signal)),
    execute: (step, signal) => persistently(signal, () => provider.execute(step, signal)),
    ...(documents
      ? { documents: (cluster: string, signal: AbortSignal) => persistently(signal, () => documents(cluster, signal)) }
      : {}),
  }
}
