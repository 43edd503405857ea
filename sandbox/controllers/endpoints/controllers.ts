/** The loops around subsets.ts (Endpoints of selector Services) and mirroring.ts (hand-written Endpoints). Keys: `namespace/service`. */
import { nameFromKey } from '../../../kube/key.ts'
import { endpoints as endpointsType } from '../../../kube/resources.ts'
import { applySlices, slicesOf } from '../endpoint-slices/controller.ts'
import { wantsSlices } from '../endpoint-slices/service-slices.ts'
import { createLoop, type Loop } from '../loop.ts'
import { onServicePods, podsOf } from '../service-pods.ts'
import { type Surroundings, serviceKeysOf, type World } from '../world.ts'
import { isElectionRecord, mirroringControllerName, planMirror } from './mirroring.ts'
import { endpointsControllerName, endpointsManagedByLabel, planEndpoints } from './subsets.ts'

export function endpointsController(world: World, surroundings: Surroundings): Loop {
  const loop = createLoop('endpoints', surroundings)
  const { client } = surroundings
  onServicePods(world, (key) => loop.add(key))
  world.endpoints.cache.onChange(({ key }) => loop.add(key))
  /** Services that went while we watched take their Endpoints along, hand-written ones too: there is no owner reference. */
  const orphaned = new Set<string>()
  world.services.cache.onChange(({ kind, key }) => {
    if (kind === 'removed') orphaned.add(key)
    else orphaned.delete(key)
  })
  loop.reconcileWith(async (key, signal) => {
    const service = world.services.cache.at(key)
    const existing = world.endpoints.cache.at(key)
    if (service === undefined) {
      const ours = existing?.metadata.labels?.[endpointsManagedByLabel] === endpointsControllerName
      if (existing !== undefined && (ours || orphaned.has(key)) && !isElectionRecord(existing)) {
        await client.remove(endpointsType, nameFromKey(key), { uid: existing.metadata.uid ?? '' }, signal)
      }
      orphaned.delete(key)
      return
    }
    if (!wantsSlices(service)) return
    const wanted = planEndpoints(service, podsOf(service, world), existing)
    if (wanted === undefined) return
    const written =
      existing === undefined
        ? await client.create(endpointsType, wanted, {}, signal)
        : await client.replace(endpointsType, wanted, {}, signal)
    world.endpoints.learn(written)
  })
  return loop
}

export function mirroringController(world: World, surroundings: Surroundings): Loop {
  const loop = createLoop('endpoint-slice-mirroring', surroundings)
  world.services.cache.onChange(({ key }) => loop.add(key))
  world.endpoints.cache.onChange(({ key }) => loop.add(key))
  world.slices.cache.onChange(({ before, after }) => {
    for (const slice of [before, after]) for (const key of slice ? serviceKeysOf(slice) : []) loop.add(key)
  })
  loop.reconcileWith(async (key, signal) => {
    const slices = slicesOf(world, key, mirroringControllerName)
    const changes = planMirror(world.services.cache.at(key), world.endpoints.cache.at(key), slices)
    await applySlices(changes, world, surroundings, signal)
  })
  return loop
}
