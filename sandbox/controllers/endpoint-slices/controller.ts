/** Watches Services, Pods, Nodes and EndpointSlices and writes the slices that service-slices.ts plans. Keys: `namespace/service`. */
import { isApiError } from '../../../kube/client.ts'
import type { EndpointSlice, Node } from '../../../kube/objects.ts'
import { endpointSlices } from '../../../kube/resources.ts'
import { createLoop, type Loop } from '../loop.ts'
import { onServicePods, podsOf } from '../service-pods.ts'
import { byService, type Surroundings, serviceKeysOf, type World } from '../world.ts'
import { zoneLabel } from './endpoint.ts'
import type { SliceChanges } from './packing.ts'
import { managedByLabel, planServiceSlices, sliceControllerName } from './service-slices.ts'

export function endpointSliceController(world: World, surroundings: Surroundings): Loop {
  const loop = createLoop('endpoint-slices', surroundings)
  onServicePods(world, (key) => loop.add(key))
  world.nodes.cache.onChange(({ before, after }) => {
    // Slices hold of a Node only whether it exists and its zone.
    const same = before !== undefined && after !== undefined && zoneOf(before) === zoneOf(after)
    if (!same) for (const key of world.services.cache.keys()) loop.add(key)
  })
  world.slices.cache.onChange(({ before, after }) => {
    for (const slice of [before, after]) for (const key of slice ? serviceKeysOf(slice) : []) loop.add(key)
  })
  loop.reconcileWith(async (key, signal) => {
    const service = world.services.cache.at(key)
    if (service === undefined) return
    const changes = planServiceSlices({
      service,
      pods: podsOf(service, world),
      node: (name) => world.nodes.cache.at(name),
      slices: slicesOf(world, key, sliceControllerName),
    })
    await applySlices(changes, world, surroundings, signal)
  })
  return loop
}

/** The slices of a Service that one controller owns by its label. */
export function slicesOf(world: World, key: string, managedBy: string): EndpointSlice[] {
  return world.slices.cache
    .indexed(byService, key)
    .filter(
      ({ metadata }) => metadata.labels?.[managedByLabel] === managedBy && metadata.deletionTimestamp === undefined,
    )
}

/** Creates first and removes last, so that no endpoint is missing in between. */
export async function applySlices(
  changes: SliceChanges,
  { slices }: World,
  { client }: Surroundings,
  signal: AbortSignal,
): Promise<void> {
  for (const slice of changes.create) slices.learn(await client.create(endpointSlices, slice, {}, signal))
  for (const slice of changes.update) slices.learn(await client.replace(endpointSlices, slice, {}, signal))
  for (const { metadata } of changes.remove) {
    const at = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
    try {
      await client.remove(endpointSlices, at, metadata.uid === undefined ? {} : { uid: metadata.uid }, signal)
    } catch (error) {
      if (!isApiError(error, 404)) throw error
    }
  }
}

function zoneOf({ metadata }: Node): string | undefined {
  return metadata.labels?.[zoneLabel]
}
