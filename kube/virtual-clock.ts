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
  /** Undefined once cancelled; the timer then leaves the heap when its time comes. */
  run: (() => void) | undefined
}

export function createVirtualClock(start = Date.parse('2026-01-01T00:00:00Z')): VirtualClock {
  const timers: Timer[] = []
  let pending = 0
  let elapsed = 0
  let epoch = start
  let order = 0

  /** The first timer until `limit`, taken out of the heap. */
  const takeDue = (limit: number): Timer | undefined => {
    for (let first = timers[0]; first && first.at <= limit; first = timers[0]) {
      pop(timers)
      if (first.run) return first
    }
    return undefined
  }

  return {
    now: () => epoch + elapsed,
    after(ms, run) {
      // Whole milliseconds, as a real clock shows them.
      const timer: Timer = { at: elapsed + Math.max(0, Math.ceil(ms)), order: order++, run }
      push(timers, timer)
      pending += 1
      return () => {
        if (timer.run) pending -= 1
        timer.run = undefined
      }
    },
    async advance(ms) {
      const limit = elapsed + ms
      await settled()
      for (let timer = takeDue(limit); timer; timer = takeDue(limit)) {
        const { run } = timer
        timer.run = undefined
        pending -= 1
        elapsed = timer.at
        run?.()
        await settled()
      }
      elapsed = limit
    },
    jump(ms) {
      epoch += ms
    },
    get pending() {
      return pending
    },
  }
}

/** Resolves when promises and what they started in this turn have run. Answers from a socket take longer. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** A binary heap, since simulations have tens of thousands of timers. */
function push(heap: Timer[], timer: Timer): void {
  let at = heap.length
  while (at > 0) {
    const parent = heap[(at - 1) >> 1]
    if (!parent || !isBefore(timer, parent)) break
    heap[at] = parent
    at = (at - 1) >> 1
  }
  heap[at] = timer
}

function pop(heap: Timer[]): void {
  const last = heap.pop()
  if (!last || heap.length === 0) return
  let at = 0
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
    const child = right && left && isBefore(right, left) ? right : left
    if (!child || !isBefore(child, last)) break
    heap[at] = child
    at = child === left ? 2 * at + 1 : 2 * at + 2
  }
  heap[at] = last
}
