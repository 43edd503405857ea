/**
 * `roadstead balancer`: the local cloud's load balancer. It works on the network namespace it is started in and on nothing else:
 * two nft tables, routing rules of one priority, one table number per node. On SIGTERM it leaves them, so that connections go on
 * while it restarts; `--clear-on-exit` removes them.
 */
import { chmod, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { parseArgs } from 'node:util'
import type { Pool } from './addresses.ts'
import { parsePool } from './addresses.ts'
import { createBalancer } from './balancer.ts'
import type { Clock, Log } from './clock.ts'
import { createControlApi } from './control-api.ts'
import { createDataPlane, runCommand } from './data-plane.ts'
import { emptyState } from './model.ts'
import { probe } from './probe.ts'
import { loadState, saveState } from './state-file.ts'

/** What the command gets instead of the process; the shape of kube's CommandIo. */
export interface BalancerIo {
  signal: AbortSignal
  stdout: (text: string) => void
  stderr: (text: string) => void
}

interface Options {
  listen: { socketPath: string } | { host: string; port: number }
  pools: Pool[]
  internalPools: Pool[]
  insideInterfaces: string[]
  state: string | undefined
  table: string
  quota: number
  clearOnExit: boolean
}

const usage = `Usage: roadstead balancer --listen unix:PATH|HOST:PORT --pool CIDR[,CIDR] [flags]

Runs a load balancer for the local cloud in the network namespace it is started in (needs CAP_NET_ADMIN there, nft, ip).

  --listen ADDRESS            control API: unix:/path/of.sock (mode 0600), or host:port (port 0: a free one, printed);
                              it asks nobody who he is, so only loopback or a network you trust
  --pool CIDR,...             addresses for load balancers, IPv4 and IPv6; routed to this namespace by the network around it
  --internal-pool CIDR,...    addresses for load balancers of scheme internal
  --inside-interface NAME,... interfaces towards the nodes; what enters there is masqueraded
  --state FILE                where addresses and verdicts outlive a restart; without it they do not
  --table NAME                name of the nft tables (default roadstead-balancer)
  --load-balancer-quota N     refuse more load balancers than this
  --clear-on-exit             remove tables and routes at the end
`

class FlagError extends Error {
  override readonly name = 'FlagError'
}

const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

/** Exit code: 0 after a stop signal, 1 when it cannot work, 2 for wrong flags. Prints one JSON line with the address when it is ready. */
export async function run(argv: readonly string[], io: BalancerIo): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    io.stdout(usage)
    return 0
  }
  try {
    return await serve(parseOptions(argv), io)
  } catch (error) {
    io.stderr(`roadstead balancer: ${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof FlagError ? 2 : 1
  }
}

/** The address is taken first: a second process on it must not get as far as the kernel. */
async function serve(options: Options, io: BalancerIo): Promise<number> {
  const log = lineLog(io)
  const path = options.state
  const initial = path === undefined ? emptyState : await loadState(path)
  await warnWithoutForwarding(options, log)
  const server = createServer()
  const address = await listen(server, options.listen)
  const dataPlane = createDataPlane(runCommand, options.table)
  const balancer = createBalancer({
    initial,
    settings: { pools: { public: options.pools, internal: options.internalPools }, loadBalancerQuota: options.quota },
    insideInterfaces: options.insideInterfaces,
    firstZone: 1 + Math.floor(Math.random() * 0xffff),
    clock: systemClock,
    log,
    probe,
    dataPlane,
    save: async (state) => (path === undefined ? undefined : saveState(path, state)),
  })
  server.on('request', createControlApi(balancer))
  try {
    await balancer.settled()
    const trouble = balancer.trouble()
    if (trouble !== undefined) throw new Error(trouble)
    io.stdout(`${JSON.stringify({ ready: true, address })}\n`)
    await stopped(io.signal)
  } finally {
    server.closeAllConnections()
    server.close()
    await balancer.stop()
  }
  if (options.clearOnExit) await dataPlane.clear()
  return 0
}

function parseOptions(argv: readonly string[]): Options {
  const flags = parseFlags(argv)
  const pools = ranges('--pool', flags.pool ?? [])
  if (flags.listen === undefined) throw new FlagError('--listen is required: unix:/path/of.sock or host:port')
  if (pools.length === 0)
    throw new FlagError('--pool is required: address ranges such as 203.0.113.0/24,2001:db8:113::/64')
  const quota = flags['load-balancer-quota']
  if (quota !== undefined && !/^\d+$/.test(quota)) throw new FlagError(`--load-balancer-quota ${quota} is no number`)
  const table = flags.table ?? 'roadstead-balancer'
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(table))
    throw new FlagError(`--table ${table}: lower case letters, digits and - only`)
  const insideInterfaces = list(flags['inside-interface'] ?? [])
  const odd = insideInterfaces.find((name) => !/^[\w.@-]{1,15}$/.test(name))
  if (odd !== undefined) throw new FlagError(`--inside-interface ${odd} is no interface name`)
  return {
    listen: parseListen(flags.listen),
    pools,
    internalPools: ranges('--internal-pool', flags['internal-pool'] ?? []),
    insideInterfaces,
    state: flags.state,
    table,
    quota: quota === undefined ? Infinity : Number(quota),
    clearOnExit: flags['clear-on-exit'] === true,
  }
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        listen: { type: 'string' },
        pool: { type: 'string', multiple: true },
        'internal-pool': { type: 'string', multiple: true },
        'inside-interface': { type: 'string', multiple: true },
        state: { type: 'string' },
        table: { type: 'string' },
        'load-balancer-quota': { type: 'string' },
        'clear-on-exit': { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new FlagError(error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error), { cause: error })
  }
}

function parseListen(text: string): Options['listen'] {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    // sun_path of unix(7) has 108 bytes with the final 0; node truncates longer ones without a word.
    if (socketPath === '' || Buffer.byteLength(socketPath) > 107) {
      throw new FlagError(`--listen ${text}: a socket path has 1 to 107 bytes`)
    }
    return { socketPath }
  }
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535) throw new FlagError(`--listen ${text}: unix:/path/of.sock or host:port`)
  return { host: match[1] ?? match[2] ?? '', port }
}

function ranges(flag: string, values: readonly string[]): Pool[] {
  return list(values).map((cidr) => {
    try {
      return parsePool(cidr)
    } catch (error) {
      throw new FlagError(`${flag}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  })
}

