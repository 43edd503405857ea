/**
 * A small real cluster for the proxy: two nodes with a proxy process each, Pods, a client outside, an API server in this process.
 * Objects are written by the tests themselves (no controllers), so every endpoint state can be made.
 */
import { type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { roadsteadCommand } from '../../cli/user-namespace.ts'
import type { KubeClient } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import { plainConnection } from '../../kube/connection.ts'
import { createHttpClient, type HttpKubeClient } from '../../kube/http-client.ts'
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../kube/objects.ts'
import { endpointSlices, nodes, services } from '../../kube/resources.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { type ApiServer, startApiServer } from '../../sandbox/apiserver/server.ts'
import { claimInstance } from '../../sandbox/nodes/instance.ts'
import { ownRunFolder } from '../../sandbox/nodes/own-run-folder.ts'
import { ipBatch, runIn, spawnIn } from '../../sandbox/nodes/netns.ts'
import { createNetwork, type Network } from '../../sandbox/nodes/network.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { bridgeAddress, namespaceOf, type PodPlace } from '../../sandbox/nodes/topology.ts'
import { type Agent, startAgent } from './agent.ts'
import { followProxy } from './proxy-output.ts'

/** null deletes. */
interface MergePatch {
  metadata?: { labels?: Record<string, string> | null }
  spec?: Partial<Service['spec']>
}

export interface PodInWorld {
  name: string
  node: string
  ip: string
  ip6: string
  place: PodPlace
  agent: Agent
}

export interface EndpointState extends Pick<Endpoint, 'conditions' | 'hints'> {
  pod: PodInWorld
}

export interface World {
  readonly client: KubeClient
  readonly server: ApiServer
  readonly network: Network
  /** Outside of the cluster; its packets keep their source. */
  readonly outside: Agent
  /** Processes on the nodes themselves. */
  readonly onNode: Readonly<Record<string, Agent>>
  nodeIp(node: string, family?: 'IPv4' | 'IPv6'): string
  addPod(name: string, node: string): Promise<PodInWorld>
  startProxy(node: string, ...flags: string[]): Promise<RunningProxy>
  /** Creates the Service and waits for its addresses; gives back what the server made of it. */
  service(name: string, spec: Partial<Service['spec']>): Promise<Service>
  /** Merge patch. */
  edit(name: string, patch: MergePatch): Promise<Service>
  status(name: string, status: Service['status']): Promise<Service>
  remove(name: string): Promise<void>
  /** Writes the Service's slices, one per family, from these Pods; replaces what there was. */
  endpoints(
    name: string,
    states: readonly (PodInWorld | EndpointState)[],
    ports?: readonly ServicePort[],
    /** Where the Pods listen. */
    listening?: number,
  ): Promise<void>
  /** Sends a load balancer address to a node, as a passthrough load balancer does. */
  routeAddress(address: string, node: string): Promise<void>
  /** Labels of a Node; null takes one away. */
  labelNode(node: string, labels: Readonly<Record<string, string | null>>): Promise<void>
  run(namespace: string, argv: readonly string[]): Promise<string>
  close(): Promise<void>
}

export interface RunningProxy {
  readonly child: ChildProcess
  log(): string
  end(signal: NodeJS.Signals): Promise<number | null>
}

const targetPort = 8080
const apiPort = 6443

export async function startWorld(name: string): Promise<World> {
  const clock = systemClock
  const folder = ownRunFolder(name)
  const instance = await claimInstance(name, { folder, pid: process.pid, clock })
  const network = await createNetwork({ instance, nodes: 2, families: ['IPv4', 'IPv6'], clock })
  const socketPath = join(folder, 'api.sock')
  const server = await startApiServer({
    listen: [{ socketPath }],
    serviceClusterIpRanges: ['10.96.0.0/16', 'fd00:96::/112'],
  })
  const client: HttpKubeClient = createHttpClient(plainConnection({ socketPath }))
  const kubeconfig = join(folder, 'kubeconfig')
  await writeKubeconfig(kubeconfig, `http://127.0.0.1:${apiPort}`, name)

  const children: ChildProcess[] = []
  const agents: Agent[] = []
  const agent = async (namespace: string, label: string, ports: readonly number[] = []) => {
    const started = await startAgent(namespace, label, ports)
    agents.push(started)
    return started
  }
  const close = async () => {
    await Promise.all(agents.map((each) => each.stop()))
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = exitOf(child)
      child.kill('SIGKILL')
      await ended
    }
    client.close()
    await server.close()
    await network.remove()
  }

  const onNode: Record<string, Agent> = {}
  const populate = async () => {
    for (const place of network.nodes()) {
      const relay = fileURLToPath(new URL('../../sandbox/nodes/relay-main.ts', import.meta.url))
      const child = spawnIn(place.namespace, [
        process.execPath,
        relay,
        `tcp:127.0.0.1:${apiPort}`,
        `unix:${socketPath}`,
      ])
      children.push(child)
      await new Promise<void>((resolve, reject) => {
        child.stdout?.once('data', () => resolve())
        child.once('exit', (code) => reject(new Error(`the relay of ${place.name} ended with ${code}`)))
      })
      await client.create(nodes, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: place.name },
        spec: { podCIDRs: [...place.podCidrs] },
      })
      const addresses = Object.values(place.addresses).map((address) => ({ type: 'InternalIP' as const, address }))
      await client.patch(
        nodes,
        { name: place.name },
        { type: 'merge', body: { status: { addresses } } },
        { subresource: 'status' },
      )
      onNode[place.name] = await agent(place.namespace, place.name)
    }
    return agent(namespaceOf(name, 'client'), 'client')
  }
  const outside = await populate().catch(async (error: unknown) => {
    await close()
    throw error
  })
  let pods = 0

  const at = (service: string) => ({ namespace: 'default', name: service })
  const world: World = {
    client,
    server,
    network,
    outside,
    onNode,
    nodeIp: (node, family = 'IPv4') => network.node(node)?.addresses[family] ?? '',
    async addPod(label, node) {
      const place = await network.addPod(node, (++pods).toString(16).padStart(10, '0'))
      return {
        name: label,
        node,
        ip: place.addresses.IPv4 ?? '',
        ip6: place.addresses.IPv6 ?? '',
        place,
        agent: await agent(place.namespace, label, [targetPort]),
      }
    },
    async startProxy(node, ...flags) {
      const argv = [...roadsteadCommand, 'proxy', '--kubeconfig', kubeconfig, '--hostname-override', node]
      const child = spawnIn(namespaceOf(name, node), [
        ...argv,
        '--cluster-cidr=10.244.0.0/16,fd00:244::/48',
        '--v=4',
        ...flags,
      ])
      children.push(child)
      const { ready, log } = followProxy(child)
      await ready
      return {
        child,
        log,
        async end(signal) {
          const ended = exitOf(child)
          child.kill(signal)
          return (await ended).code
        },
      }
    },
    service: (service, spec) =>
      client.create(services, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: at(service),
        spec: { ports: [{ port: 80, targetPort }], ...spec },
      }),
    edit: (service, body) => client.patch(services, at(service), { type: 'merge', body }),
    status: (service, status) =>
      client.patch(services, at(service), { type: 'merge', body: { status } }, { subresource: 'status' }),
    async remove(service) {
      await client.remove(services, at(service))
    },
    async endpoints(service, states, ports = [{ port: 80 }], listening = targetPort) {
      for (const [suffix, addressType] of [
        ['4', 'IPv4'],
        ['6', 'IPv6'],
      ] as const) {
        const slice: EndpointSlice = {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: {
            namespace: 'default',
            name: `${service}-${suffix}`,
            labels: { 'kubernetes.io/service-name': service },
          },
          addressType,
          ports: ports.map((port) => ({
            name: port.name ?? '',
            protocol: port.protocol ?? 'TCP',
            port: listening,
          })),
          endpoints: states.map((state) => {
            const { pod, ...more } = 'pod' in state ? state : { pod: state, conditions: { ready: true } }
            return { addresses: [addressType === 'IPv4' ? pod.ip : pod.ip6], nodeName: pod.node, ...more }
          }),
        }
        const present = await client
          .get(endpointSlices, { namespace: 'default', name: `${service}-${suffix}` })
          .catch(() => undefined)
        if (present === undefined) await client.create(endpointSlices, slice)
        else {
          await client.replace(endpointSlices, {
            ...slice,
            metadata: { ...slice.metadata, resourceVersion: present.metadata.resourceVersion ?? '' },
          })
        }
      }
    },
    async routeAddress(address, node) {
      const family = address.includes(':') ? 'IPv6' : 'IPv4'
      const line = (via: string) => `route replace ${address}/${family === 'IPv4' ? 32 : 128} via ${via}`
      await ipBatch([line(network.node(node)?.addresses[family] ?? '')], namespaceOf(name, 'lb'))
      await ipBatch([line(bridgeAddress('lb', family))], namespaceOf(name, 'router'))
    },
    async labelNode(node, labels) {
      await client.patch(nodes, { name: node }, { type: 'merge', body: { metadata: { labels } } })
    },
    async run(namespace, argv) {
      const { code, stdout, stderr } = await runIn(namespace, argv)
      if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
      return stdout
    },
    close,
  }
  return world
}

/** Waits until `look` gives `expected` (compared as JSON); throws with the last value after `withinMs`. */
export async function eventually<T>(look: () => Promise<T>, expected: T, withinMs = 3000): Promise<void> {
  const until = Date.now() + withinMs
  const wanted = JSON.stringify(expected)
  let last: string | undefined
  do {
    last = JSON.stringify(await look())
    if (last === wanted) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  } while (Date.now() < until)
  throw new Error(`expected ${wanted} within ${withinMs} ms, last saw ${last}`)
}
