import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startApiServer } from '../sandbox/apiserver/server.ts'
import { ConnectionError } from './api-failure.ts'
import { ApiError, isApiError } from './client.ts'
import { plainConnection } from './connection.ts'
import { createHttpClient } from './http-client.ts'
import { listAll } from './list-all.ts'
import { configMaps, nodes, services } from './resources.ts'
import { json, scriptedServer, until } from './scripted-server.ts'
import { versioned } from './scripted-client.ts'
import { createVirtualClock } from './virtual-clock.ts'

const at = { namespace: 'default', name: 'web' }
const status = (code: number, reason: string, message: string, details?: object) => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  reason,
  code,
  ...(details && { details }),
})

describe('requests', () => {
  test('go to the paths and with the content types of the Kubernetes API', async () => {
    const seen: string[] = []
    await using server = await scriptedServer(({ method, headers, body }, response) => {
      seen.push(`${method} ${headers['content-type'] ?? '-'} ${body}`)
      json(response, versioned('web', 1))
    })
    const { client } = server
    await client.get(services, at)
    await client.create(services, { ...versioned('web', 1), spec: {} }, { dryRun: true, fieldManager: 'me' })
    await client.replace(services, { ...versioned('web', 1), spec: {} }, { subresource: 'status' })
    for (const type of ['merge', 'strategic', 'json', 'apply'] as const) {
      await client.patch(services, at, { type, body: [] }, type === 'apply' ? { force: true, fieldManager: 'me' } : {})
    }
    await client.remove(services, at, { uid: 'u1', propagationPolicy: 'Foreground', dryRun: true })
    await client.get(nodes, { name: 'n1' })
    assert.deepEqual(server.requests, [
      'GET /api/v1/namespaces/default/services/web',
      'POST /api/v1/namespaces/default/services?dryRun=All&fieldManager=me',
      'PUT /api/v1/namespaces/default/services/web/status',
      'PATCH /api/v1/namespaces/default/services/web',
      'PATCH /api/v1/namespaces/default/services/web',
      'PATCH /api/v1/namespaces/default/services/web',
      'PATCH /api/v1/namespaces/default/services/web?fieldManager=me&force=true',
      'DELETE /api/v1/namespaces/default/services/web',
      'GET /api/v1/nodes/n1',
    ])
    assert.deepEqual(
      seen.slice(3, 7).map((line) => line.split(' ')[1]),
      [
        'application/merge-patch+json',
        'application/strategic-merge-patch+json',
        'application/json-patch+json',
        'application/apply-patch+yaml',
      ],
    )
    assert.equal(
      seen[7],
      'DELETE application/json {"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u1"},"propagationPolicy":"Foreground","dryRun":["All"]}',
    )
  })

  test('without the namespace that the object needs are refused before they are sent', async () => {
    await using server = await scriptedServer((_request, response) => json(response, {}))
    await assert.rejects(async () => server.client.get(services, { name: 'web' }), /Service web is namespaced/)
    assert.deepEqual(server.requests, [])
  })

  test('share one connection when they come after each other', async () => {
    await using server = await scriptedServer((_request, response) => json(response, versioned('web', 1)))
    for (let i = 0; i < 5; i += 1) await server.client.get(services, at)
    assert.equal(server.open.size, 1)
  })

  test('keep the path prefix of the server', async () => {
    await using server = await scriptedServer((_request, response) => json(response, versioned('web', 1)))
    const client = createHttpClient(plainConnection(`${server.url}/k8s/clusters/c-1/`))
    await client.get(services, at)
    assert.equal(server.requests[0], 'GET /k8s/clusters/c-1/api/v1/namespaces/default/services/web')
    client.close()
  })

  test('reach a server on a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roadstead-kube-'))
    const socketPath = join(folder, 'api.sock')
    const server = createServer((_request, response) => json(response, versioned('web', 1)))
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    const client = createHttpClient(plainConnection(`unix:${socketPath}`))
    assert.equal((await client.get(services, at)).metadata.name, 'web')
    client.close()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })

  test('give list items the kind and version that the server leaves out', async () => {
    await using server = await scriptedServer((_request, response) =>
      json(response, { metadata: { resourceVersion: '1' }, items: [versioned('web', 1)] }),
    )
    const [item] = (await server.client.list(services, 'default')).items
    assert.deepEqual([item?.apiVersion, item?.kind], ['v1', 'Service'])
  })

  test('tell the warnings of the server', async () => {
    const warnings: string[] = []
    await using server = await scriptedServer(
      (_request, response) =>
        json(response, versioned('web', 1), 200, {
          warning: '299 - "spec.externalIPs is \\"deprecated\\"", 299 - "two"',
        }),
      { onWarning: (text) => warnings.push(text) },
    )
    await server.client.get(services, at)
    assert.deepEqual(warnings, ['spec.externalIPs is "deprecated"', 'two'])
  })
})

