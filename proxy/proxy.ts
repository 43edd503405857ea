/**
 * Puts the parts together: informers mark Services in the ruleset, sync writes what follows, health answers for it.
 * Everything from outside (API server, kernel, time) comes in as arguments; run.ts gives the real ones.
 */
import { networkInterfaces } from 'node:os'
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../kube/clock.ts'
import { createEventRecorder, referenceTo } from '../kube/event-recorder.ts'
import { startInformer } from '../kube/informer.ts'
import type { Log } from '../kube/log.ts'
import { endpointSlices, nodes, services } from '../kube/resources.ts'
import { type Address, contains, parseAddress } from './addresses.ts'
import type { ProxyConfig } from './config.ts'
import { configDocument } from './config-document.ts'
import { createHealthCheckServers } from './health-checks.ts'
import { createHealth, type Health } from './health.ts'
import { type Listening, listen, ListenFailure } from './listen.ts'
import { createMetrics, type ProxyMetrics } from './metrics.ts'
import { isEligible, nodeFacts, sameFacts } from './node-facts.ts'
import type { NodeFacts } from './rules.ts'
import { createRuleset } from './ruleset.ts'
import { healthListener, metricsListener } from './status-servers.ts'
import { createSync } from './sync.ts'
import { serviceKeyOf, trimNode, trimService, trimSlice } from './trimmed.ts'
import type { RuleWriter } from './writer.ts'

export interface ProxyOptions {
  config: ProxyConfig
  nodeName: string
  client: KubeClient
  writer: RuleWriter
  clock: Clock
  random: () => number
  log: Log
}

export interface Proxy {
  /** Where /healthz is answered; undefined: nowhere. */
  readonly healthz: Listening | undefined
  /** Undefined when its port was taken: the proxy works without it. */
  readonly metrics: Listening | undefined
  /** Resolves after the first write. */
  readonly ready: Promise<void>
  /** Ends everything but the rules, which go on forwarding. */
  stop(): Promise<void>
}

