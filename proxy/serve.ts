/** The proxy as a process: connection, kernel settings, rules of the mode, the configuration file watched; until the stop signal. */
import { availableParallelism } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '../kube/clock.ts'
import { type Connection, loadConnection, plainConnection } from '../kube/connection.ts'
import type { CommandIo } from '../kube/flags.ts'
import { createHttpClient } from '../kube/http-client.ts'
import type { Log } from '../kube/log.ts'
import { type Family, families } from './rules/addresses.ts'
import { chooseTable } from './conntrack/choose-table.ts'
import type { GivenFile, ProxyConfig } from './config/config.ts'
import { followFile } from './config/follow-file.ts'
import { collectGarbageSoon } from './garbage.ts'
import { warnOfKubeProxyRules } from './kube-proxy-rules.ts'
import type { Mode, ModeOptions } from './mode.ts'
import { removeOthers } from './modes.ts'
import { runProgram } from './program.ts'
import { startProxy } from './proxy.ts'
import { servedFamilies } from './health/served-families.ts'
import { applySettings, conntrackSettings, forwardingSettings, oomSetting } from './sysctls.ts'
import { WriteError } from './writer.ts'

/** The configuration file, and how to read it again. */
export interface Followed {
  given: GivenFile
  read: () => Promise<GivenFile>
}

export interface ServeOptions {
  config: ProxyConfig
  mode: Mode
  modes: readonly Mode[]
  file: Followed | undefined
  nodeName: string
  io: CommandIo
  log: Log
}

/** Resolves with the exit code: 0 after the stop signal, 1 when the configuration file has changed. */
export async function serve({ config, mode, modes, file, nodeName, io, log }: ServeOptions): Promise<number> {
  const options = modeOptions(config, log)
  const [lack, connection] = await Promise.all([mode.detect(options), connectionOf(config, io)])
  if (lack !== undefined) throw new WriteError(`mode ${mode.name} cannot be used: ${lack}`)
  const writer = await mode.open(options)
  const flowTable = await chooseTable({ run: runProgram, turn: setImmediate, log })
  const client = createHttpClient(connection, {
    userAgent: 'roadstead-proxy',
    onWarning: (text) => log.warn({}, text),
  })
  const clock = systemClock
  const served = servedFamilies(writer)
  const around = { clock, random: Math.random, log }
  const proxy = await startProxy({ config, nodeName, client, writer, families: served, flowTable, ...around })
  const following = { clock, log, signal: io.signal }
  const changed = file === undefined ? new Promise<never>(() => {}) : followFile({ ...file, ...following })
  let cancelCollection = () => {}
  try {
    await prepareNode(config, log)
    log.info({ node: nodeName, mode: mode.name, writer: writer.name, healthz: proxy.healthz?.address }, 'proxy started')
    const stopped = aborted(io.signal).then(() => 'stopped' as const)
    const first = await Promise.race([proxy.ready.then(() => 'ready' as const), stopped, changed])
    if (first === 'ready') {
      log.info({ afterMs: Math.round(performance.now()) }, 'rules are in place')
      await removeOthers(modes, mode.name, log)
      await warnOfKubeProxyRules(log)
      cancelCollection = collectGarbageSoon(clock, log)
    }
    const last = first === 'ready' ? await Promise.race([stopped, changed]) : first
    if (last === 'changed') log.info({}, 'the configuration file has changed: ending, to be started with it')
    return last === 'changed' ? 1 : 0
  } finally {
    cancelCollection()
    await proxy.stop()
    client.close()
  }
}

/** `--init-only`: what needs more privileges than forwarding does. What is missing stops the proxy itself, which says so. */
export async function initialize(config: ProxyConfig, mode: Mode, log: Log): Promise<void> {
  const options = modeOptions(config, log)
  // First, because it loads modules: settings of connection tracking are not there without.
  const lack = await mode.detect(options)
  if (lack === undefined) await mode.prepare?.(options)
  else log.warn({ reason: lack }, `mode ${mode.name} cannot be used`)
  await prepareNode(config, log)
}

function modeOptions(config: ProxyConfig, log: Log): ModeOptions {
  return { skeleton: config.skeleton, writer: config.writer, ipvs: config.ipvs, log }
}

async function prepareNode(config: ProxyConfig, log: Log): Promise<void> {
  await applySettings(
    [...forwardingSettings(familiesOf(config)), ...conntrackSettings(config.conntrack, availableParallelism())],
    log,
  )
  await applySettings([oomSetting(config.oomScoreAdj)], log)
}

/** `--master` alone is a server without credentials, as for kube-proxy. */
async function connectionOf(config: ProxyConfig, io: CommandIo): Promise<Connection> {
  const { server, kubeconfig } = config
  if (server !== undefined && kubeconfig === undefined) return plainConnection(server)
  const connection = await loadConnection({ kubeconfig, env: io.env })
  return server === undefined ? connection : { ...connection, server: new URL(server) }
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
