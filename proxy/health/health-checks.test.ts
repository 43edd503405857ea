import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { createHealthCheckServers } from './health-checks.ts'
import type { HealthCheck } from '../rules/ruleset.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function setup() {
  const state = { serving: true }
  const failures: HealthCheck[] = []
  const servers = createHealthCheckServers({
    hosts: () => ['127.0.0.1'],
    serving: () => state.serving,
    log: silent,
    onFailure: (check) => failures.push(check),
  })
  const port = await freePort()
  return {
    state,
    failures,
    servers,
    port,
    async set(...checks: HealthCheck[]) {
      servers.set(checks)
      await servers.idle()
    },
    async ask(path = '/') {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
      return { status: response.status, headers: response.headers, body: await response.json() }
    },
    [Symbol.asyncDispose]: () => servers.close(),
  }
}

describe('a health check node port', () => {
  const check = (port: number, localEndpoints: number, service = 'shop/web') => ({ port, service, localEndpoints })

  test('answers with what kube-proxy says, on any path', async () => {
    await using world = await setup()
    await world.set(check(world.port, 2))
    const { status, headers, body } = await world.ask('/any/path')
    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), 'application/json')
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('x-load-balancing-endpoint-weight'), '2')
    assert.deepEqual(body, {
      service: { namespace: 'shop', name: 'web' },
      localEndpoints: 2,
      serviceProxyHealthy: true,
    })
  })

  test('503 without an endpoint here, and while the proxy itself is not healthy', async () => {
    await using world = await setup()
    await world.set(check(world.port, 0))
    assert.deepEqual(
      [(await world.ask()).status, (await world.ask()).headers.get('x-load-balancing-endpoint-weight')],
      [503, '0'],
    )
    await world.set(check(world.port, 1))
    assert.equal((await world.ask()).status, 200)
    world.state.serving = false
    const { status, body } = await world.ask()
    assert.deepEqual([status, (body as { serviceProxyHealthy: boolean }).serviceProxyHealthy], [503, false])
  })

  test('what was open before a restart gets its Service without being closed', async () => {
    await using world = await setup()
    await world.set(check(world.port, 1, '/'))
    assert.equal((await world.ask()).status, 200)
    await world.set(check(world.port, 3))
    assert.deepEqual((await world.ask()).body, {
      service: { namespace: 'shop', name: 'web' },
      localEndpoints: 3,
      serviceProxyHealthy: true,
    })
  })

  test('is closed with its Service', async () => {
    await using world = await setup()
    await world.set(check(world.port, 1))
    await world.set()
    await assert.rejects(world.ask())
  })

  test('that is taken is told once for each Service that wants it, and opened when it is free', async () => {
    await using world = await setup()
    const other = createServer().listen(world.port, '127.0.0.1')
    await once(other, 'listening')
    await world.set(check(world.port, 1))
    world.servers.retry()
    await world.servers.idle()
    await world.set()
    await world.set(check(world.port, 1, 'shop/other'))
    assert.deepEqual(
      world.failures.map(({ service }) => service),
      ['shop/web', 'shop/other'],
    )
    await new Promise((resolve) => other.close(resolve))
    world.servers.retry()
    await world.servers.idle()
    assert.equal((await world.ask()).status, 200)
  })
})
