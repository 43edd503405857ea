/**
 * The whole operator from its parts, with no I/O of its own: client, providers, clock, random and log are arguments. It runs the same behind
 * main.ts and, with an in-process API and a cloud in memory, in virtual time inside a test, where it can be dropped at any call.
 */
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../kube/clock.ts'
import { createEventRecorder, referenceTo } from '../kube/event-recorder.ts'
import type { Log } from '../kube/log.ts'
import type { Service } from '../kube/objects.ts'
import { services as servicesType } from '../kube/resources.ts'
import { runWorkers } from '../kube/workers.ts'
import { createKeyQueue } from '../kube/queue.ts'
import type { KeyQueue } from '../kube/queue.ts'
import type { Provider } from '../providers/contract.ts'
import { createNodePorts } from '../reconcilers/nodeports/node-ports.ts'
import { createNodeWaves } from '../reconcilers/placement/node-waves.ts'
import { createNodeWindow } from '../reconcilers/placement/node-window.ts'
import { createPlacements, placementKey, serviceKeyOf } from '../reconcilers/placement/placements.ts'
import type { Placements } from '../reconcilers/placement/placements.ts'
import { desire, ownerOf } from '../reconcilers/service/desire.ts'
import type { Desire } from '../reconcilers/service/desire.ts'
import { nodesWithoutCloud } from '../reconcilers/service/notice.ts'
import { serviceReconciler } from '../reconcilers/service/reconcile.ts'
import { serviceWrites } from '../reconcilers/service/writes.ts'
import { component } from '../reconcilers/words.ts'
import { adminReconciler } from '../reconcilers/classes/reconcile.ts'
import { orphanSearch } from '../reconcilers/orphans/search.ts'
import { startCaches } from './caches.ts'
import { createCloudLane } from './cloud-lane.ts'
import type { CloudLane } from './cloud-lane.ts'
import type { OperatorConfig } from './config.ts'
import { confirmation } from './confirm.ts'
import { silentMetrics } from './metrics-port.ts'
import type { OperatorMetrics } from './metrics-port.ts'
import { surroundings } from './surroundings.ts'
import { watchEverything } from './watching.ts'

export interface OperatorDeps {
  client: KubeClient
  providers: readonly Provider[]
  clock: Clock
  random: () => number
  log: Log
  config: OperatorConfig
  metrics?: OperatorMetrics
}

export interface Operator {
  /** Works until the signal aborts; resolves when everything has been put down. */
  run(signal: AbortSignal): Promise<void>
  /** The caches are complete and the workers run. */
  readonly working: boolean
}

export function createOperator(deps: OperatorDeps): Operator {
  let working = false
  return {
    get working() {
      return working
    },
    async run(signal) {
      const caches = startCaches(deps)
      try {
        if (!(await beforeAbort(caches.synced, signal))) return
        await work(deps, caches, signal, () => (working = true))
      } finally {
        working = false
        await caches.stop()
      }
    },
  }
}

