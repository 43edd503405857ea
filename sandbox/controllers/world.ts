/**
 * What the controllers see: one informer per kind, shared by all of them, with the indexes they look things up by.
 * Own writes go into the caches at once (`learn`), so the next look already reads them.
 */
import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import type { Indexes } from '../../kube/cache.ts'
import { type Informer, startInformer } from '../../kube/informer.ts'
import { keyFor } from '../../kube/key.ts'
import type { Log } from '../../kube/log.ts'
import type {
  Deployment,
  Endpoints,
  EndpointSlice,
  KubeObject,
  Namespace,
  Node,
  Pod,
  Service,
} from '../../kube/objects.ts'
import * as types from '../../kube/resources.ts'

/** What every controller gets. */
export interface Surroundings {
  client: KubeClient
  clock: Clock
  random: () => number
  log: Log
}

export interface World {
  services: Informer<Service>
  pods: Informer<Pod>
  nodes: Informer<Node>
  endpoints: Informer<Endpoints>
  slices: Informer<EndpointSlice>
  namespaces: Informer<Namespace>
  deployments: Informer<Deployment>
}

export const serviceNameLabel = 'kubernetes.io/service-name'

/** Objects by the UIDs of their owners. */
export const byOwner = 'owner'
/** Namespaced objects by namespace. */
export const byNamespace = 'namespace'
/** Pods by node; those without one under ''. */
export const byNode = 'node'
/** EndpointSlices by `namespace/service`. */
export const byService = 'service'

export function ownerUids(object: KubeObject): string[] {
  return (object.metadata.ownerReferences ?? []).map(({ uid }) => uid)
}

const common: Indexes<KubeObject> = {
  [byOwner]: ownerUids,
  [byNamespace]: ({ metadata }) => (metadata.namespace === undefined ? [] : [metadata.namespace]),
}

export function startWorld(surroundings: Surroundings): World {
  return {
    services: startInformer({ ...surroundings, type: types.services, indexes: common }),
    pods: startInformer({
      ...surroundings,
      type: types.pods,
      indexes: { ...common, [byNode]: ({ spec }: Pod) => [spec.nodeName ?? ''] },
    }),
    nodes: startInformer({ ...surroundings, type: types.nodes, indexes: common }),
    endpoints: startInformer({ ...surroundings, type: types.endpoints, indexes: common }),
    slices: startInformer({
      ...surroundings,
      type: types.endpointSlices,
      indexes: { ...common, [byService]: (slice: EndpointSlice) => serviceKeysOf(slice) },
    }),
    namespaces: startInformer({ ...surroundings, type: types.namespaces, indexes: common }),
    deployments: startInformer({ ...surroundings, type: types.deployments, indexes: common }),
  }
}

export async function stopWorld(world: World): Promise<void> {
  await Promise.all(informersOf(world).map((informer) => informer.stop()))
}

export async function worldSynced(world: World): Promise<void> {
  await Promise.all(informersOf(world).map((informer) => informer.synced))
}

function informersOf(world: World): Pick<Informer<KubeObject>, 'synced' | 'stop'>[] {
  return Object.values(world)
}

/** `namespace/service` of a slice, by its label. */
export function serviceKeysOf({ metadata }: EndpointSlice): string[] {
  const name = metadata.labels?.[serviceNameLabel]
  return name ? [keyFor({ namespace: metadata.namespace ?? '', name })] : []
}
