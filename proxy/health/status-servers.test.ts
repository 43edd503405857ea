import assert from 'node:assert/strict'
import { get } from 'node:http'
import { describe, test } from 'node:test'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { createHealth } from './health.ts'
import { listen } from '../listen.ts'
import { createMetrics } from '../metrics.ts'
import { healthListener, metricsListener } from './status-servers.ts'

async function setup(kind: 'health' | 'metrics') {
  const metrics = createMetrics()
  const respond =
    kind === 'health'
      ? healthListener(createHealth(createVirtualClock(), 30_000), metrics)
      : metricsListener(metrics, 'iptables', () => ({ mode: 'iptables' }))
  const server = await listen({ host: '127.0.0.1', port: 0 }, respond)
  return {
    /** The path is sent as it is. */
    ask: (path: string) =>
      new Promise<{ code: number | undefined; type: string | undefined; body: string }>((resolve, reject) => {
        get({ host: '127.0.0.1', port: server.port, path, agent: false }, (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (part: string) => (body += part))
          response.on('end', () => resolve({ code: response.statusCode, type: response.headers['content-type'], body }))
        }).on('error', reject)
      }),
    metrics,
    [Symbol.asyncDispose]: () => server.close(),
  }
}

describe('what the proxy answers over HTTP', () => {
  // Anybody in the network may ask, and an exception in a listener ends the process.
  for (const kind of ['health', 'metrics'] as const) {
    test(`${kind}: a path that is none is not found, whatever it looks like`, async () => {
      await using server = await setup(kind)
      for (const path of ['//', '//?', '//a:99999/', 'http://[', '/%', '*', '/other']) {
        assert.equal((await server.ask(path)).code, 404, path)
      }
    })
  }

  test('every answer of /healthz and /livez is counted by its code', async () => {
    await using server = await setup('health')
    assert.deepEqual([(await server.ask('/healthz?verbose')).code, (await server.ask('/livez')).code], [503, 200])
    await server.ask('/other')
    const text = await server.metrics.text()
    assert.match(text, /^kubeproxy_proxy_healthz_total\{code="503"\} 1$/m)
    assert.match(text, /^kubeproxy_proxy_livez_total\{code="200"\} 1$/m)
  })

  test("the metrics port says that it is there, as kube-proxy's does, whatever the state of the rules", async () => {
    await using server = await setup('metrics')
    assert.deepEqual(await server.ask('/healthz'), { code: 200, type: 'text/plain', body: 'ok' })
  })

  test('the mode as plain text, the configuration under the name of its group', async () => {
    await using server = await setup('metrics')
    assert.deepEqual(await server.ask('/proxyMode'), { code: 200, type: 'text/plain', body: 'iptables' })
    assert.deepEqual(JSON.parse((await server.ask('/configz')).body), {
      'kubeproxy.config.k8s.io': { mode: 'iptables' },
    })
  })
})
