/**
 * The call budget of one cloud as a function around its provider: a token bucket on the injected clock. A throttle answer halves the rate,
 * each quiet ten seconds give a tenth of it back; Retry-After stops everything for its time. Reads and writes have a bucket each.
 */
import { sleep } from '../kube/clock.ts'
import type { Clock } from '../kube/clock.ts'
import { CloudError } from '../providers/contract.ts'
import type { Provider } from '../providers/contract.ts'
import type { Bucket, Pace } from '../providers/pacing.ts'

export interface BudgetOptions extends Pace {
  clock: Clock
}

const recoverMs = 10_000
const slowest = 1 / 16

export function createBucket({ clock, perSecond, burst }: BudgetOptions): Bucket {
  let tokens = burst
  let filledAt = clock.now()
  let share = 1
  let slowedAt = clock.now()
  let closedUntil = 0
  let line: Promise<void> = Promise.resolve()

  const refill = () => {
    const now = clock.now()
    const recovered = Math.floor((now - slowedAt) / recoverMs)
    if (share < 1 && recovered > 0) {
      share = Math.min(1, share + 0.1 * recovered)
      slowedAt = now
    }
    tokens = Math.min(Math.max(1, burst * share), tokens + ((now - filledAt) / 1000) * perSecond * share)
    filledAt = now
  }
  const take = async (signal: AbortSignal) => {
    for (;;) {
      refill()
      const wait = Math.max(closedUntil - clock.now(), tokens >= 1 ? 0 : ((1 - tokens) / (perSecond * share)) * 1000)
      if (wait <= 0 || signal.aborted) break
      await sleep(clock, Math.ceil(wait), signal)
    }
    tokens -= 1
  }
  return {
    take(signal) {
      const turn = line.then(() => take(signal))
      line = turn
      return turn
    },
    throttled(retryAfterSeconds) {
      refill()
      share = Math.max(slowest, share / 2)
      slowedAt = clock.now()
      tokens = Math.min(tokens, 0)
      if (retryAfterSeconds !== undefined) closedUntil = Math.max(closedUntil, clock.now() + retryAfterSeconds * 1000)
    },
  }
}

/** The same provider, within a budget. */
export function withBudget(provider: Provider, options: BudgetOptions): Provider {
  const reads = createBucket(options)
  const writes = createBucket(options)
  const within = async <T>(bucket: Bucket, signal: AbortSignal, call: () => Promise<T>): Promise<T> => {
    await bucket.take(signal)
    signal.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      if (error instanceof CloudError && error.kind === 'throttled') bucket.throttled(error.retryAfterSeconds)
      throw error
    }
  }
  const { documents } = provider
  return {
    ...provider,
    observe: (target, signal) => within(reads, signal, () => provider.observe(target, signal)),
    execute: (step, signal) => within(writes, signal, () => provider.execute(step, signal)),
    async *owners(cluster, signal) {
      await reads.take(signal)
      yield* provider.owners(cluster, signal)
    },
    ...(documents ? { documents: (cluster, signal) => within(reads, signal, () => documents(cluster, signal)) } : {}),
  }
}
