/**
 * How a node proxy waits between attempts to reach the API server: never more than 2 s, so that a server that is back is noticed within 3 s.
 * A thousand nodes with four watches each then ask some 2,500 times a second while it is away, one refused connection each; a server
 * that is there and busy says so (429, Retry-After), which is obeyed.
 */
import type { Backoff } from '../kube/backoff.ts'

export const apiBackoff: Backoff = { initialMs: 200, maxMs: 1600, factor: 2, jitter: 0.5 }
