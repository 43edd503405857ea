/**
 * Delete: preconditions, finalizers, propagation policy, and the grace period of Pods.
 * Source: k8s.io/apiserver/pkg/registry/rest/delete.go, registry/generic/registry/store.go, pkg/registry/core/pod/strategy.go.
 */
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { type ApiContext, timestamp } from './context.ts'
import { type Entry, makeEntry } from './entry.ts'
import { conflict } from './failure.ts'
import { clone, equal } from './json.ts'
import { assertNamespaceMayGo, holdsNamespace, markTerminating } from './namespaces.ts'
import type { Resource } from './resource.ts'
import { invalid, notSupported } from './strategies/field-error.ts'
import { invalidFailure } from './strategies/status-failure.ts'
import { removeFrom } from './writes.ts'

export interface DeleteOptions {
  uid?: string | undefined
  resourceVersion?: string | undefined
  gracePeriodSeconds?: number | undefined
  propagationPolicy?: string | undefined
  orphanDependents?: boolean | undefined
  dryRun: boolean
}

export interface Deleted {
  entry: Entry
  /** False while finalizers or a grace period keep it. */
  gone: boolean
}

export function remove(context: ApiContext, resource: Resource, old: Entry, options: DeleteOptions): Deleted {
  const { type } = resource.kind
  if (type.plural === 'namespaces' && type.group === '') assertNamespaceMayGo(old.name)
  checkPreconditions(resource, old, options)
  const object = clone(old.object)
  const { metadata } = object
  applyPropagation(object, options)
  for (const prepare of context.beforeDelete) prepare(resource, object)
  const grace = graceOf(resource, object, options)
  const first = metadata.deletionTimestamp === undefined
  const isNamespace = type.plural === 'namespaces' && type.group === ''
  const held = (metadata.finalizers?.length ?? 0) > 0 || (isNamespace && holdsNamespace(object))
  const isPod = type.plural === 'pods' && type.group === ''
  if (!held && grace === 0 && !isPod) {
    if (options.dryRun) return { entry: old, gone: true }
    return { entry: removeFrom(context, resource, old), gone: true }
  }
  const now = context.clock.now()
  if (first) {
    metadata.deletionTimestamp = timestamp(now + grace * 1000)
    // Namespaces and CustomResourceDefinitions have a storage of their own that sets nothing else.
    if (!isNamespace && type.plural !== 'customresourcedefinitions') {
      metadata.deletionGracePeriodSeconds = grace
      if (metadata.generation !== undefined && metadata.generation > 0) metadata.generation += 1
    }
    if (isNamespace) markTerminating(object)
  } else {
    shorten(object, old, grace)
  }
  if (!held && grace === 0) {
    const last = makeEntry(object, old.version)
    return { entry: options.dryRun ? last : removeFrom(context, resource, last), gone: true }
  }
  if (equal(object, old.object)) return { entry: old, gone: false }
  if (options.dryRun) return { entry: makeEntry(object, old.version), gone: false }
  const entry = resource.collection.put(object)
  for (const tell of context.afterWrite) tell(resource, entry.object, false)
  return { entry, gone: false }
}

function checkPreconditions(resource: Resource, old: Entry, options: DeleteOptions): void {
  const { type: served } = resource.kind
  const type = { group: served.group, plural: served.kind }
  const { uid, resourceVersion } = old.object.metadata
  if (options.uid !== undefined && options.uid !== uid) {
    const text = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`
    throw conflict(type, old.name, text)
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const text = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`
    throw conflict(type, old.name, text)
  }
}

/** Orphan and Foreground are finalizers the garbage collector takes off when it has done its part. */
function applyPropagation(object: KubeObject, options: DeleteOptions): void {
  const policy = policyOf(options)
  if (policy === undefined) return
  const kept = (object.metadata.finalizers ?? []).filter((name) => name !== 'orphan' && name !== 'foregroundDeletion')
  if (policy === 'Orphan') kept.push('orphan')
  if (policy === 'Foreground') kept.push('foregroundDeletion')
  if (kept.length > 0) object.metadata.finalizers = kept
  else delete object.metadata.finalizers
}

const policies = ['Foreground', 'Background', 'Orphan']
const deleteKind = { group: 'meta.k8s.io', kind: 'DeleteOptions' }

function policyOf({ propagationPolicy, orphanDependents }: DeleteOptions): string | undefined {
  if (propagationPolicy !== undefined && !policies.includes(propagationPolicy)) {
    throw invalidFailure(deleteKind, '', [notSupported('propagationPolicy', propagationPolicy, [...policies, 'nil'])])
  }
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    const text = 'orphanDependents and deletionPropagation cannot be both set'
    throw invalidFailure(deleteKind, '', [invalid('propagationPolicy', propagationPolicy, text)])
  }
  if (orphanDependents !== undefined) return orphanDependents ? 'Orphan' : 'Background'
  return propagationPolicy
}

/** Only Pods wait: for their kubelet, which deletes again with grace 0. A Pod without node or already done goes at once. */
function graceOf(resource: Resource, object: KubeObject, options: DeleteOptions): number {
  if (resource.kind.type.plural !== 'pods' || resource.kind.type.group !== '') return 0
  const pod = object as Pod
  let grace = options.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30
  if (grace < 0) grace = 1
  const done = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
  if (!pod.spec.nodeName || done) grace = 0
  return grace
}

/** A repeated delete may shorten the grace period, never lengthen it. */
function shorten(object: KubeObject, old: Entry, grace: number): void {
  const { metadata } = object
  const before = old.object.metadata.deletionGracePeriodSeconds ?? 0
  if (grace >= before) return
  const since = Date.parse(metadata.deletionTimestamp ?? '') - before * 1000
  metadata.deletionTimestamp = timestamp(since + grace * 1000)
  metadata.deletionGracePeriodSeconds = grace
}
