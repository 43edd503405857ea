/**
 * The servers on health check node ports: one a Service whose policy is Local. Any path; 200 while this node has ready endpoints of the
 * Service and the proxy itself is healthy. The Node's own state is deliberately not part of it (as in kube-proxy).
 */
import type { RequestListener } from 'node:http'
import type { Log } from '../../kube/log.ts'
import { type Listening, listen } from '../listen.ts'
import { createOpenPorts, type OpenPorts } from '../open-ports.ts'
import type { HealthCheck } from '../rules/ruleset.ts'

export interface HealthCheckOptions {
  /** Addresses to answer on; usually `::`, everywhere. Asked when a port is opened. */
  hosts(): readonly string[]
  serving(): boolean
  log: Log
  /** A port could not be opened. Called once, until it could be or the Service stops asking for it. */
  onFailure(check: HealthCheck, error: unknown): void
}

/** Opens, closes and updates until exactly these answer. */
export interface HealthCheckServers extends Omit<OpenPorts<never>, 'set'> {
  set(checks: readonly HealthCheck[]): void
}

export function createHealthCheckServers(options: HealthCheckOptions): HealthCheckServers {
  const ports = createOpenPorts<HealthCheck & { place: string }>({
    ...options,
    async open(current) {
      const servers: Listening[] = []
      const close = async () => void (await Promise.all(servers.map((server) => server.close())))
      try {
        const { port } = current()
        for (const host of options.hosts()) servers.push(await listen({ host, port }, answer(current)))
      } catch (error) {
        await close()
        throw error
      }
      return { close }
    },
  })

  const answer =
    (current: () => HealthCheck): RequestListener =>
    (_request, response) => {
      const { service, localEndpoints } = current()
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

  return { ...ports, set: (checks) => ports.set(checks.map((check) => ({ ...check, place: `${check.port}` }))) }
}
