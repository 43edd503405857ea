/**
 * Two clusters in one private network, side by side so that what disturbs one disturbs the other: `small` with 10 Services and `big` with
 * 10,000, each with an API server of its own (cp) and a node (node-1, node-2) with a Pod that connects. All endpoints live on node-3, whose
 * every address of `endpointNetwork` is answered by one process.
 */
import type { ChildProcess } from 'node:child_process'
import { systemClock } from '../../kube/clock.ts'
import type { HttpKubeClient } from '../../kube/http-client.ts'
import type { Endpoint, EndpointSlice } from '../../kube/objects.ts'
import { endpointSlices, nodes, services } from '../../kube/resources.ts'
import { claimInstance } from '../../sandbox/nodes/instance.ts'
import { ipBatch, spawnIn } from '../../sandbox/nodes/netns.ts'
import { createNetwork } from '../../sandbox/nodes/network.ts'
import { ownRunFolder } from '../../sandbox/nodes/own-run-folder.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { bridgeAddress, namespaceOf, type NodePlace } from '../../sandbox/nodes/topology.ts'
import { imageCompileCache } from '../aws/image.ts'
import { startApiServerProcess } from './api-server.ts'
import { type Connecting, startConnecting, type Target } from './connecting.ts'
import {
  endpointAddress,
  endpointNetwork,
  endpoints,
  service,
  servicePort,
  slice,
  targetPort,
  udpPort,
} from './objects.ts'
import { type ProxyProcess, startProxyProcess } from './proxy-process.ts'

export interface BenchCluster {
  readonly name: string
  readonly count: number
  readonly client: HttpKubeClient
  /** In a Pod on the node. */
  readonly connecting: Connecting
  /** In the node's own namespace. */
  readonly onNode: Connecting
  readonly namespace: string
  /** Where a Service is reached. */
  at(index: number): Target
  /** UDP port of Service 0. */
  readonly udp: Target
  /** Gives one endpoint of a Service an address it never had; resolves with it when the API server has written it. */
  change(index: number, at: number): { endpoint: string; write: () => Promise<void> }
  /** Leaves so many of the Service's endpoints. */
  scale(index: number, count: number): Promise<void>
  startProxy(): ProxyProcess
}

export interface BenchWorld {
  readonly apiServer: string
  readonly small: BenchCluster
  readonly big: BenchCluster
  close(): Promise<void>
}

const instanceName = 'bench-proxy'
const writers = 16

export async function startBenchWorld(counts: { small: number; big: number }): Promise<BenchWorld> {
  const clock = systemClock
  const folder = ownRunFolder(instanceName)
  const compileCache = await imageCompileCache()
  const instance = await claimInstance(instanceName, { folder, pid: process.pid, clock })
  const children: ChildProcess[] = []
  const clients: HttpKubeClient[] = []
  const network = await createNetwork({ instance, nodes: 3, families: ['IPv4', 'IPv6'], clock })
  const close = async () => {
    await Promise.all(
      children.map(async (child) => {
        child.kill('SIGKILL')
        await exitOf(child)
      }),
    )
    for (const client of clients) client.close()
    await network.remove()
  }
  const placeOf = (name: string): NodePlace => {
    const place = network.node(name)
    if (place === undefined) throw new Error(`no ${name}`)
    return place
  }

  const startFarm = async () => {
    const farm = placeOf('node-3')
    const via = farm.addresses.IPv4 ?? ''
    await ipBatch(
      [
        `route add local ${endpointNetwork} dev lo`,
        ...['node-1', 'node-2'].map(
          (name) => `route add ${placeOf(name).podCidrs[0]} via ${placeOf(name).addresses.IPv4}`,
        ),
      ],
      farm.namespace,
    )
    for (const name of ['node-1', 'node-2'])
      await ipBatch([`route add ${endpointNetwork} via ${via}`], placeOf(name).namespace)
    const main = new URL('answering-main.ts', import.meta.url).pathname
    const udpAddresses = [0, 1, 2].map((at) => endpointAddress(0, at))
    const child = spawnIn(farm.namespace, [process.execPath, main, String(targetPort), ...udpAddresses], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', (code) => reject(new Error(`the endpoints ended with ${code}`)))
    })
  }

  const startCluster = async (name: string, node: string, count: number, port: number) => {
    const place = placeOf(node)
    const api = await startApiServerProcess({
      name,
      folder,
      namespace: namespaceOf(instanceName, 'cp'),
      host: bridgeAddress('cp', 'IPv4'),
      port,
      children,
    })
    clients.push(api.client)
    const addresses = await fill(api.client, place, count)
    const pod = await network.addPod(node, node.slice(-1).repeat(10))
    const generations = new Map<number, number[]>()
    const write = async (index: number, of: readonly Endpoint[]) => {
      const at = { namespace: 'default', name: slice(index).metadata.name ?? '' }
      await api.client.patch<EndpointSlice>(endpointSlices, at, { type: 'merge', body: { endpoints: of } })
    }
    const cluster: BenchCluster = {
      name,
      count,
      client: api.client,
      connecting: await startConnecting(pod.namespace, children),
      onNode: await startConnecting(place.namespace, children),
      namespace: place.namespace,
      at: (index) => ({ host: addresses[index] ?? '', port: servicePort }),
      udp: { host: addresses[0] ?? '', port: udpPort },
      change(index, at) {
        const before = generations.get(index) ?? [0, 0, 0]
        const after = before.map((generation, position) => (position === at ? generation + 1 : generation))
        generations.set(index, after)
        return {
          endpoint: endpointAddress(index, at, after[at]),
          write: () => write(index, endpoints(index, after)),
        }
      },
      scale: (index, count) => write(index, endpoints(index, generations.get(index)).slice(0, count)),
      startProxy: () => startProxyProcess({ place, kubeconfig: api.kubeconfig, compileCache, children }),
    }
    return { cluster, kind: api.kind }
  }

  try {
    await startFarm()
    const small = await startCluster('small', 'node-1', counts.small, 6443)
    const big = await startCluster('big', 'node-2', counts.big, 6543)
    return { apiServer: big.kind, small: small.cluster, big: big.cluster, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The Services' addresses, by index. */
async function fill(client: HttpKubeClient, place: NodePlace, count: number): Promise<string[]> {
  await client.create(nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: place.name },
    spec: { podCIDRs: [...place.podCidrs] },
  })
  const own = Object.values(place.addresses).map((address) => ({ type: 'InternalIP' as const, address }))
  await client.patch(
    nodes,
    { name: place.name },
    { type: 'merge', body: { status: { addresses: own } } },
    { subresource: 'status' },
  )
  const addresses: string[] = []
  await abreast(count, async (index) => {
    const made = await client.create(services, service(index, index === 0))
    addresses[index] = made.spec.clusterIP ?? ''
    await client.create(endpointSlices, slice(index, index === 0))
  })
  return addresses
}

/** Calls `work` for 0 to count - 1, so many at a time. */
export async function abreast(count: number, work: (index: number) => Promise<void>, width = writers): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: width }, worker))
}
