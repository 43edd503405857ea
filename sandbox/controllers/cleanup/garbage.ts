/**
 * The garbage collector: removes what only gone owners hold, and carries out foreground and orphan deletions.
 * An owner that the caches lack is asked for at the API server before anything is removed for it.
 * Keys: `group/plural namespace/name`.
 */
import { isApiError } from '../../../kube/client.ts'
import { keyOf, nameFromKey } from '../../../kube/key.ts'
import type { KubeObject, OwnerReference } from '../../../kube/objects.ts'
import type { ResourceType } from '../../../kube/resources.ts'
import { createLoop, type Loop } from '../loop.ts'
import { byOwner, ownerUids, type Surroundings, type World } from '../world.ts'
import { blocks, foregroundFinalizer, type OwnerState, orphanFinalizer, pendingDeletion, verdict } from './ownership.ts'
import { type TrackedKind, trackKinds } from './tracked-kinds.ts'

interface Found {
  kind: TrackedKind
  object: KubeObject
}

export function garbageCollector(world: World, surroundings: Surroundings): Loop & { synced: Promise<void> } {
  const loop = createLoop('garbage-collector', surroundings)
  const { client } = surroundings
  const kinds = trackKinds(world, surroundings, (kind, { before, after }) => {
    if (after !== undefined && (ownerUids(after).length > 0 || pendingDeletion(after)))
      loop.add(keyFor(kind.type, after))
    if (after === undefined && before !== undefined) {
      addDependents(before)
      for (const owner of before.metadata.ownerReferences ?? []) addOwner(owner, before)
    }
  })

  function* dependentsOf(uid: string): Generator<Found> {
    if (uid === '') return
    for (const kind of kinds.all()) for (const object of kind.cache.indexed(byOwner, uid)) yield { kind, object }
  }
  const addDependents = ({ metadata }: KubeObject) => {
    for (const { kind, object } of dependentsOf(metadata.uid ?? '')) loop.add(keyFor(kind.type, object))
  }
  const kindOf = ({ apiVersion, kind }: OwnerReference) => {
    const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
    return kinds.find(group, kind)
  }
  const addOwner = (owner: OwnerReference, { metadata }: KubeObject) => {
    const kind = kindOf(owner)
    const found = kind?.cache.get(placeOf(owner, kind.type, metadata.namespace))
    if (kind !== undefined && found !== undefined) loop.add(keyFor(kind.type, found))
  }

  async function stateOf(
    owner: OwnerReference,
    namespace: string | undefined,
    signal: AbortSignal,
  ): Promise<OwnerState> {
    const kind = kindOf(owner)
    if (kind === undefined || (kind.type.namespaced && namespace === undefined)) return 'unknown'
    const at = placeOf(owner, kind.type, namespace)
    const found = kind.cache.get(at)
    if (found?.metadata.uid === owner.uid) return pendingDeletion(found) === 'foreground' ? 'waiting' : 'present'
    try {
      return (await client.get(kind.type, at, signal)).metadata.uid === owner.uid ? 'present' : 'absent'
    } catch (error) {
      if (isApiError(error, 404)) return 'absent'
      throw error
    }
  }

  async function judge({ kind, object }: Found, signal: AbortSignal): Promise<void> {
    const { metadata } = object
    const states = new Map<OwnerReference, OwnerState>()
    for (const owner of metadata.ownerReferences ?? []) {
      states.set(owner, await stateOf(owner, metadata.namespace, signal))
    }
    const hasDependents = !dependentsOf(metadata.uid ?? '').next().done
    const decided = verdict(object, (owner) => states.get(owner) ?? 'unknown', hasDependents)
    if (decided.kind === 'release') {
      await patchMetadata(kind.type, object, { ownerReferences: decided.ownerReferences }, signal)
    } else if (decided.kind === 'remove') {
      const { propagationPolicy } = decided
      await client.remove(kind.type, nameFromKey(keyOf(object)), { uid: metadata.uid ?? '', propagationPolicy }, signal)
    }
  }

  /** Foreground: the owner goes when no dependent blocks it any more. */
  async function finishForeground({ kind, object }: Found, signal: AbortSignal): Promise<void> {
    const uid = object.metadata.uid ?? ''
    const dependents = [...dependentsOf(uid)]
    if (!dependents.some((dependent) => blocks(dependent.object, uid))) {
      return patchMetadata(kind.type, object, { finalizers: without(object, foregroundFinalizer) }, signal)
    }
    for (const { kind, object } of dependents) {
      if (object.metadata.deletionTimestamp === undefined) loop.add(keyFor(kind.type, object))
    }
  }

  /** Orphan: the dependents forget the owner, then it goes. */
  async function finishOrphan({ kind, object }: Found, signal: AbortSignal): Promise<void> {
    const { uid } = object.metadata
    for (const dependent of dependentsOf(uid ?? '')) {
      const rest = (dependent.object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid)
      await patchMetadata(dependent.kind.type, dependent.object, { ownerReferences: rest }, signal)
    }
    await patchMetadata(kind.type, object, { finalizers: without(object, orphanFinalizer) }, signal)
  }

  /** A merge patch tied to the version that was judged; custom resources know no strategic patches. */
  async function patchMetadata(
    type: ResourceType,
    object: KubeObject,
    change: Pick<KubeObject['metadata'], 'ownerReferences' | 'finalizers'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { uid, resourceVersion } = object.metadata
    const body = { metadata: { ...change, uid, resourceVersion } }
    await client.patch(type, nameFromKey(keyOf(object)), { type: 'merge', body }, {}, signal)
  }

  loop.reconcileWith(async (key, signal) => {
    const [id = '', objectKey = ''] = key.split(' ')
    const kind = [...kinds.all()].find(({ type }) => idOf(type) === id)
    const object = kind?.cache.at(objectKey)
    if (kind === undefined || object === undefined) return
    const found = { kind, object }
    const pending = pendingDeletion(object)
    if (pending === 'foreground') await finishForeground(found, signal)
    else if (pending === 'orphan') await finishOrphan(found, signal)
    else if (object.metadata.deletionTimestamp === undefined) await judge(found, signal)
  })

  return {
    ...loop,
    synced: kinds.synced,
    async stop() {
      await Promise.all([loop.stop(), kinds.stop()])
    },
  }
}

function idOf({ group, plural }: ResourceType): string {
  return `${group}/${plural}`
}

function keyFor(type: ResourceType, object: KubeObject): string {
  return `${idOf(type)} ${keyOf(object)}`
}

function placeOf({ name }: OwnerReference, type: ResourceType, namespace: string | undefined) {
  return type.namespaced && namespace !== undefined ? { namespace, name } : { name }
}

function without({ metadata: { finalizers = [] } }: KubeObject, name: string): string[] {
  return finalizers.filter((finalizer) => finalizer !== name)
}
