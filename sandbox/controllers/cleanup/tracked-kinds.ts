/**
 * The kinds the garbage collector follows: the world's, the other built-in ones (metadata only), and every
 * CustomResourceDefinition's as they come and go.
 */
import type { Cache, Change } from '../../../kube/cache.ts'
import { type Informer, startInformer } from '../../../kube/informer.ts'
import type { KubeObject } from '../../../kube/objects.ts'
import * as types from '../../../kube/resources.ts'
import { byOwner, ownerUids, type Surroundings, type World } from '../world.ts'

export interface TrackedKind {
  type: types.ResourceType
  cache: Cache<KubeObject>
}

export interface TrackedKinds {
  /** By API group and kind; versions don't matter, an object has one UID in all of them. */
  find(group: string, kind: string): TrackedKind | undefined
  all(): Iterable<TrackedKind>
  readonly synced: Promise<void>
  stop(): Promise<void>
}

interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string
    scope: 'Namespaced' | 'Cluster'
    names: { kind: string; plural: string }
    versions: { name: string; served: boolean; storage: boolean }[]
  }
  status?: { conditions?: { type: string; status: string }[] }
}

export const customResourceDefinitions = types.resourceType<CustomResourceDefinition>(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
)
const secrets = types.resourceType('v1', 'Secret', 'secrets', true)
const serviceAccounts = types.resourceType('v1', 'ServiceAccount', 'serviceaccounts', true)

/** Built-in kinds with a namespace; what a namespace has to get rid of, besides custom resources. */
export const namespacedTypes: readonly types.ResourceType[] = [
  types.deployments,
  types.pods,
  types.services,
  types.endpoints,
  types.endpointSlices,
  types.configMaps,
  secrets,
  serviceAccounts,
  types.leases,
  types.events,
]

/** Undefined while the API server does not serve it. */
export function customType({ spec, status }: CustomResourceDefinition): types.ResourceType | undefined {
  if (!status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) return undefined
  const version =
    spec.versions.find(({ storage, served }) => storage && served) ?? spec.versions.find(({ served }) => served)
  if (version === undefined) return undefined
  const apiVersion = `${spec.group}/${version.name}`
  return types.resourceType(apiVersion, spec.names.kind, spec.names.plural, spec.scope === 'Namespaced')
}

export function trackKinds(
  world: World,
  surroundings: Surroundings,
  onChange: (kind: TrackedKind, change: Change<KubeObject>) => void,
): TrackedKinds {
  const kinds = new Map<string, TrackedKind>()
  const custom = new Map<string, Informer<KubeObject>>()
  const follow = (type: types.ResourceType, informer: Pick<Informer<KubeObject>, 'cache'>) => {
    const kind = { type, cache: informer.cache }
    kinds.set(`${type.group}/${type.kind}`, kind)
    informer.cache.onChange((change) => onChange(kind, change))
  }
  const metadataOnly = (type: types.ResourceType): Informer<KubeObject> => {
    const transform = ({ apiVersion, kind, metadata }: KubeObject): KubeObject => ({
      ...(apiVersion !== undefined && { apiVersion }),
      ...(kind !== undefined && { kind }),
      metadata,
    })
    const informer = startInformer({ ...surroundings, type, transform, indexes: { [byOwner]: ownerUids } })
    follow(type, informer)
    return informer
  }

  follow(types.services, world.services)
  follow(types.pods, world.pods)
  follow(types.nodes, world.nodes)
  follow(types.endpoints, world.endpoints)
  follow(types.endpointSlices, world.slices)
  follow(types.namespaces, world.namespaces)
  follow(types.deployments, world.deployments)
  const others = [types.configMaps, types.leases, secrets, serviceAccounts].map(metadataOnly)
  const definitions = startInformer({
    ...surroundings,
    type: customResourceDefinitions,
    indexes: { [byOwner]: ownerUids },
  })
  follow(customResourceDefinitions, definitions)

  /** Stopping is awaited by stop(); a definition that goes takes its informer along. */
  const stopped = new Set<Promise<void>>()
  const drop = (key: string, group: string, kind: string) => {
    const informer = custom.get(key)
    custom.delete(key)
    kinds.delete(`${group}/${kind}`)
    if (informer === undefined) return
    const stopping = informer.stop().finally(() => stopped.delete(stopping))
    stopped.add(stopping)
  }
  definitions.cache.onChange(({ key, before, after }) => {
    const type = after && customType(after)
    const known = before && customType(before)
    if (type && known && types.apiVersionOf(type) === types.apiVersionOf(known) && custom.has(key)) return
    if (before) drop(key, before.spec.group, before.spec.names.kind)
    if (type) custom.set(key, metadataOnly(type))
  })

  return {
    find: (group, kind) => kinds.get(`${group}/${kind}`),
    all: () => kinds.values(),
    synced: Promise.all([...others, definitions].map((informer) => informer.synced)).then(() => undefined),
    async stop() {
      const running = [...others, definitions, ...custom.values()].map((informer) => informer.stop())
      await Promise.all([...running, ...stopped])
    },
  }
}
