/**
 * Puts the parts together: informers mark Services in the ruleset, sync writes what follows, health answers for it.
 * Everything from outside (API server, kernel, time) comes in as arguments; run.ts gives the real ones.
 */
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../kube/clock.ts'
import { createEventRecorder, referenceTo } from '../kube/event-recorder.ts'
import { startInformer } from '../kube/informer.ts'
import type { Log } from '../kube/log.ts'
import { endpointSlices, nodes, services } from '../kube/resources.ts'
import type { Family } from './rules/addresses.ts'
import { adoptedHealthChecks } from './health/adopted-health-checks.ts'
import { apiBackoff } from './api-backoff.ts'
import { capacityWatch } from './rules/capacity.ts'
import type { ProxyConfig } from './config/config.ts'
import { configDocument } from './config/document.ts'
import type { FlowTable } from './conntrack/flow.ts'
import { createStaleFlows } from './conntrack/stale-flows.ts'
import { createHealthCheckServers } from './health/health-checks.ts'
import { createHealth, type Health } from './health/health.ts'
import { interfaceAddresses, lookAgain } from './interface-addresses.ts'
import { type Listening, listen, ListenFailure } from './listen.ts'
import { createLocalNodePorts } from './local-node-ports.ts'
import { createLocalShortage } from './rules/local-shortage.ts'
import { createMetrics, type ProxyMetrics } from './metrics.ts'
import { isEligible, nodeFacts, sameFacts } from './rules/node-facts.ts'
import { createProgramming } from './programming.ts'
import type { NodeFacts } from './rules/rules.ts'
import { createRuleset, type ObjectView } from './rules/ruleset.ts'
import { healthListener, metricsListener } from './health/status-servers.ts'
import { followServiceCidrs } from './service-cidrs.ts'
import { createSync } from './sync.ts'
import { createCommon, serviceKeyOf, trimNode, trimService, trimSlice } from './trimmed.ts'
import type { RuleWriter } from './writer.ts'

export interface ProxyOptions {
  config: ProxyConfig
  nodeName: string
  client: KubeClient
  writer: RuleWriter
  /** Those that /healthz speaks of (served-families.ts); undefined: both. */
  families?: readonly Family[]
  /** Undefined: stale flows stay. */
  flowTable: FlowTable | undefined
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
  const { config, nodeName, client, writer, flowTable, clock, random, log } = options
  const metrics = createMetrics(config.mode)
  const programming = createProgramming(clock, (family, seconds) => metrics.programmed(family, seconds))
  const health = createHealth(clock, config.syncMs, options.families)
  const { healthz, metricsServer } = await openServers(config, health, metrics, log)
  const recorder = createEventRecorder({ client, component: 'roadstead-proxy', host: nodeName, clock, random, log })

  const common = createCommon()
  const informing = { client, clock, random, log, tuning: { backoff: apiBackoff } }
  const serviceInformer = startInformer({
    ...informing,
    type: services,
    transform: (service) => trimService(service, common),
    labelSelector: '!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name',
  })
  const sliceInformer = startInformer({
    ...informing,
    type: endpointSlices,
    transform: (slice) => programming.noted(slice, trimSlice(slice, common)),
    labelSelector: '!service.kubernetes.io/headless',
    indexes: { service: (slice) => [serviceKeyOf(slice) ?? ''] },
  })
  const nodeInformer = startInformer({
    ...informing,
    type: nodes,
    transform: trimNode,
    fieldSelector: `metadata.name=${nodeName}`,
  })

  const { nodeIps, nodePortAddresses, localDetection, clusterCidrs, externalIps } = config
  const everyAddress = nodePortAddresses.ranges.length > 0
  const cidrs = followServiceCidrs({ ...informing, given: config.serviceCidrs, onChange: () => followNode() })
  const standing = { nodeName, nodeIps, nodePortAddresses, localDetection, clusterCidrs, externalIps }
  const factsNow = (): NodeFacts =>
    nodeFacts(standing, nodeInformer.cache.at(nodeName), everyAddress ? interfaceAddresses() : [], cidrs.current())
  let facts = factsNow()
  const view: ObjectView = {
    serviceKeys: () => serviceInformer.cache.keys(),
    service: (key) => serviceInformer.cache.at(key),
    slices: (key) => sliceInformer.cache.indexed('service', key),
  }
  const ruleset = createRuleset(view, config.graceMs, facts)
  const shortage = createLocalShortage(view, facts)
  const staleFlows = createStaleFlows({
    table: flowTable,
    view,
    node: facts,
    isFrontend: (frontend) => ruleset.desired.has(frontend.replace(' ', ' frontends ')),
    ipvs: config.mode === 'ipvs',
    clock,
    log,
    observe: (swept) => metrics.flowsReconciled(swept),
  })

