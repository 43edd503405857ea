/** `roadstead proxy`: reads flags, connects to the API server and runs the proxy until the stop signal. The rules stay when it ends. */
import { availableParallelism, hostname } from 'node:os'
import { pino } from 'pino'
import { systemClock } from '../kube/clock.ts'
import { loadConnection } from '../kube/connection.ts'
import type { CommandIo } from '../kube/flags.ts'
import { createHttpClient } from '../kube/http-client.ts'
import type { Log } from '../kube/log.ts'
import { type Family, families } from './addresses.ts'
import { type ProxyConfig, parseConfig, usage } from './config.ts'
import { chooseWriter } from './nftables/choose-writer.ts'
import { nftProgram } from './nftables/nft.ts'
import { ListenFailure, startProxy } from './proxy.ts'
import { applySettings, settingsFor } from './sysctls.ts'
import { type RuleWriter, WriteError } from './writer.ts'

/** Resolves with the exit code: 0 after the stop signal, 1 when the proxy cannot work here. Throws UsageError. */
export async function run(argv: string[], io: CommandIo): Promise<number> {
  const parsed = parseConfig(argv)
  if (parsed.help) {
    io.stdout(usage())
    return 0
  }
  const { config } = parsed
  const log = lineLog(config, io)
  try {
    const writer = await chooseWriter(config.writer, { nft: nftProgram(), skeleton: config.skeleton, log })
    if (config.cleanup) {
      await writer.remove()
      return 0
    }
    return await serve(config, io, log, writer)
  } catch (error) {
    if (!(error instanceof ListenFailure) && !(error instanceof WriteError)) throw error
    io.stderr(`roadstead proxy: ${error.message.replaceAll('\n', ' ')}\n`)
    return 1
  }
}

async function serve(config: ProxyConfig, io: CommandIo, log: Log, writer: RuleWriter): Promise<number> {
  const connection = await loadConnection({ kubeconfig: config.kubeconfig, env: io.env })
  const client = createHttpClient(connection, {
    userAgent: 'roadstead-proxy',
    onWarning: (text) => log.warn({}, text),
  })
  const nodeName = config.nodeName ?? hostname().trim().toLowerCase()
  const proxy = await startProxy({ config, nodeName, client, writer, clock: systemClock, random: Math.random, log })
  try {
    await applySettings(settingsFor(familiesOf(config), availableParallelism()), log)
    log.info({ node: nodeName, healthz: proxy.healthz.address, writer: writer.name }, 'proxy started')
    await Promise.race([proxy.ready, aborted(io.signal)])
    if (!io.signal.aborted) log.info({}, 'rules are in place')
    await aborted(io.signal)
    return 0
  } finally {
    await proxy.stop()
    client.close()
  }
}

/** Forwarding is switched on for the families that the cluster is known to use; without any hint, for IPv4. */
function familiesOf(config: ProxyConfig): Set<Family> {
  const used = families.filter((family) =>
    [...config.clusterCidrs, ...config.nodeIps].some((entry) => entry.family === family),
  )
  return new Set(used.length > 0 ? used : ['ip'])
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function lineLog(config: ProxyConfig, io: CommandIo): Log {
  return pino(
    {
      level: config.verbosity >= 4 ? 'debug' : 'info',
      base: { component: 'proxy' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    { write: (line) => io.stderr(line) },
  )
}
