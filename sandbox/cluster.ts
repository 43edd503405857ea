/**
 * A whole cluster on this machine: claims an instance, builds its network, starts the API server and the controllers in this process
 * and everything else as processes of their own. What was started is ended again, also when a step of the start fails.
 */
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { KubeClient } from '../kube/client.ts'
import { type Clock, sleep } from '../kube/clock.ts'
import { plainConnection } from '../kube/connection.ts'
import { createHttpClient } from '../kube/http-client.ts'
import type { Log } from '../kube/log.ts'
import { nodes as nodeType } from '../kube/resources.ts'
import { writeKubeconfig } from './apiserver/kubeconfig.ts'
import { type ApiServer, startApiServer } from './apiserver/server.ts'
import { type Component, startComponent } from './component.ts'
import { startControllers } from './controllers/controllers.ts'
import { applyManifests } from './manifests.ts'
import { claimInstance, type Instance, sweepDead } from './nodes/instance.ts'
import { createNetwork, type Network } from './nodes/network.ts'
import { startPodRuntime } from './nodes/pod-runtime.ts'
import { apiPort, bridgeAddress, type Family, serviceCidrs } from './nodes/topology.ts'
import {
  apiRelayPart,
  balancerEndpoint,
  balancerPart,
  operatorPart,
  type Part,
  type PartsContext,
  proxyPart,
  publishPart,
} from './parts.ts'
import { seedObjects } from './seed.ts'

export interface ClusterOptions {
  /** Instance name: namespaces are `rs-<name>-...`. */
  name: string
  /** Run folder: kubeconfigs, sockets, logs. Exists while the cluster does. */
  folder: string
  nodes: number
  /** Port of the API server on the machine's loopback; 0 for a free one. */
  apiPort: number
  /** The command line that runs roadstead's commands, for example [node, cli/main.ts]. */
  roadstead: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  clock: Clock
  random: () => number
  log: Log
  /** One line of progress a step. */
  say: (line: string) => void
}

export interface Cluster {
  readonly instance: Instance
  readonly network: Network
  readonly client: KubeClient
  readonly apiUrl: string
  /** For people and tools on the machine. */
  readonly kubeconfig: string
  /** Control API of the local cloud, as `unix:/path`. */
  readonly balancerEndpoint: string
  readonly operator: Component
  readonly balancer: Component
  /** The proxy of a node. */
  proxy(node: string): Component | undefined
  addNode(): Promise<string>
  /** As if the machine had gone: everything in it ends at once, then its Node object is deleted. */
  removeNode(name: string): Promise<void>
  /** Makes a unix socket lead to an address and port as the client outside sees them, and waits until it does; a second call moves it. */
  publish(socketPath: string, target: { host: string; port: number }): Promise<void>
  stop(): Promise<void>
}

const families: readonly Family[] = ['IPv4', 'IPv6']

/** Starts everything and resolves when it is ready for Services. Throws InstanceInUse when the name is taken. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const undo: Undo = []
  const stop = async () => {
    for (const step of undo.splice(0).toReversed())
      await step().catch((error: unknown) =>
        options.log.error({ error: String(error) }, 'a part of the sandbox did not stop'),
      )
  }
  try {
    return { ...(await startAll(options, undo)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** How to end what was started, in the order of the start. */
type Undo = (() => Promise<void>)[]

