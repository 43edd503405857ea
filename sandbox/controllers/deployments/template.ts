/**
 * From a Deployment's Pod template to its hash and to Pods. Pods belong to the Deployment directly and carry
 * `pod-template-hash`: the sandbox has no ReplicaSets, a revision is the set of Pods with one hash. Pure.
 */
import type { Deployment, ObjectMeta, OwnerReference, Pod, PodTemplate } from '../../../kube/objects.ts'

export const templateHashLabel = 'pod-template-hash'

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** Equal for equal templates whatever the order of keys; FNV-1a in the alphabet of k8s.io/apimachinery/pkg/util/rand. */
export function templateHash(template: PodTemplate): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(canonical(template))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  }
  return String(hash)
    .split('')
    .map((digit) => alphabet[digit.charCodeAt(0) % alphabet.length])
    .join('')
}

/** A Pod of the Deployment's present template. */
export function podFor(deployment: Deployment): Pod {
  const { template } = deployment.spec
  return ownedPod(deployment, template, templateHash(template))
}

/** A Pod like `sibling`, for a paused Deployment that grows: its template may have moved on already. */
export function podLike(deployment: Deployment, sibling: Pod): Pod {
  const { nodeName: _, ...spec } = sibling.spec
  return ownedPod(deployment, { metadata: sibling.metadata, spec }, sibling.metadata.labels?.[templateHashLabel] ?? '')
}

export function ownerOf({ metadata: { name = '', uid = '' } }: Deployment): OwnerReference {
  return { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true }
}

function ownedPod(deployment: Deployment, template: PodTemplate, hash: string): Pod {
  const { name = '', namespace = '' } = deployment.metadata
  const { labels, annotations } = template.metadata ?? {}
  const metadata: ObjectMeta = {
    generateName: `${name}-${hash}-`,
    namespace,
    labels: { ...labels, [templateHashLabel]: hash },
    ownerReferences: [ownerOf(deployment)],
  }
  if (annotations !== undefined && Object.keys(annotations).length > 0) metadata.annotations = { ...annotations }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template.spec }
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined && member !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join()}}`
}
