/**
 * A whole small cluster in one process and in virtual time: an API server without sockets, clouds in memory, and operators that can be
 * dropped at any call and started again. Everything follows from the seed.
 */
import { parse } from 'yaml'
import { crdTexts } from '../../crds/texts.ts'
import type { LoadBalancerClass } from '../../crds/load-balancer-class.ts'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { isApiError } from '../../kube/client.ts'
import type { KubeClient } from '../../kube/client.ts'
import { silent } from '../../kube/log.ts'
import type { Log } from '../../kube/log.ts'
import type { Event, KubeObject, Node, Service } from '../../kube/objects.ts'
import { events, nodes, resourceType, services } from '../../kube/resources.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import type { VirtualClock } from '../../kube/virtual-clock.ts'
import { defaultConfig } from '../../operator/config.ts'
import type { OperatorConfig } from '../../operator/config.ts'
import { createOperator } from '../../operator/assemble.ts'
import type { OperatorMetrics } from '../../operator/metrics-port.ts'
import type { Fragment, Owner, Provider } from '../../providers/contract.ts'
import { createMemoryCloud } from '../../providers/memory/cloud.ts'
import type { MemoryCloud, MemoryCloudOptions } from '../../providers/memory/cloud.ts'
import { createMemoryProvider } from '../../providers/memory/provider.ts'
import { createApi } from '../../sandbox/apiserver/api.ts'
import type { Api } from '../../sandbox/apiserver/api.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { crashGate, gatedClient, runUntil } from './dropped.ts'
import type { Crash, Pass, RunningOperator } from './dropped.ts'
import { seededRandom } from './seeded-random.ts'

const crds = resourceType('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false)

export interface World {
  clock: VirtualClock
  api: Api
  /** The test's own client: people and other controllers. */
  client: KubeClient
  clouds: Record<string, MemoryCloud>
  /** Starts an operator. Only one at a time, as the Lease sees to it. */
  start(crash?: Crash): RunningOperator
  /** Lets time pass until nobody writes any more; at most two virtual minutes. */
  quiet(): Promise<void>
  service(name: string, namespace?: string): Promise<Service | undefined>
  eventsOf(name: string): Promise<Event[]>
  /** Writes to the API server and to all clouds since the last call of this function. */
  writes(): { api: number; cloud: number }
}

export interface WorldOptions {
  seed?: number
  clouds?: Record<string, MemoryCloudOptions>
  nodes?: number
  classes?: LoadBalancerClass[]
  config?: Partial<OperatorConfig>
  log?: Log
  metrics?: OperatorMetrics
  wrapProvider?: (provider: Provider, clock: VirtualClock) => Provider
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const clock = createVirtualClock()
  const random = seededRandom(options.seed ?? 1)
  const api = createApi({ clock, random })
  const client = inProcessClient(api, 'test')
  const names = Object.keys(options.clouds ?? { memory: {} })
  const clouds = Object.fromEntries(names.map((name) => [name, createMemoryCloud(options.clouds?.[name])]))
  const config: OperatorConfig = { ...defaultConfig, cluster: 'test', orphanIntervalMs: 0, ...options.config }
  let apiWrites = 0

  await installCrds(client)
  for (let n = 1; n <= (options.nodes ?? 2); n++) await client.create(nodes, node(`n${n}`, names[0] ?? 'memory'))
  for (const one of options.classes ?? [loadBalancerClass('memory', names)])
    await client.create(loadBalancerClasses, one)

  const world: World = {
    clock,
    api,
    client,
    clouds,
    start(crash) {
      const stopping = new AbortController()
      const gate = crashGate(crash, stopping)
      const counted = inProcessClient(api, 'operator')
      const operator = createOperator({
        client: gatedClient(counted, gate.pass, () => apiWrites++),
        providers: names.map((name) => {
          const provider = gatedProvider(
            withDocuments(createMemoryProvider(clouds[name] ?? createMemoryCloud(), name)),
            gate.pass,
          )
          return options.wrapProvider?.(provider, clock) ?? provider
        }),
        clock,
        random,
        log: options.log ?? silent,
        config,
        ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
      })
      return runUntil(stopping, operator, gate)
    },
    async quiet() {
      let still = 0
      for (let step = 0; step < 240 && still < 6; step++) {
        const before = apiWrites + cloudWrites()
        await clock.advance(500)
        still = apiWrites + cloudWrites() === before ? still + 1 : 0
      }
    },
    service: (name, namespace = 'default') => absent(client.get(services, { namespace, name })),
    eventsOf: (name) => eventsOf(client, name),
    writes() {
      const written = { api: apiWrites, cloud: cloudWrites() }
      apiWrites = 0
      for (const cloud of Object.values(clouds)) cloud.counts.writes = 0
      return written
    },
  }
  return world

  function cloudWrites(): number {
    return Object.values(clouds).reduce((sum, { counts }) => sum + counts.writes, 0)
  }
}

export async function installCrds(client: KubeClient): Promise<void> {
  for (const text of await crdTexts()) await client.create(crds, parse(text) as KubeObject)
}

export function node(name: string, cloud = 'memory', more: Partial<Node> = {}): Node {
  const host = Array.from(name).reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 60_000, 7)
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...more.metadata },
    spec: { providerID: `${cloud}://${name}`, ...more.spec },
    status: { addresses: [{ type: 'InternalIP', address: `10.0.${host >> 8}.${host & 255}` }] },
  }
}

export function loadBalancerClass(
  name: string,
  clouds = ['memory'],
  spec: Partial<LoadBalancerClass['spec']> = {},
): LoadBalancerClass {
  return {
    apiVersion: 'roadstead.dev/v1alpha1',
    kind: 'LoadBalancerClass',
    metadata: { name },
    spec: { clouds: clouds.map((cloud) => ({ name: cloud })), ...spec },
  }
}

export function webService(
  name: string,
  spec: Partial<Service['spec']> = {},
  annotations?: Record<string, string>,
): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', ...(annotations ? { annotations } : {}) },
    spec: {
      type: 'LoadBalancer',
      loadBalancerClass: 'roadstead.dev/memory',
      selector: { app: name },
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      ...spec,
    },
  }
}

/** Of the objects of that name. */
export async function eventsOf(client: KubeClient, name: string, namespace?: string): Promise<Event[]> {
  const { items } = await client.list(events, namespace)
  return items.filter(({ involvedObject }) => involvedObject.name === name)
}

/** undefined instead of a 404. */
export async function absent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isApiError(error, 404)) return undefined
    throw error
  }
}

function gatedProvider(provider: Provider, pass: Pass): Provider {
  const { documents } = provider
  return {
    ...provider,
    observe: (target, signal) => pass(() => provider.observe(target, signal)),
    execute: (step, signal) => pass(() => provider.execute(step, signal)),
    ...(documents ? { documents: (cluster, signal) => pass(() => documents(cluster, signal)) } : {}),
  }
}

/** The memory cloud has one shared document, `rules`; who stands in it is read back from its content. */
function withDocuments(provider: Provider): Provider {
  return {
    ...provider,
    fragments: (document, observed) =>
      observed.flatMap(({ mutable }) =>
        Object.entries((mutable['fragments'] ?? {}) as Record<string, Fragment['content']>).map(([key, content]) => ({
          document: document.document,
          owner: ownerFrom(key),
          content,
        })),
      ),
    documents: async () => [{ kind: 'document', document: 'rules' }],
  }
}

function ownerFrom(key: string): Owner {
  const [cluster = '', namespace = '', name = '', uid = ''] = key.split('/')
  return { cluster, namespace, name, uid }
}
