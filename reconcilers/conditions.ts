/** Conditions as a map by type: ours are written, those of others are carried over untouched. Pure. */
import type { Condition } from '../kube/objects.ts'

/** A condition before it is compared with the one that stands. */
export interface Finding {
  type: string
  status: Condition['status']
  reason: string
  message: string
}

/**
 * The list to write: `current` with `findings` put in and the types of `ours` that were not found taken out. lastTransitionTime moves only
 * when a status does. `generation` is left out where the kind has none (Service).
 */
export function mergeConditions(
  current: readonly Condition[] | undefined,
  findings: readonly Finding[],
  ours: readonly string[],
  now: string,
  generation?: number,
): Condition[] {
  const kept = (current ?? []).filter(({ type }) => !ours.includes(type))
  const own = findings.map((finding): Condition => {
    const before = conditionOf(current, finding.type)
    const lastTransitionTime = before?.status === finding.status ? before.lastTransitionTime : now
    return { ...finding, ...(generation === undefined ? {} : { observedGeneration: generation }), lastTransitionTime }
  })
  return [...kept, ...own]
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type)
}
