/**
 * The only place that decides order: the steps that lead from what is observed to what is wanted.
 * Pure and deterministic: the order of its inputs does not matter, equal inputs give no step. It may be called again at any point of
 * an interrupted run; what has been done already is seen in `observed` and not planned again.
 */
import type { Provider, Resource, Step } from './contract.ts'
import { slowRemoval } from './drain.ts'
import type { Draining, DrainTime } from './drain.ts'
import { jsonEqual } from './json-equal.ts'

/** What stands between the cloud and the wanted state. */
export interface Progress {
  /** In the order to execute them. Empty when nothing differs, or when the cloud has to finish something first. */
  steps: Step[]
  /** Resources the cloud is still working on: pending ones that are wanted, and ones being deleted. */
  waiting: Resource[]
  /** Everything that is not wanted and may go, dependents first: those that `steps` deletes, and those that stay until something has drained. */
  leaving: Resource[]
  /** Objects that stay until established connections have run out. */
  draining: Draining[]
}

/** A provider's `refine`, when it has one. */
type Refine = Provider['refine']

/** Steps from `observed` to `desired`: creates along `needs`, deletes against them, replacement before removal. Empty when equal. */
export function plan(
  desired: readonly Resource[],
  observed: readonly Resource[],
  refine?: Refine,
  time?: DrainTime,
): Step[] {
  return progress(desired, observed, refine, time).steps
}

/**
 * The plan together with what has to be waited for. Rules, beside those of `plan`:
 * - A difference in `kind` or `immutable` is a replacement: the new object is created under the same key, everything kept that needs it is
 *   updated (so that it points at the new one), and the old object is deleted last, not while the new one is pending.
 * - While an object of a wanted key is being deleted and there is no other, nothing is created under that key, nor what needs it.
 * - What an object that is being deleted needs is not deleted before it is gone.
 * - An object that drains outlives what led connections to it by its drain time, and so does everything else that goes: drain.ts. Without
 *   `time` nothing waits.
 */
export function progress(
  desired: readonly Resource[],
  observed: readonly Resource[],
  refine?: Refine,
  time?: DrainTime,
): Progress {
  const wanted = inOrder(desired)
  const seen = byKey(observed)
  const kept = new Map<string, Resource>()
  for (const want of wanted) {
    const best = bestMatch(want, seen.get(want.key) ?? [])
    if (best !== undefined) kept.set(want.key, best)
  }
  const surplus = observed.filter((resource) => kept.get(resource.key) !== resource)
  const replaced = replacedKeys(wanted, surplus)
  const blocked = blockedKeys(wanted, kept, surplus)

  const steps: Step[] = []
  for (const want of wanted) {
    const current = kept.get(want.key)
    if (current === undefined) {
      if (!blocked.has(want.key)) steps.push({ verb: 'create', resource: want })
    } else if (
      refine !== undefined ||
      !jsonEqual(want.mutable, current.mutable) ||
      (want.drain?.seconds ?? 0) !== (current.drain?.seconds ?? 0) ||
      current.drain?.since !== undefined ||
      want.needs.some((need) => replaced.has(need))
    ) {
      steps.push({ verb: 'update', resource: want, from: current })
    }
  }
  const leaving = removable(surplus, kept)
  const removal = slowRemoval(leaving, surplus, time)
  steps.push(...removal.steps)

  const waiting = [
    ...[...kept.values()].filter((resource) => resource.state === 'pending'),
    ...surplus.filter((resource) => resource.state === 'deleting'),
  ]
  return { steps: refine === undefined ? steps : [...refine(steps)], waiting, leaving, draining: removal.draining }
}

/** The observed object that already is the wanted one, up to its mutable part. */
function bestMatch(want: Resource, candidates: readonly Resource[]): Resource | undefined {
  return candidates
    .filter((seen) => seen.state !== 'deleting' && seen.kind === want.kind && jsonEqual(seen.immutable, want.immutable))
    .toSorted((a, b) => preference(want, b) - preference(want, a) || compare(a.id ?? '', b.id ?? ''))[0]
}

function preference(want: Resource, seen: Resource): number {
  return (seen.state === 'ready' ? 2 : 0) + (jsonEqual(seen.mutable, want.mutable) ? 1 : 0)
}

/** Keys of which an older object, with another kind or immutable part, still stands. */
function replacedKeys(wanted: readonly Resource[], surplus: readonly Resource[]): Set<string> {
  const keys = new Set(wanted.map((want) => want.key))
  return new Set(surplus.filter(({ key, state }) => state !== 'deleting' && keys.has(key)).map(({ key }) => key))
}

/** Keys that cannot be created yet: an object of that key is being deleted with no other left, or a needed key is blocked. */
function blockedKeys(
  wanted: readonly Resource[],
  kept: ReadonlyMap<string, Resource>,
  surplus: readonly Resource[],
): Set<string> {
  const blocked = new Set<string>()
  for (const want of wanted) {
    if (kept.has(want.key)) continue
    const same = surplus.filter((resource) => resource.key === want.key)
    const going = same.length > 0 && same.every((resource) => resource.state === 'deleting')
    if (going || want.needs.some((need) => blocked.has(need))) blocked.add(want.key)
  }
  return blocked
}

/** The surplus that may be deleted now, dependents first. An old object outlives its replacement's pending state. */
function removable(surplus: readonly Resource[], kept: ReadonlyMap<string, Resource>): Resource[] {
  const result: Resource[] = []
  const held = new Set<string>()
  for (const resource of inOrder(surplus).toReversed()) {
    const replacementPending = kept.get(resource.key)?.state === 'pending'
    if (resource.state === 'deleting' || replacementPending || held.has(resource.key)) {
      for (const need of resource.needs) held.add(need)
    } else {
      result.push(resource)
    }
  }
  return result
}

/** Topological order along `needs`; ties by key, then id. What stands in a cycle follows in key order. */
function inOrder(resources: readonly Resource[]): Resource[] {
  const sorted = resources.toSorted((a, b) => compare(a.key, b.key) || compare(a.id ?? '', b.id ?? ''))
  const groups = byKey(sorted)
  const result: Resource[] = []
  const visited = new Set<string>()
  const visit = (key: string) => {
    if (visited.has(key)) return
    visited.add(key)
    const group = groups.get(key) ?? []
    for (const resource of group) for (const need of [...resource.needs].sort(compare)) visit(need)
    result.push(...group)
  }
  for (const key of groups.keys()) visit(key)
  return result
}

function byKey(resources: readonly Resource[]): Map<string, Resource[]> {
  const groups = new Map<string, Resource[]>()
  for (const resource of resources) {
    const group = groups.get(resource.key)
    if (group === undefined) groups.set(resource.key, [resource])
    else group.push(resource)
  }
  return groups
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
