/**
 * What becomes of an object, by the state of its owners: the rules of kube-controller-manager's garbage collector
 * (pkg/controller/garbagecollector, attemptToDeleteItem). Pure.
 */
import type { KubeObject, OwnerReference } from '../../../kube/objects.ts'

/** `waiting`: the owner is deleted in the foreground and waits for its dependents. `unknown`: nobody serves its kind. */
export type OwnerState = 'present' | 'absent' | 'waiting' | 'unknown'

export type Verdict =
  | { kind: 'keep' }
  | { kind: 'remove'; propagationPolicy: 'Foreground' | 'Background' | 'Orphan' }
  /** Another owner keeps it: only the references to owners that are going or gone are taken off. */
  | { kind: 'release'; ownerReferences: OwnerReference[] }

export const foregroundFinalizer = 'foregroundDeletion'
export const orphanFinalizer = 'orphan'

export function verdict(
  object: KubeObject,
  stateOf: (owner: OwnerReference) => OwnerState,
  hasDependents: boolean,
): Verdict {
  const owners = object.metadata.ownerReferences ?? []
  const states = owners.map(stateOf)
  const count = (state: OwnerState) => states.filter((one) => one === state).length
  if (count('absent') + count('waiting') === 0) return { kind: 'keep' }
  if (count('present') + count('unknown') > 0) {
    const keeps = (_: OwnerReference, index: number) => states[index] === 'present' || states[index] === 'unknown'
    return { kind: 'release', ownerReferences: owners.filter(keeps) }
  }
  if (count('waiting') > 0 && hasDependents) return { kind: 'remove', propagationPolicy: 'Foreground' }
  return { kind: 'remove', propagationPolicy: propagationOf(object) }
}

function propagationOf({ metadata: { finalizers = [] } }: KubeObject): 'Foreground' | 'Background' | 'Orphan' {
  if (finalizers.includes(orphanFinalizer)) return 'Orphan'
  return finalizers.includes(foregroundFinalizer) ? 'Foreground' : 'Background'
}

/** A deletion that waits for us to deal with the dependents first. */
export function pendingDeletion({ metadata }: KubeObject): 'foreground' | 'orphan' | undefined {
  if (metadata.deletionTimestamp === undefined) return undefined
  if (metadata.finalizers?.includes(foregroundFinalizer)) return 'foreground'
  return metadata.finalizers?.includes(orphanFinalizer) ? 'orphan' : undefined
}

/** Whether the dependent holds up the foreground deletion of the owner with this UID. */
export function blocks(dependent: KubeObject, uid: string): boolean {
  return (dependent.metadata.ownerReferences ?? []).some(
    (owner) => owner.uid === uid && owner.blockOwnerDeletion === true,
  )
}
