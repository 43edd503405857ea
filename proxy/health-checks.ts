/**
 * The servers on health check node ports: one a Service whose policy is Local. Any path; 200 while this node has ready endpoints of the
 * Service and the proxy itself is healthy. The Node's own state is deliberately not part of it (as in kube-proxy).
 */
import type { RequestListener } from 'node:http'
import type { Log } from '../kube/log.ts'
import { type Listening, type ListenAt, listen } from './listen.ts'
import type { HealthCheck } from './ruleset.ts'

export interface HealthCheckOptions {
  /** Addresses to answer on; usually `::`, everywhere. */
  hosts: readonly string[]
  serving(): boolean
  log: Log
  /** A port could not be opened. Called once, until it could be or the Service stops asking for it. */
  onFailure(check: HealthCheck, error: unknown): void
}

export interface HealthCheckServers {
  /** Opens, closes and updates until exactly these answer. Ports that could not be opened are tried again. */
  set(checks: readonly HealthCheck[]): void
  /** Tries ports again that could not be opened. */
  retry(): void
  /** Resolves when everything asked for so far is open or has failed. */
  idle(): Promise<void>
  close(): Promise<void>
}

interface Open {
  check: HealthCheck
  servers: Listening[]
  failed: boolean
}

export function createHealthCheckServers(options: HealthCheckOptions): HealthCheckServers {
  const open = new Map<number, Open>()
  let wanted = new Map<number, HealthCheck>()
  let work = Promise.resolve()
  let queued = false

  const settle = async () => {
    queued = false
    for (const [port, { servers }] of open) {
      if (wanted.has(port)) continue
      open.delete(port)
      await Promise.all(servers.map((server) => server.close()))
    }
    for (const check of wanted.values()) {
      const present = open.get(check.port)
      const sameService = present?.check.service === check.service
      const entry = present ?? { check, servers: [], failed: false }
      if (present && !sameService) entry.failed = false
      entry.check = check
      open.set(check.port, entry)
      if (entry.servers.length === 0) await tryOpen(entry)
    }
  }

  const tryOpen = async (entry: Open) => {
    const { port } = entry.check
    const servers: Listening[] = []
    try {
      for (const host of options.hosts) servers.push(await listen({ host, port } satisfies ListenAt, answer(entry)))
      entry.servers = servers
      entry.failed = false
    } catch (error) {
      await Promise.all(servers.map((server) => server.close()))
      if (!entry.failed) options.onFailure(entry.check, error)
      entry.failed = true
    }
  }

  const answer =
    (entry: Open): RequestListener =>
    (_request, response) => {
      const { service, localEndpoints } = entry.check
      const slash = service.indexOf('/')
      const healthy = options.serving()
      response
        .writeHead(localEndpoints > 0 && healthy ? 200 : 503, {
          'Content-Type': 'application/json',
          'X-Content-Type-Options': 'nosniff',
          'X-Load-Balancing-Endpoint-Weight': `${localEndpoints}`,
        })
        .end(
          JSON.stringify({
            service: { namespace: service.slice(0, slash), name: service.slice(slash + 1) },
            localEndpoints,
            serviceProxyHealthy: healthy,
          }),
        )
    }

  const queue = () => {
    if (queued) return
    queued = true
    work = work.then(settle).catch((error: unknown) => options.log.error({ error }, 'health check node ports'))
  }

  return {
    set(checks) {
      wanted = new Map(checks.map((check) => [check.port, check]))
      // Counts are answered at once; only opening and closing takes turns.
      for (const [port, entry] of open) entry.check = wanted.get(port) ?? entry.check
      const asOpen = wanted.size === open.size && [...wanted.keys()].every((port) => open.has(port))
      if (!asOpen) queue()
    },
    retry() {
      if ([...open.values()].some((entry) => entry.failed)) queue()
    },
    idle: () => work,
    async close() {
      wanted = new Map()
      queue()
      await work
    },
  }
}
