/**
 * Which Pods a Deployment has, takes in and lets go (pkg/controller/controller_ref_manager.go): Pods that stopped matching
 * the selector are released and replaced, matching ones that an orphaning deletion left behind are adopted. Pure.
 * A Pod without `pod-template-hash` was made by hand and is never adopted.
 */
import type { Deployment, OwnerReference, Pod } from '../../../kube/objects.ts'
import { matchesSelector } from '../labels.ts'
import { ownerOf, templateHashLabel } from './template.ts'

export interface Claims {
  owned: Pod[]
  adopt: Pod[]
  release: Pod[]
}

/** `pods` are those of the Deployment's namespace. */
export function claims(deployment: Deployment, pods: readonly Pod[]): Claims {
  const found: Claims = { owned: [], adopt: [], release: [] }
  const mayAdopt = deployment.metadata.deletionTimestamp === undefined
  for (const pod of pods) {
    const controller = controllerOf(pod)
    const matches = matchesSelector(deployment.spec.selector, pod.metadata.labels)
    const leaving = pod.metadata.deletionTimestamp !== undefined
    if (controller?.uid === deployment.metadata.uid) {
      if (matches || leaving) found.owned.push(pod)
      else found.release.push(pod)
    } else if (controller === undefined && matches && !leaving && mayAdopt) {
      if (pod.metadata.labels?.[templateHashLabel] !== undefined) found.adopt.push(pod)
    }
  }
  return found
}

/** The owner references after an adoption or a release. */
export function adoptedBy(deployment: Deployment, { metadata }: Pod): OwnerReference[] {
  return [...(metadata.ownerReferences ?? []), ownerOf(deployment)]
}

export function releasedBy(deployment: Deployment, { metadata }: Pod): OwnerReference[] {
  return (metadata.ownerReferences ?? []).filter(({ uid }) => uid !== deployment.metadata.uid)
}

export function controllerOf({ metadata }: Pod): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)
}
