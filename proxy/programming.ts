/**
 * Network programming latency: from the change that made the control plane write an EndpointSlice (the annotation
 * endpoints.kubernetes.io/last-change-trigger-time) to the rules for it being in the kernel. Changes from before this process, and
 * slices that come again unchanged, are not measured. No I/O; time comes in.
 */
import type { Clock } from '../kube/clock.ts'
import type { EndpointSlice } from '../kube/objects.ts'
import type { Family } from './rules/addresses.ts'

const annotation = 'endpoints.kubernetes.io/last-change-trigger-time'

export interface Programming {
  /** Before the slice is trimmed to `kept`, which has no annotations. */
  noted(slice: EndpointSlice, kept: EndpointSlice): EndpointSlice
  /** The cache has `after` now. */
  changed(before: EndpointSlice | undefined, after: EndpointSlice | undefined): void
  /** All changes so far are in the batch that is being written. */
  settled(): void
  wrote(): void
}

interface Waiting {
  family: Family
  trigger: number
}

export function createProgramming(clock: Clock, observe: (family: Family, seconds: number) => void): Programming {
  const startedAt = clock.now()
  const triggers = new WeakMap<EndpointSlice, number>()
  let waiting: Waiting[] = []
  let inBatch: Waiting[] = []
  return {
    noted(slice, kept) {
      const trigger = Date.parse(slice.metadata.annotations?.[annotation] ?? '')
      if (trigger > startedAt) triggers.set(kept, trigger)
      return kept
    },
    changed(before, after) {
      const trigger = after && triggers.get(after)
      if (after === undefined || trigger === undefined || (before && triggers.get(before) === trigger)) return
      waiting.push({ family: after.addressType === 'IPv6' ? 'ip6' : 'ip', trigger })
    },
    settled() {
      inBatch.push(...waiting)
      waiting = []
    },
    wrote() {
      for (const { family, trigger } of inBatch) observe(family, Math.max(0, clock.now() - trigger) / 1000)
      inBatch = []
    },
  }
}
