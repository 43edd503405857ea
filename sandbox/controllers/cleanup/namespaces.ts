/**
 * Empties a namespace that is being deleted and then lets it go by its `finalize` subresource. Lists live, so that nothing
 * is forgotten that the caches have not seen; objects with finalizers or a grace period are waited for. Keys: names.
 */
import { isApiError } from '../../../kube/client.ts'
import { listAll } from '../../../kube/list-all.ts'
import type { KubeObject } from '../../../kube/objects.ts'
import { namespaces, type ResourceType } from '../../../kube/resources.ts'
import { createLoop, type Loop } from '../loop.ts'
import type { Surroundings, World } from '../world.ts'
import { customResourceDefinitions, customType, namespacedTypes } from './tracked-kinds.ts'

const lookAgainMs = 500
const namespaceFinalizer = 'kubernetes'

export function namespaceController(world: World, surroundings: Surroundings): Loop {
  const loop = createLoop('namespaces', surroundings)
  const { client } = surroundings
  world.namespaces.cache.onChange(({ key, after }) => {
    if (after?.metadata.deletionTimestamp !== undefined) loop.add(key)
  })
  loop.reconcileWith(async (name, signal) => {
    const namespace = world.namespaces.cache.at(name)
    if (namespace?.metadata.deletionTimestamp === undefined) return undefined
    const finalizers = namespace.spec?.finalizers ?? []
    if (!finalizers.includes(namespaceFinalizer)) return undefined
    let remaining = 0
    for (const type of [...namespacedTypes, ...(await customTypes(surroundings, signal))]) {
      remaining += await empty(type, name, surroundings, signal)
    }
    if (remaining > 0) return { afterMs: lookAgainMs }
    const spec = { ...namespace.spec, finalizers: finalizers.filter((one) => one !== namespaceFinalizer) }
    await client.replace(namespaces, { ...namespace, spec }, { subresource: 'finalize' }, signal)
    return undefined
  })
  return loop
}

async function customTypes({ client }: Surroundings, signal: AbortSignal): Promise<ResourceType[]> {
  const { objects } = await listAll(client, customResourceDefinitions, { signal })
  return objects.flatMap((definition) => customType(definition) ?? []).filter(({ namespaced }) => namespaced)
}

/** Deletes what is not being deleted yet; returns how many objects there were. */
async function empty(
  type: ResourceType,
  namespace: string,
  { client }: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const objects = await listed(type, namespace, client, signal)
  for (const { metadata } of objects) {
    if (metadata.deletionTimestamp !== undefined) continue
    const at = { namespace, name: metadata.name ?? '' }
    try {
      await client.remove(type, at, { propagationPolicy: 'Background' }, signal)
    } catch (error) {
      if (!isApiError(error, 404)) throw error
    }
  }
  return objects.length
}

/** A definition may have gone since it was listed. */
async function listed(
  type: ResourceType,
  namespace: string,
  client: Surroundings['client'],
  signal: AbortSignal,
): Promise<KubeObject[]> {
  try {
    return (await listAll(client, type, { namespace, signal })).objects
  } catch (error) {
    if (isApiError(error, 404)) return []
    throw error
  }
}