describe('failures', () => {
  test('are ApiErrors with the code, reason, message and causes of the Status', async () => {
    const causes = [{ field: 'spec.ports', message: 'Required value', reason: 'FieldValueRequired' }]
    await using server = await scriptedServer((_request, response) =>
      json(response, status(422, 'Invalid', 'Service "web" is invalid', { causes }), 422),
    )
    await assert.rejects(server.client.get(services, at), (error) => {
      assert.ok(error instanceof ApiError)
      assert.deepEqual([error.code, error.reason, error.message], [422, 'Invalid', 'Service "web" is invalid'])
      assert.deepEqual(error.status?.details?.causes, causes)
      return true
    })
  })

  for (const [name, header, expected] of [
    ['seconds', '17', 17],
    ['a date', 'Thu, 01 Jan 2026 00:00:30 GMT', 30],
    ['nonsense', 'soon', undefined],
  ] as const) {
    test(`carry a Retry-After of ${name}`, async () => {
      await using server = await scriptedServer(
        (_request, response) => json(response, status(429, 'TooManyRequests', 'wait'), 429, { 'retry-after': header }),
        { clock: createVirtualClock() },
      )
      await assert.rejects(server.client.get(services, at), (error) => {
        assert.ok(isApiError(error, 429))
        assert.equal(error.retryAfterSeconds, expected)
        return true
      })
    })
  }

  test('of a proxy that answers HTML are ApiErrors as well', async () => {
    await using server = await scriptedServer((_request, response) =>
      response.writeHead(502).end('<h1>Bad\nGateway</h1>'),
    )
    await assert.rejects(server.client.get(services, at), (error) => {
      assert.ok(isApiError(error, 502))
      assert.match(error.message, /^GET .*: HTTP 502: <h1>Bad Gateway<\/h1>$/)
      return true
    })
  })

  test('to connect, cuts and answers that are no JSON are ConnectionErrors that name the request', async () => {
    await using server = await scriptedServer(({ call }, response) => {
      if (call === 0) response.socket?.destroy()
      else if (call === 1) {
        response.writeHead(200, { 'content-length': '100' }).write('{"metadata":')
        setImmediate(() => response.socket?.destroy())
      } else response.end('surprise')
    })
    const message = async () => {
      const error = await server.client.get(services, at).catch((caught: unknown) => caught)
      assert.ok(error instanceof ConnectionError)
      return error.message
    }
    assert.match(await message(), /^GET http.*\/services\/web: socket hang up$/)
    assert.match(await message(), /cut in the middle of the answer$/)
    assert.match(await message(), /not JSON: surprise$/)
    const dead = createHttpClient(plainConnection('http://127.0.0.1:1'))
    await assert.rejects(
      dead.get(services, at),
      (error) => error instanceof ConnectionError && /ECONNREFUSED/.test(error.message),
    )
  })

  test('with 401 renew the credentials and try once more', async () => {
    await using server = await scriptedServer(({ headers }, response) => {
      const fresh = headers['authorization'] === 'Bearer new'
      json(response, fresh ? versioned('web', 1) : status(401, 'Unauthorized', 'Unauthorized'), fresh ? 200 : 401)
    })
    let token = 'old'
    const connection = {
      ...plainConnection(server.url),
      credentials: async (refresh: boolean) => {
        if (refresh) token = 'new'
        return { headers: { authorization: `Bearer ${token}` } }
      },
    }
    const client = createHttpClient(connection)
    assert.equal((await client.get(services, at)).metadata.name, 'web')
    await client.get(services, at)
    assert.equal(server.requests.length, 3)
    client.close()
  })

  test('with 401 do not keep the connection of an answer that was not read', async () => {
    await using server = await scriptedServer(({ call }, response) => {
      if (call > 0) json(response, versioned('web', 1))
      else response.writeHead(401).write('{"kind":')
    })
    await server.client.get(services, at)
    await until(() => server.open.size === 1, 'the first connection to be closed')
  })

  test('show silence: a request that gets nothing for a minute fails', async () => {
    const clock = createVirtualClock()
    await using server = await scriptedServer(() => {}, { clock })
    const answer = server.client.get(services, at)
    answer.catch(() => {})
    await until(() => server.requests.length === 1)
    await clock.advance(60_000)
    await assert.rejects(answer, /nothing received for 60 s/)
    await until(() => server.open.size === 0)
  })
})

