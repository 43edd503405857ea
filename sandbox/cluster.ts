/**
 * A whole cluster on this machine: claims an instance, builds its network, starts the API server and the controllers in this process
 * and everything else as processes of their own. What was started is ended again, also when a step of the start fails.
 */
import { existsSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { KubeClient } from '../kube/client.ts'
import { type Clock, sleep } from '../kube/clock.ts'
import { plainConnection } from '../kube/connection.ts'
import { createHttpClient } from '../kube/http-client.ts'
import type { Log } from '../kube/log.ts'
import { nodes as nodeType } from '../kube/resources.ts'
import { kubeconfig, writeKubeconfig } from './apiserver/kubeconfig.ts'
import { type ApiServer, startApiServer } from './apiserver/server.ts'
import { type Component, startComponent } from './component.ts'
import { startControllers } from './controllers/controllers.ts'
import { applyManifests } from './manifests.ts'
import { claimInstance, type Instance, sweepDead } from './nodes/instance.ts'
import { createNetwork, type Network } from './nodes/network.ts'
import { startPodRuntime } from './nodes/pod-runtime.ts'
import {
  apiPort,
  bridgeAddress,
  clusterCidrs,
  loadBalancerPools,
  namespaceOf,
  serviceCidrs,
  type Family,
} from './nodes/topology.ts'
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
  const { name, folder, clock, random, log, say } = options
  const undo: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const step of undo.splice(0).toReversed())
      await step().catch((error: unknown) => log.error({ error: String(error) }, 'a part of the sandbox did not stop'))
  }
  try {
    const swept = await sweepDead(clock, dirname(folder))
    if (swept.length > 0) say(`removed what was left of ${swept.join(', ')}`)
    const instance = await claimInstance(name, { folder, pid: process.pid, clock })
    const started = clock.now()
    const network = await createNetwork({ instance, nodes: options.nodes, families, clock })
    undo.push(() => network.remove())
    say(`network: ${options.nodes} nodes behind a router, a client outside (${clock.now() - started} ms)`)

    const api = await startApi(options)
    undo.push(() => api.server.close())
    say(`API server on ${api.server.url}, kubeconfig: ${api.kubeconfigFile}`)
    const http = createHttpClient(plainConnection(api.server.url), { clock })
    undo.push(async () => http.close())
    await applyManifests(http, await seedObjects())

    const component = (part: string, argv: readonly string[], namespace?: string) => {
      const started = startComponent({
        name: part,
        instance,
        argv,
        env: options.env,
        clock,
        log,
        ...(namespace === undefined ? {} : { namespace }),
      })
      undo.push(() => started.stop())
      return started
    }
    const relayScript = join(import.meta.dirname, 'nodes/relay-main.ts')
    component(
      'relay',
      [process.execPath, relayScript, `tcp:${bridgeAddress('cp', 'IPv4')}:${apiPort}`, `unix:${api.socketPath}`],
      namespaceOf(name, 'cp'),
    )

    const controllers = startControllers({ client: http, clock, random, log })
    undo.push(() => controllers.stop())
    const pods = startPodRuntime({ client: http, network, clock, random, log, kubeconfigInPods: api.nodeKubeconfig })
    undo.push(() => pods.stop())

    const balancerEndpoint = `unix:${join(folder, 'balancer.sock')}`
    const balancer = component(
      'balancer',
      [
        ...options.roadstead,
        'balancer',
        `--listen=${balancerEndpoint}`,
        `--pool=${families.map((family) => loadBalancerPools[family]).join(',')}`,
        '--inside-interface=eth0',
        `--state=${join(folder, 'balancer.json')}`,
      ],
      namespaceOf(name, 'lb'),
    )
    const operator = component('operator', [
      ...options.roadstead,
      'operator',
      `--kubeconfig=${api.kubeconfigFile}`,
      `--cluster-id=${name}`,
      '--provider=local',
      `--local-endpoint=${balancerEndpoint}`,
      '--lease-namespace=kube-system',
      // A killed operator is replaced within seconds, not within the quarter of a minute that suits a large cluster.
      '--leader-elect-lease-duration=3s',
      '--leader-elect-renew-deadline=2s',
      '--leader-elect-retry-period=250ms',
      '--drift-interval=15s',
      '--metrics-bind-address=127.0.0.1:0',
      '--health-bind-address=127.0.0.1:0',
    ])

    const proxies = new Map<string, Component>()
    const startProxy = (node: string) => {
      const place = network.node(node)
      if (place === undefined) return
      proxies.set(
        node,
        component(
          `proxy-${node}`,
          [
            ...options.roadstead,
            'proxy',
            `--kubeconfig=${api.nodeKubeconfig}`,
            `--hostname-override=${node}`,
            `--cluster-cidr=${Object.values(clusterCidrs).join(',')}`,
          ],
          place.namespace,
        ),
      )
    }
    for (const place of network.nodes()) startProxy(place.name)
    say(`processes: balancer, operator, ${options.nodes} proxies, cluster DNS; logs in ${folder}`)
    await pods.ready
    await controllers.synced

    const published = new Map<string, Component>()
    return {
      instance,
      network,
      client: http,
      apiUrl: api.server.url,
      kubeconfig: api.kubeconfigFile,
      balancerEndpoint,
      operator,
      balancer,
      proxy: (node) => proxies.get(node),
      async addNode() {
        const place = await network.addNode()
        await pods.addNode(place.name)
        startProxy(place.name)
        return place.name
      },
      async removeNode(node) {
        await proxies.get(node)?.stop('SIGKILL')
        proxies.delete(node)
        await pods.removeNode(node)
        await network.removeNode(node)
        await http.remove(nodeType, { name: node })
      },
      async publish(socketPath, target) {
        await published.get(socketPath)?.stop()
        rmSync(socketPath, { force: true })
        const host = target.host.includes(':') ? `[${target.host}]` : target.host
        published.set(
          socketPath,
          component(
            basename(socketPath, '.sock'),
            [process.execPath, relayScript, `unix:${socketPath}`, `tcp:${host}:${target.port}`],
            namespaceOf(name, 'client'),
          ),
        )
        await waitFor(`the relay on ${socketPath}`, 10, clock, () => existsSync(socketPath) || undefined)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

interface StartedApi {
  server: ApiServer
  socketPath: string
  kubeconfigFile: string
  /** The same server as nodes and Pods reach it. */
  nodeKubeconfig: string
}

async function startApi(options: ClusterOptions): Promise<StartedApi> {
  const { folder } = options
  const socketPath = join(folder, 'api.sock')
  const server = await startApiServer({
    listen: [{ host: '127.0.0.1', port: options.apiPort }, { socketPath }],
    clock: options.clock,
    random: options.random,
    serviceClusterIpRanges: families.map((family) => serviceCidrs[family]),
    serviceNodePortRange: { from: 30000, to: 32767 },
  })
  const kubeconfigFile = join(folder, 'kubeconfig')
  const nodeKubeconfig = join(folder, 'kubeconfig-nodes')
  await writeKubeconfig(kubeconfigFile, server.url, options.name)
  await writeFile(nodeKubeconfig, kubeconfig(`http://${bridgeAddress('cp', 'IPv4')}:${apiPort}`, options.name))
  return { server, socketPath, kubeconfigFile, nodeKubeconfig }
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