/** Rejects with ListenFailure when the health port cannot be opened: most likely another proxy runs on this node. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { config, nodeName, client, writer, clock, random, log } = options
  const metrics = createMetrics()
  const health = createHealth(clock, config.syncMs)
  const { healthz, metricsServer } = await openServers(config, health, metrics, log)
  const recorder = createEventRecorder({ client, component: 'roadstead-proxy', host: nodeName, clock, random, log })

  const informing = { client, clock, random, log }
  const serviceInformer = startInformer({
    ...informing,
    type: services,
    transform: trimService,
    labelSelector: '!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name',
  })
  const sliceInformer = startInformer({
    ...informing,
    type: endpointSlices,
    transform: trimSlice,
    labelSelector: '!service.kubernetes.io/headless',
    indexes: { service: (slice) => [serviceKeyOf(slice) ?? ''] },
  })
  const nodeInformer = startInformer({
    ...informing,
    type: nodes,
    transform: trimNode,
    fieldSelector: `metadata.name=${nodeName}`,
  })

  const standing = { nodeName, nodeIps: config.nodeIps, nodePortAddresses: config.nodePortAddresses }
  const factsNow = (): NodeFacts =>
    nodeFacts(
      standing,
      nodeInformer.cache.at(nodeName),
      config.nodePortAddresses === 'primary' ? [] : interfaceAddresses(),
    )
  let facts = factsNow()
  const ruleset = createRuleset(
    {
      serviceKeys: () => serviceInformer.cache.keys(),
      service: (key) => serviceInformer.cache.at(key),
      slices: (key) => sliceInformer.cache.indexed('service', key),
    },
    config.graceMs,
    facts,
  )

  const healthChecks = createHealthCheckServers({
    hosts: config.nodePortAddresses === 'primary' ? ['::'] : facts.nodePortAddresses.map((address) => address.text),
    serving: () => health.serving(),
    log,
    onFailure({ service: key, port }, error) {
      const service = serviceInformer.cache.at(key)
      const message = `node ${nodeName} failed to start healthcheck ${JSON.stringify(key)} on port ${port}: ${messageOf(error)}`
      log.error({ service: key, port, error }, 'a health check node port could not be opened')
      if (service) recorder.event(referenceTo(services, service), 'Warning', 'FailedToStartServiceHealthcheck', message)
    },
  })

  const firstWrite = Promise.withResolvers<void>()
  const sync = createSync({
    ruleset,
    writer,
    clock,
    log,
    minSyncMs: config.minSyncMs,
    syncMs: config.syncMs,
    isInside: (text) => isInside(config, facts, text),
    observe: {
      waiting(since) {
        health.waiting(since)
        if (since !== undefined) metrics.queued(since)
      },
      wrote(batch) {
        health.wrote()
        metrics.synced(clock.now())
        metrics.wrote(batch)
        if (batch.elements > 0) log.debug({ ...batch }, 'rules written')
        healthChecks.retry()
        followNode()
        firstWrite.resolve()
      },
      failed: () => metrics.failed(),
      forgot: (entries) => metrics.affinityForgotten(entries),
      settled: () => healthChecks.set(ruleset.healthChecks),
    },
  })

  const followNode = () => {
    const node = nodeInformer.cache.at(nodeName)
    health.setEligible(isEligible(node))
    const now = factsNow()
    if (sameFacts(facts, now)) return
    facts = now
    ruleset.setNode(now)
    ruleset.markAll()
    sync.poke()
  }
  const mark = (key: string | undefined) => {
    if (key === undefined) return
    ruleset.mark(key)
    sync.poke()
  }
  serviceInformer.cache.onChange(({ key }) => mark(key))
  sliceInformer.cache.onChange(({ before, after }) => {
    for (const key of new Set([before && serviceKeyOf(before), after && serviceKeyOf(after)])) mark(key)
  })
  nodeInformer.cache.onChange(followNode)

  const stopping = new AbortController()
  const begin = async () => {
    if (await sync.inherit()) health.inherited()
    // Writing from half the objects would cut the other half off: a restart must not be an outage (kubernetes#130119).
    await Promise.all([serviceInformer.synced, sliceInformer.synced, nodeInformer.synced])
    if (stopping.signal.aborted) return
    followNode()
    log.info({ services: serviceInformer.cache.size, slices: sliceInformer.cache.size }, 'objects complete')
    sync.start()
  }
  // Not everybody waits for it.
  firstWrite.promise.catch(() => {})
  begin().catch((error: unknown) => firstWrite.reject(error))

  return {
    healthz,
    metrics: metricsServer,
    ready: firstWrite.promise,
    async stop() {
      stopping.abort()
      await Promise.all([serviceInformer.stop(), sliceInformer.stop(), nodeInformer.stop()])
      await sync.stop()
      await Promise.all([healthChecks.close(), healthz?.close(), metricsServer?.close(), recorder.stop()])
    },
  }
}

function isInside(config: ProxyConfig, facts: NodeFacts, text: string): boolean {
  const address = parseAddress(text)
  if (address === undefined) return false
  return (
    facts.addresses.some((own) => own.text === address.text) ||
    config.clusterCidrs.some((range) => contains(range, address))
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Rejects with ListenFailure. */
async function openServers(config: ProxyConfig, health: Health, metrics: ProxyMetrics, log: Log) {
  const at = config.healthz
  const healthz =
    at &&
    (await listen(at, healthListener(health, metrics)).catch((cause: unknown) => {
      throw new ListenFailure('health', at, cause)
    }))
  const beside = config.metrics
  if (beside === undefined) return { healthz, metricsServer: undefined }
  const answer = metricsListener(metrics, config.mode, () => configDocument(config.values))
  const metricsServer = await listen(beside, answer).catch(async (error: unknown) => {
    if (config.bindHardFail) {
      await healthz?.close()
      throw new ListenFailure('metrics', beside, error)
    }
    log.warn({ error, ...beside }, 'metrics are not served')
    return undefined
  })
  return { healthz, metricsServer }
}

function interfaceAddresses(): Address[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).flatMap((entry) => (entry.address.startsWith('fe80:') ? [] : (parseAddress(entry.address) ?? []))),
  )
}