describe('an abort', () => {
  for (const [moment, answer] of [
    ['before the answer', () => {}],
    ['in the middle of the answer', (response: ServerResponse) => void response.writeHead(200).write('{"a"')],
  ] as const) {
    test(`${moment} ends the request with the reason and closes the socket`, async () => {
      await using server = await scriptedServer((_request, response) => answer(response))
      const stopping = new AbortController()
      const request = server.client.get(services, at, stopping.signal)
      request.catch(() => {})
      await until(() => server.requests.length === 1)
      stopping.abort(new Error('stopped'))
      await assert.rejects(request, /^Error: stopped$/)
      await until(() => server.open.size === 0, 'the socket to be closed')
      assert.deepEqual(getEventListeners(stopping.signal, 'abort'), [])
    })
  }

  test('that came before the call sends nothing', async () => {
    await using server = await scriptedServer((_request, response) => json(response, {}))
    await assert.rejects(server.client.get(services, at, AbortSignal.abort(new Error('stopped'))), /stopped/)
    assert.equal(server.open.size, 0)
  })
})

describe('one signal for many requests', () => {
  test('keeps no listener of those that have ended', async () => {
    await using server = await scriptedServer(({ call }, response) => {
      if (call % 3 === 0) response.socket?.destroy()
      else if (call % 3 === 1) json(response, status(404, 'NotFound', 'not found'), 404)
      else response.end(`${JSON.stringify(versioned('web', 1))}\n`)
    })
    const { signal } = new AbortController()
    for (let i = 0; i < 11; i += 1) await server.client.get(services, at, signal).catch(() => {})
    for await (const _ of server.client.watch(services, 'default', {}, signal)) break
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
  })
})

test('a whole server is read page by page and watched from there', async (t) => {
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  const client = createHttpClient(plainConnection(server.url))
  t.after(async () => {
    client.close()
    await server.close()
  })
  const settings = (name: string) => ({ metadata: { namespace: 'default', name }, data: { long: 'x'.repeat(20_000) } })
  for (let i = 0; i < 50; i += 1) await client.create(configMaps, settings(`map-${i}`))
  const whole = await listAll(client, configMaps, { namespace: 'default' })
  assert.deepEqual([whole.objects.length, whole.pages], [50, 3])
  const from = { resourceVersion: whole.resourceVersion ?? '' }
  const seen: string[] = []
  const watching = (async () => {
    for await (const event of client.watch(configMaps, 'default', from)) {
      seen.push(event.type)
      if (seen.length === 2) break
    }
  })()
  await client.create(configMaps, settings('new'))
  await client.remove(configMaps, { namespace: 'default', name: 'new' })
  await watching
  assert.deepEqual(seen, ['ADDED', 'DELETED'])
})