async function startAll(options: ClusterOptions, undo: Undo): Promise<Omit<Cluster, 'stop'>> {
  const { clock, random, log, say } = options
  const network = await startNetwork(options, undo)
  const api = await startApi(options, undo)
  const { client } = api
  await applyManifests(client, await seedObjects())
  const context: PartsContext = {
    instance: options.name,
    folder: options.folder,
    families,
    roadstead: options.roadstead,
    node: process.execPath,
    kubeconfig: api.kubeconfig,
    nodeKubeconfig: api.nodeKubeconfig,
    apiSocket: api.socketPath,
  }
  const start = (part: Part) => {
    const component = startComponent({ ...part, instance: network.instance, env: options.env, clock, log })
    undo.push(() => component.stop())
    return component
  }
  start(apiRelayPart(context))
  const controllers = startControllers({ client, clock, random, log })
  undo.push(() => controllers.stop())
  const pods = startPodRuntime({ client, network, clock, random, log, kubeconfigInPods: api.nodeKubeconfig })
  undo.push(() => pods.stop())
  const balancer = start(balancerPart(context))
  const operator = start(operatorPart(context))
  const proxies = new Map(network.nodes().map((place) => [place.name, start(proxyPart(context, place))]))
  say(`processes: balancer, operator, ${proxies.size} proxies, cluster DNS; logs in ${options.folder}`)
  await pods.ready
  await controllers.synced

  const published = new Map<string, Component>()
  return {
    instance: network.instance,
    network,
    client,
    apiUrl: api.server.url,
    kubeconfig: api.kubeconfig,
    balancerEndpoint: balancerEndpoint(context),
    operator,
    balancer,
    proxy: (node) => proxies.get(node),
    async addNode() {
      const place = await network.addNode()
      await pods.addNode(place.name)
      proxies.set(place.name, start(proxyPart(context, place)))
      return place.name
    },
    async removeNode(node) {
      await proxies.get(node)?.stop('SIGKILL')
      proxies.delete(node)
      await pods.removeNode(node)
      await network.removeNode(node)
      await client.remove(nodeType, { name: node })
    },
    async publish(socketPath, target) {
      await published.get(socketPath)?.stop()
      rmSync(socketPath, { force: true })
      published.set(socketPath, start(publishPart(context, socketPath, target)))
      await waitFor(`the relay on ${socketPath}`, 10, clock, () => existsSync(socketPath) || undefined)
    },
  }
}

async function startNetwork({ name, folder, nodes, clock, say }: ClusterOptions, undo: Undo): Promise<Network> {
  const swept = await sweepDead(clock, dirname(folder))
  if (swept.length > 0) say(`removed what was left of ${swept.join(', ')}`)
  const instance = await claimInstance(name, { folder, pid: process.pid, clock })
  const started = clock.now()
  const network = await createNetwork({ instance, nodes, families, clock })
  undo.push(() => network.remove())
  say(`network: ${nodes} nodes behind a router, a client outside (${clock.now() - started} ms)`)
  return network
}

interface StartedApi {
  server: ApiServer
  client: KubeClient
  socketPath: string
  kubeconfig: string
  /** The same server as nodes and Pods reach it. */
  nodeKubeconfig: string
}

async function startApi(options: ClusterOptions, undo: Undo): Promise<StartedApi> {
  const { name, folder, clock, random, say } = options
  const socketPath = join(folder, 'api.sock')
  const server = await startApiServer({
    listen: [{ host: '127.0.0.1', port: options.apiPort }, { socketPath }],
    clock,
    random,
    serviceClusterIpRanges: families.map((family) => serviceCidrs[family]),
    serviceNodePortRange: { from: 30000, to: 32767 },
  })
  undo.push(() => server.close())
  const client = createHttpClient(plainConnection(server.url), { clock })
  undo.push(async () => client.close())
  const files = { kubeconfig: join(folder, 'kubeconfig'), nodeKubeconfig: join(folder, 'kubeconfig-nodes') }
  await writeKubeconfig(files.kubeconfig, server.url, name)
  await writeKubeconfig(files.nodeKubeconfig, `http://${bridgeAddress('cp', 'IPv4')}:${apiPort}`, name)
  say(`API server on ${server.url}, kubeconfig: ${files.kubeconfig}`)
  return { server, client, socketPath, ...files }
}

/** Resolves when `look` answers something, or throws after `seconds` with what was awaited. */
export async function waitFor<T>(
  what: string,
  seconds: number,
  clock: Clock,
  look: () => Promise<T | undefined> | T | undefined,
  signal?: AbortSignal,
): Promise<T> {
  const end = clock.now() + seconds * 1000
  for (;;) {
    signal?.throwIfAborted()
    const found = await look()
    if (found !== undefined) return found
    if (clock.now() > end) throw new Error(`waited ${seconds} s for ${what}`)
    await sleep(clock, 25, signal)
  }
}