  const healthChecks = createHealthCheckServers({
    hosts: () => healthCheckHosts(config, facts),
    serving: () => health.serving(),
    log,
    onFailure({ service: key, port }, error) {
      const service = serviceInformer.cache.at(key)
      const message = `node ${nodeName} failed to start healthcheck ${JSON.stringify(key)} on port ${port}: ${messageOf(error)}`
      log.error({ service: key, port, error }, 'a health check node port could not be opened')
      if (service) recorder.event(referenceTo(services, service), 'Warning', 'FailedToStartServiceHealthcheck', message)
    },
  })

  const localPorts = createLocalNodePorts({
    families: config.localhostNodePorts,
    view,
    nodeAddresses: () => facts.nodePortAddresses,
    rules: () => ruleset.desired,
    log,
    onFailure({ service: key, place }, error) {
      const service = serviceInformer.cache.at(key)
      log.error({ service: key, place, error }, 'a node port could not be opened on the loopback address')
      const message = `node ${nodeName}: the node port could not be opened on ${place}: ${messageOf(error)}`
      if (service) recorder.event(referenceTo(services, service), 'Warning', 'FailedToOpenLocalhostNodePort', message)
    },
  })

  const tellCapacity = capacityWatch((key, message) => {
    log.warn({ service: key }, message)
    const service = serviceInformer.cache.at(key)
    if (service) recorder.event(referenceTo(services, service), 'Warning', 'TooManyEndpoints', message)
  })

  const firstWrite = Promise.withResolvers<void>()
  const sync = createSync({
    ruleset,
    writer,
    clock,
    log,
    minSyncMs: config.minSyncMs,
    syncMs: config.syncMs,
    observe: {
      waiting(since) {
        health.waiting(since)
        if (since !== undefined) metrics.queued(since)
      },
      wrote(batch) {
        health.wrote()
        metrics.synced(clock.now())
        metrics.wrote(batch)
        metrics.kernelTook(writer.kernelSeconds?.() ?? 0)
        metrics.rules(writer.ruleCounts?.() ?? [])
        metrics.noLocalEndpoints(shortage.count())
        programming.wrote()
        if (batch.elements > 0) log.debug({ ...batch }, 'rules written')
        healthChecks.retry()
        localPorts.written()
        localPorts.retry()
        followNode()
        firstWrite.resolve()
      },
      failed: () => metrics.failed(),
      forgot: (entries) => metrics.affinityForgotten(entries),
      settled() {
        metrics.settled()
        programming.settled()
        tellCapacity(ruleset.tooMany)
        staleFlows.settled()
        localPorts.settled()
        healthChecks.set(ruleset.healthChecks)
      },
      committed: (change) => staleFlows.committed(change),
    },
  })

  const followNode = () => {
    health.setEligible(isEligible(nodeInformer.cache.at(nodeName), nodeInformer.hasSynced))
    const now = factsNow()
    if (sameFacts(facts, now)) return
    facts = now
    ruleset.setNode(now)
    ruleset.markAll()
    staleFlows.setNode(now)
    shortage.setPlace(now)
    localPorts.markAll()
    sync.poke()
  }
  const mark = (key: string | undefined) => {
    if (key === undefined) return
    ruleset.mark(key)
    staleFlows.mark(key)
    shortage.mark(key)
    localPorts.mark(key)
    sync.poke()
  }
  serviceInformer.cache.onChange(({ key }) => {
    metrics.changed('service')
    mark(key)
  })
  sliceInformer.cache.onChange(({ before, after }) => {
    metrics.changed('endpoint')
    programming.changed(before, after)
    for (const key of new Set([before && serviceKeyOf(before), after && serviceKeyOf(after)])) mark(key)
  })
  nodeInformer.cache.onChange(followNode)
  const stopLooking = everyAddress ? lookAgain(clock, followNode) : () => {}

  const stopping = new AbortController()
  const begin = async () => {
    const inherited = await sync.inherit()
    if (inherited !== undefined && inherited.size > 0) {
      health.inherited()
      // Load balancers ask while the lists are on their way.
      healthChecks.set(adoptedHealthChecks(inherited))
    }
    // Writing from half the objects would cut the other half off: a restart must not be an outage (kubernetes#130119).
    await Promise.all([serviceInformer.synced, sliceInformer.synced, nodeInformer.synced, cidrs.known])
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
      stopLooking()
      await Promise.all([serviceInformer.stop(), sliceInformer.stop(), nodeInformer.stop(), cidrs.stop()])
      await sync.stop()
      await staleFlows.stop()
      await Promise.all([
        healthChecks.close(),
        localPorts.close(),
        healthz?.close(),
        metricsServer?.close(),
        recorder.stop(),
      ])
    },
  }
}

/** Everywhere, unless node ports are limited to some of the node's addresses. */
function healthCheckHosts({ nodePortAddresses: { primary, ranges } }: ProxyConfig, facts: NodeFacts): string[] {
  const limited = !primary && !ranges.some((range) => range.prefix === 0)
  const hosts = limited ? facts.nodePortAddresses.map((address) => address.text) : []
  return hosts.length > 0 ? hosts : ['::']
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
