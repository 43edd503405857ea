/** The processes of a sandbox as data: name, command line and namespace of each. Pure; component.ts runs them. */
import { basename, join } from 'node:path'
import {
  apiPort,
  bridgeAddress,
  clusterCidrs,
  type Family,
  loadBalancerPools,
  namespaceOf,
  type NodePlace,
} from './nodes/topology.ts'

export interface Part {
  name: string
  argv: readonly string[]
  /** Absent: the machine's own. */
  namespace?: string
}

export interface PartsContext {
  instance: string
  folder: string
  families: readonly Family[]
  /** The command line of roadstead's commands. */
  roadstead: readonly string[]
  /** The Node executable. */
  node: string
  kubeconfig: string
  /** As nodes reach the API server. */
  nodeKubeconfig: string
  apiSocket: string
}

const relayScript = join(import.meta.dirname, 'nodes/relay-main.ts')

/** Control API of the local cloud. */
export function balancerEndpoint({ folder }: Pick<PartsContext, 'folder'>): string {
  return `unix:${join(folder, 'balancer.sock')}`
}

/** Offers the API server's socket to nodes and Pods. */
export function apiRelayPart({ instance, node, apiSocket }: PartsContext): Part {
  return {
    name: 'relay',
    argv: [node, relayScript, `tcp:${bridgeAddress('cp', 'IPv4')}:${apiPort}`, `unix:${apiSocket}`],
    namespace: namespaceOf(instance, 'cp'),
  }
}

export function balancerPart(context: PartsContext): Part {
  const { instance, folder, families, roadstead } = context
  return {
    name: 'balancer',
    argv: [
      ...roadstead,
      'balancer',
      `--listen=${balancerEndpoint(context)}`,
      `--pool=${families.map((family) => loadBalancerPools[family]).join(',')}`,
      '--inside-interface=eth0',
      `--state=${join(folder, 'balancer.json')}`,
    ],
    namespace: namespaceOf(instance, 'lb'),
  }
}

export function operatorPart(context: PartsContext): Part {
  return {
    name: 'operator',
    argv: [
      ...context.roadstead,
      'operator',
      `--kubeconfig=${context.kubeconfig}`,
      `--cluster-id=${context.instance}`,
      '--provider=local',
      `--local-endpoint=${balancerEndpoint(context)}`,
      '--lease-namespace=kube-system',
      // A killed operator is replaced within seconds, not within the quarter of a minute that suits a large cluster.
      '--leader-elect-lease-duration=3s',
      '--leader-elect-renew-deadline=2s',
      '--leader-elect-retry-period=250ms',
      '--drift-interval=15s',
      '--metrics-bind-address=127.0.0.1:0',
      '--health-bind-address=127.0.0.1:0',
    ],
  }
}

export function proxyPart({ roadstead, nodeKubeconfig }: PartsContext, place: NodePlace): Part {
  return {
    name: `proxy-${place.name}`,
    argv: [
      ...roadstead,
      'proxy',
      `--kubeconfig=${nodeKubeconfig}`,
      `--hostname-override=${place.name}`,
      `--cluster-cidr=${Object.values(clusterCidrs).join(',')}`,
      // A node's proxy is the last to be killed for memory; a guest on somebody's machine is not.
      '--oom-score-adj=0',
    ],
    namespace: place.namespace,
  }
}

/** Leads a unix socket to an address and port as the client outside sees them. */
export function publishPart(
  { instance, node }: PartsContext,
  socketPath: string,
  target: { host: string; port: number },
): Part {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return {
    name: basename(socketPath, '.sock'),
    argv: [node, relayScript, `unix:${socketPath}`, `tcp:${host}:${target.port}`],
    namespace: namespaceOf(instance, 'client'),
  }
}
