/** The proxy's two HTTP servers: /healthz and /livez for load balancers and probes, /metrics, /proxyMode and /configz for administrators. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Health } from './health.ts'
import type { ProxyMetrics } from '../metrics.ts'

export function healthListener(health: Health, metrics: ProxyMetrics): RequestListener {
  return (request, response) => {
    const path = pathOf(request)
    if (path !== '/healthz' && path !== '/livez') return notFound(response)
    const answer = path === '/healthz' ? health.healthz() : health.livez()
    metrics.probed(path === '/healthz' ? 'healthz' : 'livez', answer.code)
    response
      .writeHead(answer.code, { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' })
      .end(JSON.stringify(answer.body))
  }
}

/** Its /healthz says no more than that somebody is there. @param config what /configz shows */
export function metricsListener(metrics: ProxyMetrics, mode: string, config: () => unknown): RequestListener {
  return (request, response) => {
    const path = pathOf(request)
    if (path === '/healthz') response.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok')
    else if (path === '/proxyMode') response.writeHead(200, { 'Content-Type': 'text/plain' }).end(mode)
    else if (path === '/configz') {
      // Under the name of the group, as every Kubernetes component answers it.
      const body = JSON.stringify({ 'kubeproxy.config.k8s.io': config() })
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(body)
    } else if (path === '/metrics') {
      metrics.text().then(
        (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
        () => response.writeHead(500).end(),
      )
    } else notFound(response)
  }
}

/** Undefined for what is no path: anybody may ask, and what a listener throws ends the process. */
function pathOf({ url = '/' }: IncomingMessage): string | undefined {
  return URL.parse(url, 'http://proxy')?.pathname
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404 page not found\n')
}
