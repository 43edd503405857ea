/**
 * What kubelet and a cloud's node controller say of a node: the Node object, its Ready condition, and the Lease that tells it is alive.
 * The Lease is the heartbeat (one write in 10 s per node, KEP-589); the Node's status is written once.
 */
import { isApiError, type KubeClient } from '../../kube/client.ts'
import { type Clock, sleep } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import type { Lease, Node, NodeCondition } from '../../kube/objects.ts'
import { leases, nodes } from '../../kube/resources.ts'
import { families, type NodePlace } from './topology.ts'

const leaseNamespace = 'kube-node-lease'
const leaseSeconds = 40
const renewMs = 10_000

/** `roadstead-local://<instance>/<node>`. */
function providerId(instance: string, node: string): string {
  return `roadstead-local://${instance}/${node}`
}

/** What the nodes share with the machine they are on, in Kubernetes' words (`amd64`). */
export interface MachineFacts {
  architecture: string
  kernelVersion: string
}

/** The Node of a place, pure. `now`: RFC 3339. */
export function nodeObject(
  instance: string,
  place: NodePlace,
  machine: MachineFacts,
  now: string,
): Node & { status: NonNullable<Node['status']> } {
  const [podCIDR] = place.podCidrs
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: place.name,
      labels: {
        'kubernetes.io/hostname': place.name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': machine.architecture,
        'topology.kubernetes.io/region': 'sandbox',
        'topology.kubernetes.io/zone': place.zone,
      },
    },
    spec: {
      ...(podCIDR === undefined ? {} : { podCIDR, podCIDRs: [...place.podCidrs] }),
      providerID: providerId(instance, place.name),
    },
    status: {
      addresses: [
        ...families(place.addresses).map(([, address]) => ({ type: 'InternalIP' as const, address })),
        { type: 'Hostname', address: place.name },
      ],
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', now),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', now),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', now),
        condition('Ready', 'True', 'KubeletReady', now),
      ],
      nodeInfo: {
        ...machine,
        kubeletVersion: 'v1.36.0-roadstead',
        containerRuntimeVersion: 'roadstead://netns',
        osImage: 'Roadstead sandbox',
        operatingSystem: 'linux',
      },
    },
  }
}

/** Creates the Node, or takes over one that exists, and writes its status. */
export async function registerNode(client: KubeClient, node: ReturnType<typeof nodeObject>): Promise<void> {
  const name = node.metadata.name ?? ''
  const { status, ...withoutStatus } = node
  try {
    await client.create(nodes, withoutStatus)
  } catch (error) {
    if (!isApiError(error, 409)) throw error
    const { metadata, spec } = withoutStatus
    await client.patch(nodes, { name }, { type: 'merge', body: { metadata: { labels: metadata.labels }, spec } })
  }
  await client.patch(nodes, { name }, { type: 'strategic', body: { status } }, { subresource: 'status' })
}

/** Renews the node's Lease until the signal aborts. Never rejects. */
export async function keepLease(
  node: string,
  options: { client: KubeClient; clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  const { client, clock, log, signal } = options
  const at = { namespace: leaseNamespace, name: node }
  while (!signal.aborted) {
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const spec = { holderIdentity: node, leaseDurationSeconds: leaseSeconds, renewTime }
    try {
      await client.patch(leases, at, { type: 'merge', body: { spec } }, {}, signal).catch(async (error: unknown) => {
        if (!isApiError(error, 404)) throw error
        const lease: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: at, spec }
        await client.create(leases, lease, {}, signal)
      })
    } catch (error) {
      if (!signal.aborted) log.warn({ node, error: String(error) }, 'Lease not renewed')
    }
    await sleep(clock, renewMs, signal)
  }
}

function condition(type: string, status: 'True' | 'False', reason: string, now: string): NodeCondition {
  const message = type === 'Ready' ? 'kubelet is posting ready status' : `kubelet has no ${type}`
  return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: now }
}
