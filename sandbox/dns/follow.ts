/** Keeps a record index equal to the API server's Services, EndpointSlices and Namespaces. */
import type { Change } from '../../kube/cache.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import { type Informer, startInformer } from '../../kube/informer.ts'
import type { Log } from '../../kube/log.ts'
import type { EndpointSlice, KubeObject, Service } from '../../kube/objects.ts'
import { endpointSlices, namespaces, type ResourceType, services } from '../../kube/resources.ts'
import type { RecordIndexWriter } from './record-index.ts'

export interface FollowOptions {
  client: KubeClient
  clock: Clock
  random: () => number
  log: Log
}

export interface Following {
  readonly synced: Promise<void>
  stop(): Promise<void>
}

export function followCluster(index: RecordIndexWriter, options: FollowOptions): Following {
  const follow = <T extends KubeObject>(
    type: ResourceType<T>,
    set: (object: T) => void,
    remove: (object: T) => void,
    transform?: (object: T) => T,
  ): Informer<T> => {
    const informer = startInformer({ ...options, type, ...(transform && { transform }) })
    informer.cache.onChange(({ before, after }: Change<T>) => {
      if (after !== undefined) set(after)
      else if (before !== undefined) remove(before)
    })
    return informer
  }
  const informers = [
    follow(
      namespaces,
      (namespace) => index.setNamespace(namespace),
      (namespace) => index.removeNamespace(namespace),
    ),
    follow(
      services,
      (service) => index.setService(service),
      (service) => index.removeService(service),
      serviceOnly,
    ),
    follow(
      endpointSlices,
      (slice) => index.setSlice(slice),
      (slice) => index.removeSlice(slice),
      sliceOnly,
    ),
  ]
  const everything = async (informer: (one: Pick<Informer<KubeObject>, 'synced' | 'stop'>) => Promise<void>) => {
    await Promise.all(informers.map(informer))
  }
  return {
    synced: everything(({ synced }) => synced),
    stop: () => everything((informer) => informer.stop()),
  }
}

/** Drops what no record is made of. */
function serviceOnly({ metadata, spec }: Service): Service {
  const { type, clusterIP, clusterIPs, ports, externalName } = spec
  return {
    metadata: identity(metadata),
    spec: {
      ...(type && { type }),
      ...(clusterIP && { clusterIP }),
      ...(clusterIPs && { clusterIPs }),
      ...(ports && { ports }),
      ...(externalName && { externalName }),
    },
  }
}

function sliceOnly(slice: EndpointSlice): EndpointSlice {
  const { labels } = slice.metadata
  return {
    metadata: { ...identity(slice.metadata), ...(labels && { labels }) },
    addressType: slice.addressType,
    ...(slice.ports && { ports: slice.ports }),
    endpoints: (slice.endpoints ?? []).map(({ addresses, conditions, hostname }) => ({
      addresses,
      ...(conditions?.ready !== undefined && { conditions: { ready: conditions.ready } }),
      ...(hostname && { hostname }),
    })),
  }
}

function identity({ name, namespace, uid, resourceVersion }: KubeObject['metadata']): KubeObject['metadata'] {
  return {
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  }
}
