/** A small world for the tests here: an instance of its own name, its network, on demand an API server and the Pod runtime. */
import { dirname, join } from 'node:path'
import type { KubeClient } from '../../kube/client.ts'
import { sleep, systemClock } from '../../kube/clock.ts'
import { silent } from '../../kube/log.ts'
import type { Container, Pod } from '../../kube/objects.ts'
import { pods } from '../../kube/resources.ts'
import { createApi } from '../../sandbox/apiserver/api.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { claimInstance, sweepDead } from '../../sandbox/nodes/instance.ts'
import { createNetwork, type Network } from '../../sandbox/nodes/network.ts'
import { ownRunFolder } from '../../sandbox/nodes/own-run-folder.ts'
import { startPodRuntime } from '../../sandbox/nodes/pod-runtime.ts'

export const clock = systemClock

/** Parent of the run folders of this user's sandboxes. */
export function base(): string {
  return dirname(ownRunFolder('any'))
}

export async function withNetwork(
  name: string,
  nodes: number,
  use: (network: Network) => Promise<void>,
): Promise<void> {
  await sweepDead(clock, base())
  const folder = ownRunFolder(name)
  const instance = await claimInstance(name, { folder, pid: process.pid, clock })
  const network = await createNetwork({ instance, nodes, families: ['IPv4', 'IPv6'], clock })
  try {
    await use(network)
  } finally {
    await network.remove()
  }
}

export interface World {
  network: Network
  client: KubeClient
  runtime: ReturnType<typeof startPodRuntime>
  create(name: string, spec: Partial<Pod['spec']> & { container?: Partial<Container> }): Promise<Pod>
  /** Resolves with the Pod once `holds` is true of it; `undefined` is a Pod that is gone. */
  until(name: string, holds: (pod: Pod | undefined) => boolean, seconds?: number): Promise<Pod>
}

export async function withPods(name: string, nodes: number, use: (world: World) => Promise<void>): Promise<void> {
  await withNetwork(name, nodes, async (network) => {
    const client = inProcessClient(createApi({ clock, random: Math.random }))
    const kubeconfigInPods = join(network.instance.folder, 'kubeconfig-nodes')
    const backoff = { initialMs: 100, maxMs: 400, forgetAfterMs: 60_000 }
    const runtime = startPodRuntime({
      client,
      network,
      clock,
      random: Math.random,
      log: silent,
      kubeconfigInPods,
      backoff,
    })
    try {
      await runtime.ready
      await use({ network, client, runtime, create: createPod(client), until: untilPod(client) })
    } finally {
      await runtime.stop()
    }
  })
}

function createPod(client: KubeClient) {
  return async (name: string, { container, ...spec }: Partial<Pod['spec']> & { container?: Partial<Container> }) =>
    await client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', labels: { app: 'web' } },
      spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'echo', ...container }], ...spec },
    })
}

function untilPod(client: KubeClient) {
  return async (name: string, holds: (pod: Pod | undefined) => boolean, seconds = 20): Promise<Pod> => {
    const end = clock.now() + seconds * 1000
    for (;;) {
      const pod = (await client.list(pods, 'default')).items.find(({ metadata }) => metadata.name === name)
      if (holds(pod)) return pod ?? { metadata: {}, spec: { containers: [] } }
      if (clock.now() > end) throw new Error(`Pod ${name} after ${seconds} s: ${JSON.stringify(pod?.status ?? 'gone')}`)
      await sleep(clock, 20)
    }
  }
}

export function isReady(pod: Pod | undefined): boolean {
  return pod?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
}
