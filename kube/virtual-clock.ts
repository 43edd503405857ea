/**
 * Time that passes only when told to: for unit tests and simulations. Timers run in the order of their times, and between two
 * of them everything that is ready (promises, immediates) gets its turn.
 */
import type { Clock } from './clock.ts'

export interface VirtualClock extends Clock {
  /** Lets `ms` pass. */
  advance(ms: number): Promise<void>
  /** Moves `now` without letting time pass, as an operator who sets the clock does: timers keep their waiting times. */
  jump(ms: number): void
  /** Timers that wait; a component that was stopped leaves none behind. */
  readonly pending: number
}

interface Timer {
  at: number
  order: number
  run: () => void
}

export function createVirtualClock(start = Date.parse('2026-01-01T00:00:00Z')): VirtualClock {
  const timers = new Set<Timer>()
  let elapsed = 0
  let epoch = start
  let order = 0

  const nextBefore = (limit: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.at > limit) continue
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer
    }
    return first
  }

  return {
    now: () => epoch + elapsed,
    after(ms, run) {
      const timer = { at: elapsed + Math.max(0, ms), order: order++, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const limit = elapsed + ms
      await settled()
      for (let timer = nextBefore(limit); timer; timer = nextBefore(limit)) {
        timers.delete(timer)
        elapsed = timer.at
        timer.run()
        await settled()
      }
      elapsed = limit
    },
    jump(ms) {
      epoch += ms
    },
    get pending() {
      return timers.size
    },
  }
}

/** Resolves when promises and what they started in this turn have run. Network answers need more turns: use `until` for them. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