function list(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',')).filter((value) => value !== '')
}

async function listen(server: Server, at: Options['listen']): Promise<string> {
  if ('socketPath' in at) await removeStale(at.socketPath)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen('socketPath' in at ? { path: at.socketPath } : at, () => {
      server.off('error', reject)
      resolve()
    })
  })
  if ('socketPath' in at) {
    await chmod(at.socketPath, 0o600)
    return `unix:${at.socketPath}`
  }
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : at.port
  return `http://${at.host.includes(':') ? `[${at.host}]` : at.host}:${port}`
}

/** A socket file nobody answers on was left by a process that was killed. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect({ path })
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(false))
    setImmediate(() => socket.end())
  })
  if (answered) throw new Error(`${path}: another process listens there`)
  await rm(path, { force: true })
}

async function warnWithoutForwarding({ pools }: Options, log: Log): Promise<void> {
  const files = { IPv4: '/proc/sys/net/ipv4/ip_forward', IPv6: '/proc/sys/net/ipv6/conf/all/forwarding' }
  for (const family of new Set(pools.map((pool) => pool.family))) {
    const value = await readFile(files[family], 'utf8').catch(() => '')
    if (value.trim() === '0')
      log.warn({ file: files[family] }, `${family} forwarding is off in this namespace: no traffic will pass`)
  }
}

function lineLog(io: BalancerIo): Log {
  const write = (level: string) => (fields: Record<string, unknown>, message: string) =>
    io.stderr(
      `${JSON.stringify({ level, time: new Date().toISOString(), component: 'balancer', ...fields, msg: message })}\n`,
    )
  return { info: write('info'), warn: write('warn') }
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
