/** Exponential waiting times with jitter; the random source is an argument. */
export interface Backoff {
  initialMs: number
  maxMs: number
  factor: number
  /** 0.5 spreads the waiting time evenly over 75 to 125 percent. */
  jitter: number
}

/** Milliseconds to wait before try number `attempt` + 1, after `attempt` failures in a row (1 or more). */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number): number {
  const wait = Math.min(backoff.maxMs, backoff.initialMs * backoff.factor ** (Math.max(1, attempt) - 1))
  return Math.round(wait * (1 + backoff.jitter * (random() - 0.5)))
}
