/**
 * The operator process: flags, connection, clouds, health and metrics, leader election around the assembled operator. Losing the lease ends
 * the process with code 1, as client-go's components do, so that nothing of the old leader lives on.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { parseClassFile } from '../crds/class-file.ts'
import type { LoadBalancerClass } from '../crds/load-balancer-class.ts'
import { loadConnection } from '../kube/connection.ts'
import type { KubeClient } from '../kube/client.ts'
import { systemClock } from '../kube/clock.ts'
import { UsageError } from '../kube/flags.ts'
import type { CommandIo } from '../kube/flags.ts'
import { createHttpClient } from '../kube/http-client.ts'
import { runElection } from '../kube/lease.ts'
import type { Log } from '../kube/log.ts'
import { namespaces } from '../kube/resources.ts'
import { version } from '../kube/version.ts'
import type { Provider } from '../providers/contract.ts'
import type { Pace } from '../providers/pacing.ts'
import { createProvider } from '../providers/registry.ts'
import { createOperator } from './assemble.ts'
import { createBucket, withBudget } from './budget.ts'
import { applyBundledClasses } from './bundled-classes.ts'
import { operatorFlags, usage } from './flags.ts'
import type { OperatorFlags } from './flags.ts'
import { servePages } from './http.ts'
import type { Pages } from './http.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import { withRetry } from './retry.ts'

/** Exit code: 0 stopped as asked, 1 failed or lost the lease. Throws UsageError. */
export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const flags = operatorFlags(argv)
  if (flags.help) {
    io.stdout(usage)
    return 0
  }
  const metrics = createMetrics()
  const classes = await readClasses(flags.classesFile)
  const providers = await loadProviders(flags, metrics)
  const client = await connect(flags, io)
  const log = createLog(flags.logLevel, io.stderr)
  const cluster = flags.clusterId ?? (await clusterIdOf(client, io.signal))
  const operator = createOperator({
    client,
    providers,
    clock: systemClock,
    random: Math.random,
    log,
    config: { ...flags.config, cluster },
    metrics,
  })
  let leading = false
  const readiness = () =>
    !leading
      ? { code: 200, text: 'ok: standing by\n' }
      : operator.working
        ? { code: 200, text: 'ok\n' }
        : { code: 503, text: 'caches are filling\n' }
  const servers = await serve(flags, metrics, {
    '/livez': () => ({ code: 200, text: 'ok\n' }),
    '/readyz': readiness,
    '/healthz': readiness,
  })
  log.info({ version, cluster, providers: providers.map(({ name }) => name) }, 'operator started')
  try {
    const lead = async (signal: AbortSignal) => {
      leading = true
      metrics.leader(true)
      try {
        const bundled = { client, classes, clock: systemClock, random: Math.random, log }
        await Promise.all([operator.run(signal), applyBundledClasses(bundled, signal)])
      } finally {
        leading = false
        metrics.leader(false)
      }
    }
    if (flags.leaderElect) return await elect(flags, client, log, lead, io.signal)
    await lead(io.signal)
    return 0
  } finally {
    await Promise.all(servers.map((server) => server.close()))
    client.close()
  }
}

async function elect(
  flags: OperatorFlags,
  client: KubeClient,
  log: Log,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const end = await runElection({
    client,
    namespace: flags.leaseNamespace,
    name: 'roadstead-operator',
    identity: `${hostname()}_${randomUUID()}`,
    clock: systemClock,
    random: Math.random,
    log,
    lead,
    signal,
    ...flags.election,
  })
  return end === 'stopped' ? 0 : 1
}

async function loadProviders(flags: OperatorFlags, metrics: Metrics): Promise<Provider[]> {
  const clock = systemClock
  return Promise.all(
    flags.providers.map(async ({ name, settings }) => {
      try {
        const surroundings = {
          now: () => clock.now(),
          lookMs: flags.config.driftIntervalMs,
          bucket: (pace: Pace) => createBucket({ clock, ...pace }),
        }
        const provider = metrics.measured(await createProvider(name, settings, surroundings), clock)
        const within = provider.paced === true ? provider : withBudget(provider, { clock, ...flags.cloudRate })
        return withRetry(within, { clock, random: Math.random })
      } catch (error) {
        if (error instanceof RangeError) throw new UsageError(`--provider ${name}: ${error.message}`, { cause: error })
        throw error
      }
    }),
  )
}

async function readClasses(file: string | undefined): Promise<LoadBalancerClass[]> {
  if (file === undefined) return []
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`--classes ${file} cannot be read: ${error.message}`, { cause: error })
  })
  const parsed = parseClassFile(text)
  if (!parsed.ok) throw new UsageError(`--classes ${file}: ${parsed.mistakes.join('; ')}`)
  return parsed.value
}

async function connect({ kubeconfig, context }: OperatorFlags, io: CommandIo) {
  const connection = await loadConnection({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    env: io.env,
  })
  return createHttpClient(connection)
}

/** The UID of kube-system is what the ecosystem takes for the identity of a cluster. */
async function clusterIdOf(client: KubeClient, signal: AbortSignal): Promise<string> {
  const { metadata } = await client.get(namespaces, { name: 'kube-system' }, signal)
  if (metadata.uid === undefined) throw new UsageError('the namespace kube-system has no UID; give --cluster-id')
  return metadata.uid
}

async function serve(flags: OperatorFlags, metrics: Metrics, health: Pages) {
  const measured: Pages = {
    '/metrics': async () => ({ code: 200, text: await metrics.text(), contentType: metrics.contentType }),
  }
  const wanted: [string, OperatorFlags['healthAddress'], Pages][] = [
    ['health-bind-address', flags.healthAddress, health],
    ['metrics-bind-address', flags.metricsAddress, measured],
  ]
  const servers: { close(): Promise<void> }[] = []
  for (const [flag, address, pages] of wanted) {
    if (address === undefined) continue
    try {
      servers.push(await servePages(address, pages))
    } catch (error) {
      await Promise.all(servers.map((server) => server.close()))
      throw new UsageError(`--${flag} ${address.host}:${address.port} cannot be used: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  return servers
}
