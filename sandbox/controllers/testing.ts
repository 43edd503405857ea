/**
 * A small cluster in this process for the tests here: API, virtual time, controllers, and a kubelet that makes scheduled
 * Pods ready and lets deleted ones go. Nothing in it uses sockets or real time.
 */
import type { Deployment, Node, Pod, Service } from '../../kube/objects.ts'
import { silent } from '../../kube/log.ts'
import * as types from '../../kube/resources.ts'
import { listAll } from '../../kube/list-all.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { createApi } from '../apiserver/api.ts'
import { inProcessClient } from '../apiserver/in-process-client.ts'
import { startControllers } from './controllers.ts'

export type Cluster = Awaited<ReturnType<typeof startCluster>>

export async function startCluster(nodes = 3, seed = 1) {
  const clock = createVirtualClock()
  const random = randomFrom(seed)
  const api = createApi({ clock, random })
  const client = inProcessClient(api, 'controllers')
  for (let index = 1; index <= nodes; index++) await client.create(types.nodes, node(index))
  const controllers = startControllers({ client, clock, random, log: silent })
  let nextAddress = 1
  const pods = async (namespace = 'default') => (await listAll(client, types.pods, { namespace })).objects

  /** What kubelets do, once: running and ready, or gone. */
  async function kubelet(isReady: (pod: Pod) => boolean = () => true): Promise<void> {
    for (const pod of (await listAll(client, types.pods)).objects) {
      const at = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' }
      if (!pod.spec.nodeName) continue
      if (pod.metadata.deletionTimestamp !== undefined) {
        await client.remove(types.pods, at, { gracePeriodSeconds: 0 })
        continue
      }
      const ready = isReady(pod) ? 'True' : 'False'
      const known = pod.status?.conditions?.find(({ type }) => type === 'Ready')
      if (known?.status === ready) continue
      const ip = pod.status?.podIP ?? `10.244.1.${nextAddress++}`
      const lastTransitionTime = new Date(clock.now()).toISOString()
      const status: Pod['status'] = {
        phase: 'Running',
        podIP: ip,
        podIPs: [{ ip }],
        conditions: [{ type: 'Ready', status: ready, lastTransitionTime }],
      }
      await client.patch(types.pods, at, { type: 'merge', body: { status } }, { subresource: 'status' })
    }
  }

  const cluster = {
    client,
    faults: api.faults,
    clock,
    kubelet,
    pods,
    /** Lets everything that is due happen. */
    settle: (ms = 1000) => clock.advance(ms),
    /** Kubelet and controllers in turns, until both have had enough of them. */
    async run(turns = 8, isReady?: (pod: Pod) => boolean) {
      for (let turn = 0; turn < turns; turn++) {
        await cluster.settle(200)
        await kubelet(isReady)
      }
      await cluster.settle()
    },
    stop: () => controllers.stop(),
  }
  await clock.advance(1)
  await controllers.synced
  return cluster
}

export function node(index: number, more: Partial<Node> = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${index}`, labels: { 'topology.kubernetes.io/zone': `zone-${index}` } },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
    ...more,
  }
}

export function pod(
  name: string,
  more: Partial<Pod['spec']> = {},
  labels: Record<string, string> = { app: 'web' },
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name, labels },
    spec: { containers: [{ name: 'echo', image: 'echo' }], ...more },
  }
}

export function service(name: string, spec: Partial<Service['spec']> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
  }
}

export function deployment(name: string, replicas: number, spec: Partial<Deployment['spec']> = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'default', name },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'echo', image: 'echo' }] },
      },
      ...spec,
    },
  }
}

/** mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
