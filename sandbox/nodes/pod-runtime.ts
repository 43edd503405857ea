/**
 * The kubelet's part for all sandbox nodes: registers them, watches Pods bound to them, gives each Pod a worker (pods/pod-worker.ts).
 * A worker belongs to a UID: a Pod that comes back under the same name gets a new one while the old one still ends.
 */
import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { arch, release } from 'node:os'
import { join } from 'node:path'
import { isApiError, type KubeClient } from '../../kube/client.ts'
import { type Clock, sleep } from '../../kube/clock.ts'
import { createEventRecorder } from '../../kube/event-recorder.ts'
import { startInformer } from '../../kube/informer.ts'
import type { Log } from '../../kube/log.ts'
import type { Pod } from '../../kube/objects.ts'
import { pods as podType, services as serviceType } from '../../kube/resources.ts'
import type { Network } from './network.ts'
import { keepLease, type MachineFacts, nodeObject, registerNode } from './node-objects.ts'
import { kubeletBackoff, type RestartBackoff } from './pods/container.ts'
import { builtinImages } from './pods/images.ts'
import { type PodWorker, startPodWorker } from './pods/pod-worker.ts'
import { type Prober, startProber } from './pods/prober.ts'
import { dnsServiceAddress, type NodePlace } from './topology.ts'

export interface PodRuntimeOptions {
  client: KubeClient
  network: Network
  clock: Clock
  random: () => number
  log: Log
  /** Kubeconfig that works inside the cluster's network. */
  kubeconfigInPods: string
  /** Node executable that runs the built-in images. */
  node?: string
  /** What every process gets beside its own variables. */
  env?: Readonly<Record<string, string>>
  backoff?: RestartBackoff
}

export interface PodRuntime {
  /** Resolves when the nodes the network had at the start are registered and Pods are watched. */
  readonly ready: Promise<void>
  /** The network has the node already. */
  addNode(name: string): Promise<void>
  /** As if its machine had stopped: no last words to the API server. The Node object stays. */
  removeNode(name: string): Promise<void>
  /** Ends every process at once; objects stay as they are. */
  stop(): Promise<void>
}

interface NodeEntry {
  place: NodePlace
  prober: Prober
  leaving: AbortController
  lease: Promise<void>
}

const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** kubelet kills Pods whose object is gone without the usual grace. */
const orphanGraceMs = 1000

export function startPodRuntime(options: PodRuntimeOptions): PodRuntime {
  const { client, network, clock, random, log } = options
  const node = options.node ?? process.execPath
  const compileCache = join(network.instance.folder, 'compile-cache')
  mkdirSync(compileCache, { recursive: true })
  // The cache makes a Pod's process start in about half the time.
  const baseEnv = { PATH: usualPath, HOME: '/', NODE_COMPILE_CACHE: compileCache, ...options.env }
  const images = builtinImages({ node, kubeconfigInPods: options.kubeconfigInPods })
  const events = createEventRecorder({ client, component: 'kubelet', clock, random, log })
  const entries = new Map<string, NodeEntry>()
  const workers = new Map<string, PodWorker & { node: string }>()
  const stopping = new AbortController()
  const informerOptions = { client, clock, random, log, signal: stopping.signal }
  const services = startInformer({ ...informerOptions, type: serviceType })
  const pods = startInformer({ ...informerOptions, type: podType })

  const consider = (pod: Pod) => {
    const { uid = '' } = pod.metadata
    const known = workers.get(uid)
    if (known) return known.update(pod)
    const entry = entries.get(pod.spec.nodeName ?? '')
    if (!entry || !services.hasSynced || stopping.signal.aborted) return
    if (pod.metadata.deletionTimestamp !== undefined) return void letGo(pod)
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return
    const worker = startPodWorker({
      pod,
      node: entry.place,
      network,
      prober: entry.prober,
      client,
      events,
      images,
      dns: { nameserver: dnsServiceAddress, clusterDomain: 'cluster.local' },
      services: () => services.cache.values(),
      baseEnv,
      resolvConfPath: resolvConfPlace(),
      backoff: options.backoff ?? kubeletBackoff,
      clock,
      log,
    })
    workers.set(uid, { ...worker, node: entry.place.name })
  }

  /** Deleted before anything of it ran here. */
  const letGo = async ({ metadata: { namespace = '', name = '', uid = '' } }: Pod) => {
    await client
      .remove(podType, { namespace, name }, { uid, gracePeriodSeconds: 0 }, stopping.signal)
      .catch((error: unknown) => {
        if (!isApiError(error) && !stopping.signal.aborted)
          log.warn({ namespace, name, error: String(error) }, 'Pod not let go')
      })
  }

  const endWorker = async (uid: string, graceMs: number) => {
    await workers
      .get(uid)
      ?.end(graceMs)
      .catch((error: unknown) => log.error({ uid, error: String(error) }, 'Pod not ended cleanly'))
    workers.delete(uid)
  }

  const considerAll = () => {
    for (const pod of pods.cache.values()) consider(pod)
  }

  const addNode = async (name: string) => {
    const place = network.node(name)
    if (!place) throw new Error(`the network has no ${name}`)
    const leaving = new AbortController()
    const prober = startProber({ namespace: place.namespace, node, env: baseEnv, clock })
    const lease = keepLease(name, { client, clock, log, signal: leaving.signal })
    entries.set(name, { place, prober, leaving, lease })
    const object = nodeObject(network.instance.name, place, machineFacts(), new Date(clock.now()).toISOString())
    await untilDone(() => registerNode(client, object), { clock, log, signal: leaving.signal })
    considerAll()
  }

  const removeNode = async (name: string) => {
    const entry = entries.get(name)
    if (!entry) return
    entries.delete(name)
    entry.leaving.abort()
    const its = [...workers].filter(([, worker]) => worker.node === name)
    await Promise.all([entry.prober.stop(), entry.lease, ...its.map(([uid]) => endWorker(uid, 0))])
  }

  pods.cache.onChange((change) => {
    if (change.kind === 'removed') void endWorker(change.before.metadata.uid ?? '', orphanGraceMs)
    else consider(change.after)
  })

  const begin = async () => {
    await Promise.all(network.nodes().map(({ name }) => addNode(name)))
    await Promise.all([services.synced, pods.synced])
    considerAll()
  }

  return {
    ready: begin(),
    addNode,
    removeNode,
    async stop() {
      stopping.abort()
      await Promise.all([...entries.keys()].map(removeNode))
      await Promise.all([...workers.keys()].map((uid) => endWorker(uid, 0)))
      await Promise.all([services.stop(), pods.stop(), events.stop()])
    },
  }
}

/** The API server may be away for a moment; anything it refuses is the caller's error. */
async function untilDone(
  act: () => Promise<void>,
  options: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  for (let wait = 100; !options.signal.aborted; wait = Math.min(wait * 2, 5000)) {
    try {
      return await act()
    } catch (error) {
      if (isApiError(error) && error.code >= 400 && error.code < 500 && error.code !== 429) throw error
      options.log.warn({ error: String(error) }, 'Node not registered, trying again')
      await sleep(options.clock, wait, options.signal)
    }
  }
}

function machineFacts(): MachineFacts {
  return { architecture: arch() === 'x64' ? 'amd64' : arch(), kernelVersion: release() }
}

/** A bind mount needs the file itself, not a link to it. */
function resolvConfPlace(): string | undefined {
  return existsSync('/etc/resolv.conf') ? realpathSync('/etc/resolv.conf') : undefined
}
