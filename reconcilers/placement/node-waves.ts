/**
 * When which placements follow a change of nodes. A few at once: all of them. Many: calls are scarce, and a wave over all of them that the next
 * node overtakes is wasted, so a few go ahead and the others when no node has come for a moment, or after the longest hold.
 */
import type { Clock } from '../../kube/clock.ts'

export interface NodeWavesOptions {
  clock: Clock
  /** Another change of nodes is being collected. */
  collecting: () => boolean
  keys: (cloud: string) => Iterable<string>
  wake: (cloud: string, key: string) => void
}

export interface NodeWaves {
  /** The cloud's set of nodes has changed. */
  start(cloud: string): void
  stop(): void
}

/** So many are one burst of calls for any cloud. */
const atOnce = 18
/** Of many: enough to notice within seconds that a change does not work. */
const ahead = 3
/** After a window of a second: longer than the three seconds in which autoscalers' machines come one after the other. */
const restMs = 2200
const longestHoldMs = 45_000

export function createNodeWaves({ clock, collecting, keys, wake }: NodeWavesOptions): NodeWaves {
  const held = new Map<string, { since: number; cancel: () => void }>()
  const release = (cloud: string) => {
    const hold = held.get(cloud)
    if (hold === undefined) return
    if (collecting() && clock.now() - hold.since < longestHoldMs) {
      // Either the collected change starts this anew, or it was none.
      hold.cancel = clock.after(restMs / 4, () => release(cloud))
      return
    }
    held.delete(cloud)
    for (const key of keys(cloud)) wake(cloud, key)
  }
  return {
    start(cloud) {
      const all = [...keys(cloud)]
      const hold = held.get(cloud)
      hold?.cancel()
      const since = hold?.since ?? clock.now()
      const many = all.length > atOnce && clock.now() - since < longestHoldMs
      for (const key of many ? all.slice(0, ahead) : all) wake(cloud, key)
      if (many) held.set(cloud, { since, cancel: clock.after(restMs, () => release(cloud)) })
      else held.delete(cloud)
    },
    stop() {
      for (const { cancel } of held.values()) cancel()
      held.clear()
    },
  }
}
