/**
 * The DNS server as a command: connects, follows the cluster, answers on `--listen`, tells on `--ready-listen` at /ready
 * whether it has seen everything once. Questions before that are answered from what is known, as CoreDNS does.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { loadConnection, plainConnection } from '../../kube/connection.ts'
import { sleep, systemClock } from '../../kube/clock.ts'
import { type CommandIo, parseFlags, UsageError } from '../../kube/flags.ts'
import { createHttpClient } from '../../kube/http-client.ts'
import type { Log } from '../../kube/log.ts'
import { followCluster } from './follow.ts'
import { createRecordIndex } from './record-index.ts'
import { startDnsServer } from './server.ts'

const usage = `Answers DNS questions about a cluster's Services.
  --listen ADDRESS:PORT        UDP and TCP (default 0.0.0.0:53)
  --ready-listen ADDRESS:PORT  HTTP /ready and /health (default 0.0.0.0:8181)
  --cluster-domain NAME        default cluster.local
  --lameduck SECONDS           told to stop, answer on for so long while /ready says no (default 0)
  --kubeconfig FILE            otherwise KUBECONFIG, or the Pod's service account
  --server URL                 API server without credentials (http://host:port or unix:/path), instead of a kubeconfig
`

/** Runs until `io.signal` aborts. Throws UsageError. */
export async function run(argv: readonly string[], io: CommandIo, log: Log): Promise<number> {
  const { values } = parseFlags(argv, {
    listen: { type: 'string', default: '0.0.0.0:53' },
    'ready-listen': { type: 'string', default: '0.0.0.0:8181' },
    'cluster-domain': { type: 'string', default: 'cluster.local' },
    lameduck: { type: 'string', default: '0' },
    kubeconfig: { type: 'string' },
    server: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  })
  if (values['help'] === true) {
    io.stdout(usage)
    return 0
  }
  const listen = hostPort('--listen', String(values['listen']))
  const readyListen = hostPort('--ready-listen', String(values['ready-listen']))
  const lameduckMs = milliseconds('--lameduck', String(values['lameduck']))
  const { server, kubeconfig } = values
  const connection =
    typeof server === 'string'
      ? plainConnection(server)
      : await loadConnection({ env: io.env, ...(typeof kubeconfig === 'string' && { kubeconfig }) })
  const client = createHttpClient(connection, { userAgent: 'roadstead-dns' })
  const index = createRecordIndex(String(values['cluster-domain']))
  const surroundings = { client, clock: systemClock, random: Math.random, log }
  const following = followCluster(index, surroundings)
  const state = { synced: false }
  const dns = await startDnsServer({ ...listen, index, random: Math.random, log })
  const ready = await startReadiness(readyListen, () => state.synced)
  log.info({ host: listen.host, port: dns.port, zone: index.zone }, 'DNS server listens')
  try {
    await Promise.race([following.synced, aborted(io.signal)])
    state.synced = true
    log.info({ serial: index.serial }, 'DNS server has seen the cluster')
    await aborted(io.signal)
    state.synced = false
    await sleep(systemClock, lameduckMs)
  } finally {
    await Promise.all([following.stop(), dns.close(), closed(ready)])
    client.close()
  }
  return 0
}

async function startReadiness(at: { host: string; port: number }, isReady: () => boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]
    const ok = path === '/health' || (path === '/ready' && isReady())
    const known = path === '/health' || path === '/ready'
    response.writeHead(ok ? 200 : known ? 503 : 404, { 'content-type': 'text/plain' })
    response.end(ok ? 'OK\n' : known ? 'not synced\n' : 'not found\n')
  })
  server.listen(at.port, at.host)
  await once(server, 'listening')
  return server
}

async function closed(server: Server): Promise<void> {
  const done = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await done
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function milliseconds(flag: string, text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError(`${flag} ${text}: want seconds, like 1 or 0.5`)
  return Number(text) * 1000
}

/** `1.2.3.4:53`, `[::]:53`. */
function hostPort(flag: string, text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65_535)
    throw new UsageError(`${flag} ${text}: want ADDRESS:PORT, like 0.0.0.0:53`)
  return { host, port: Number(port) }
}
