/** Waiting in real time for something to become true, with a bound and a word on what was seen last. */
import { setTimeout as pause } from 'node:timers/promises'

const lookMs = 50

/**
 * Resolves with the first answer that is neither undefined nor false. Throws after `seconds` with `what` and, when given, what `seen`
 * tells about the present state.
 */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  { seconds = 30, seen = async () => '' }: { seconds?: number; seen?: () => Promise<string> | string } = {},
): Promise<T> {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const answer = await check()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}\n${await seen()}`)
    await pause(lookMs)
  }
}

/** Resolves when `count` has kept its value for `quietMs`. */
export async function untilQuiet(count: () => number, quietMs: number, seconds = 60): Promise<void> {
  const end = performance.now() + seconds * 1000
  let value = count()
  let since = performance.now()
  while (performance.now() - since < quietMs) {
    if (performance.now() > end) throw new Error(`not quiet within ${seconds} s; the count stands at ${count()}`)
    await pause(lookMs)
    const now = count()
    if (now !== value) since = performance.now()
    value = now
  }
}