async function work(
  deps: OperatorDeps,
  caches: ReturnType<typeof startCaches>,
  signal: AbortSignal,
  started: () => void,
): Promise<void> {
  const { client, providers, clock, random, log, config, metrics = silentMetrics } = deps
  const around = surroundings(caches, providers, config.cluster)
  const decide = (service: Service) => desire(service, around)
  const placements = createPlacements()
  const backoff = { initialMs: 1000, maxMs: 300_000 }
  const serviceQueue = createKeyQueue({
    clock,
    random,
    backoff: { initialMs: 100, maxMs: 60_000 },
    hooks: metrics.queue('service'),
  })
  const adminQueue = createKeyQueue({ clock, random, backoff, hooks: metrics.queue('class') })
  const recorder = createEventRecorder({ client, component, clock, random, log })
  const learnService = (service: Service) => caches.services.learn(service)

  const window = createNodeWindow({
    clock,
    windowMs: config.nodeWindowMs,
    nodes: () => caches.nodes.cache.values(),
    clouds: providers,
    changed(clouds) {
      for (const provider of providers) if (clouds.includes(provider.name)) provider.nodes?.(window.of(provider.name))
      for (const cloud of clouds) waves.start(cloud)
    },
    strangersChanged() {
      for (const { owner } of placements.all()) serviceQueue.add(serviceKeyOf(owner))
    },
  })
  const waves = createNodeWaves({
    clock,
    collecting: () => window.collecting,
    keys: (cloud) => placements.inCloud(cloud),
    wake: (cloud, key) => lanes.get(cloud)?.placement.add(key),
  })
  const confirm = confirmation({ client, decide, learn: learnService, enqueue: (key) => serviceQueue.add(key) })
  const lanes = new Map(
    providers.map((provider) => [
      provider.name,
      createCloudLane({
        ...deps,
        metrics,
        provider,
        placements,
        confirm,
        nodes: (selector) => window.of(provider.name, selector),
        settled: (key) => serviceQueue.add(key),
        backoff,
      }),
    ]),
  )
  const nodePorts = createNodePorts({
    client,
    pools: () => caches.pools.cache.values(),
    services: () => caches.services.cache.values(),
    namespaceLabels: (namespace) => around.namespaceLabels(namespace),
    serverRange: config.nodePortRange,
    learn: learnService,
  })
  const refused = new Set<string>()
  const reconcileService = serviceReconciler({
    service: (key) => caches.services.cache.at(key),
    loadBalancer: (key) => caches.loadBalancers.cache.at(key),
    decide,
    cluster: config.cluster,
    clouds: providers.map(({ name }) => name),
    placements,
    enqueue: (cloud, key) => lanes.get(cloud)?.placement.add(key),
    nodePorts,
    writes: serviceWrites({
      client,
      learnService,
      learnLoadBalancer: (object) => caches.loadBalancers.learn(object),
      now: () => rfc3339(clock),
    }),
    event: (service, { type, reason, message }) =>
      recorder.event(referenceTo(servicesType, service), type, reason, message),
    notes: (service, clouds) => [
      ...nodesWithoutCloud(window.ofNoCloud, [...around.cloudNames()]),
      ...providers
        .filter(({ name }) => clouds.includes(name))
        .flatMap((provider) => provider.hints?.(service.metadata.annotations ?? {}) ?? []),
    ],
    refused: (key) => refused.add(key),
    clock,
    observed: metrics.service(clock),
  })
  const reconcileAdmin = adminReconciler({
    client,
    classes: caches.classes,
    pools: caches.pools,
    features: (cloud) => around.features(cloud),
    cloudNames: () => around.cloudNames(),
    use: (spec) => nodePorts.use(spec),
    event: (reference, text) => recorder.event(reference, text.type, text.reason, text.message),
    measured: (pool, use) => metrics.pool(pool, use),
    now: () => rfc3339(clock),
  })

  window.take()
  contributeAll(caches.services.cache.values(), { decide, cluster: config.cluster, placements, lanes })
  const stopWatching = watchEverything({ caches, decide, placements, window, serviceQueue, adminQueue, refused })
  const search = orphanSearch({
    providers,
    client,
    placements,
    cluster: config.cluster,
    concerns: (service) => decide(service).kind !== 'not-ours',
    intervalMs: config.orphanIntervalMs,
    remove: config.deleteOrphans,
    enqueue: (cloud, key) => lanes.get(cloud)?.placement.add(key),
    event: (reference, text) => recorder.event(reference, text.type, text.reason, text.message),
    measured: (cloud, count) => metrics.orphans(cloud, count),
    clock,
    log,
  })
  metrics.attach?.(placements)
  started()
  const onError = (queue: string) => (key: string, error: unknown) => {
    metrics.reconcileError(queue, error)
    log.warn({ queue, key, err: error }, 'reconcile failed; it will be tried again')
  }
  const serve = (name: string, queue: KeyQueue, workers: number, reconcile: Parameters<typeof metrics.timed>[1]) =>
    runWorkers({ queue, workers, work: metrics.timed(name, reconcile), signal, onError: onError(name) })
  try {
    await Promise.all([
      serve('service', serviceQueue, config.concurrency, reconcileService),
      serve('class', adminQueue, 1, reconcileAdmin),
      ...[...lanes.values()].map((lane) => lane.run(signal, onError)),
      search.run(signal),
    ])
  } finally {
    stopWatching()
    window.stop()
    waves.stop()
    await recorder.stop()
  }
}

/** Shared documents are written only after every Service of the first list has contributed what it wants to stand in them. */
function contributeAll(
  services: Iterable<Service>,
  {
    decide,
    cluster,
    placements,
    lanes,
  }: {
    decide: (service: Service) => Desire
    cluster: string
    placements: Placements
    lanes: ReadonlyMap<string, CloudLane>
  },
): void {
  for (const service of services) {
    const wanted = decide(service)
    if (wanted.kind !== 'wanted' || service.metadata.finalizers?.includes(wanted.finalizer) !== true) continue
    for (const { cloud, base } of wanted.placements) {
      const owner = ownerOf(service, cluster)
      placements.want(cloud, owner, base)
      lanes.get(cloud)?.contribute(base)
      lanes.get(cloud)?.placement.add(placementKey(owner))
    }
  }
}

/** RFC 3339 in whole seconds, as metav1.Time prints it. */
function rfc3339(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** False when the signal came first. */
async function beforeAbort(promise: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  let stop = () => {}
  const aborted = new Promise<false>((resolve) => {
    stop = () => resolve(false)
    signal.addEventListener('abort', stop, { once: true })
  })
  const won = await Promise.race([promise.then(() => true), aborted])
  signal.removeEventListener('abort', stop)
  return won
}
