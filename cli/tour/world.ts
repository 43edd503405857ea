/**
 * What a step of the tour works with: the cluster, and verbs that read like the story. A step that does not hold throws
 * with what it saw; a step that holds returns its figures.
 */
import type { KubeClient } from '../../kube/client.ts'
import { isApiError } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import type { KubeObject, Pod, Service } from '../../kube/objects.ts'
import { pods, services } from '../../kube/resources.ts'
import { createHttpCloud } from '../../providers/local/http.ts'
import { type Cluster, waitFor } from '../../sandbox/cluster.ts'
import { applyManifests, readManifests } from '../../sandbox/manifests.ts'
import { firstAddress, isReady } from '../live-table.ts'
import type { Prober } from './prober.ts'

export type Figures = Readonly<Record<string, number | string>>

export interface Step {
  name: string
  run(world: World): Promise<Figures>
}

export interface World {
  readonly cluster: Cluster
  readonly client: KubeClient
  readonly prober: Prober
  readonly signal: AbortSignal
  apply(yaml: string): Promise<void>
  /** The Service as it is now; undefined when there is none. */
  service(name: string): Promise<Service | undefined>
  patchService(name: string, patch: object): Promise<Service>
  /** Waits for the first address. */
  address(name: string): Promise<string>
  /** Ready Pods with this `app` label. */
  readyPods(app: string): Promise<Pod[]>
  /** Waits until exactly `count` Pods with this `app` label are there, all ready. */
  podsReady(app: string, count: number): Promise<Pod[]>
  /** Nodes that the local cloud sends traffic to for a Service, by name. */
  healthyTargets(service: string): Promise<string[]>
  /** Names of the objects in the local cloud that carry the mark of a Service. */
  cloudObjects(service: string): Promise<string[]>
  allCloudObjects(): Promise<string[]>
  removeService(name: string): Promise<void>
  wait<T>(what: string, seconds: number, look: () => Promise<T | undefined> | T | undefined): Promise<T>
}

export function createWorld(cluster: Cluster, prober: Prober, signal: AbortSignal): World {
  const { client } = cluster
  const cloud = createHttpCloud(cluster.balancerEndpoint)
  const wait: World['wait'] = (what, seconds, look) => waitFor(what, seconds, systemClock, look, signal)
  const world: World = {
    cluster,
    client,
    prober,
    signal,
    wait,
    apply: (yaml) => applyManifests(client, readManifests(yaml, 'tour'), signal),
    service: (name) => found(client.get(services, { namespace: 'default', name }, signal)),
    patchService: (name, body) =>
      client.patch(services, { namespace: 'default', name }, { type: 'merge', body }, {}, signal),
    address: (name) =>
      wait(`an address of Service ${name}`, 30, async () => {
        const service = await world.service(name)
        return service === undefined ? undefined : firstAddress(service)
      }),
    async readyPods(app) {
      const list = await client.list(pods, 'default', { labelSelector: `app=${app}` }, signal)
      return list.items.filter(isReady)
    },
    podsReady: (app, count) =>
      wait(`${count} ready Pods of ${app}`, 45, async () => {
        const { items } = await client.list(pods, 'default', { labelSelector: `app=${app}` }, signal)
        return items.length === count && items.every(isReady) ? items : undefined
      }),
    async healthyTargets(service) {
      const objects = await cloud.list({ cluster: cluster.instance.name, namespace: 'default', name: service }, signal)
      const groups = objects.flatMap((object) => (object.kind === 'target-group' ? [object.status.targets ?? []] : []))
      const healthy = (node: string) =>
        groups.every((targets) => targets.some((target) => target.node === node && target.state === 'healthy'))
      return [...new Set(groups.flat().map((target) => target.node))].filter(healthy).sort()
    },
    async cloudObjects(service) {
      const tags = { cluster: cluster.instance.name, namespace: 'default', name: service }
      return (await cloud.list(tags, signal)).map((object) => `${object.kind} ${object.name}`)
    },
    async allCloudObjects() {
      return (await cloud.list({}, signal)).map((object) => `${object.kind} ${object.name}`)
    },
    async removeService(name) {
      await client.remove(services, { namespace: 'default', name }, {}, signal)
    },
  }
  return world
}

/** undefined instead of 404. */
export async function found<T extends KubeObject>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isApiError(error, 404)) return undefined
    throw error
  }
}

/** Throws with `what` unless it holds. */
export function hold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what)
}
