/** The control API as a client meets it: refusals as CloudErrors, the ways to break the cloud, and what is no request at all. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { CloudError } from '../../providers/contract.ts'
import { loadBalancer, otherTags, tags, targetGroup } from '../../providers/local/balancer/fixtures.ts'
import { createHttpCloud } from '../../providers/local/http.ts'
import type { ApiServer, ApiServerOptions } from './api-server.ts'
import { startApiServer } from './api-server.ts'

const { signal } = new AbortController()

function withServer(title: string, body: (server: ApiServer) => Promise<void>, options: ApiServerOptions = {}): void {
  test(title, async () => {
    const server = await startApiServer(options)
    try {
      await body(server)
    } finally {
      await server.close()
    }
  })
}

const cloudOf = ({ socketPath }: ApiServer) => createHttpCloud(`unix:${socketPath}`)

function cloudError(expected: Partial<CloudError>) {
  return (error: unknown) => {
    assert.ok(error instanceof CloudError, String(error))
    for (const [key, value] of Object.entries(expected)) assert.equal(error[key as keyof CloudError], value, key)
    return true
  }
}

interface Reply {
  status: number
  body: { error?: { code: string; message: string; requestId?: string } } & Record<string, unknown>
}

function send({ socketPath }: ApiServer, method: string, path: string, body?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: JSON.parse(Buffer.concat(chunks).toString() || '{}') as Reply['body'],
        }),
      )
    })
    call.on('error', reject)
    call.end(body)
  })
}

withServer('a throttled call carries the time to wait', async (server) => {
  await send(server, 'PATCH', '/v1/faults', '{"throttle": 1, "retryAfterSeconds": 7}')
  const cloud = cloudOf(server)
  await assert.rejects(
    cloud.list({}, signal),
    cloudError({ kind: 'throttled', code: 'Throttled', retryAfterSeconds: 7 }),
  )
  assert.deepEqual(await cloud.list({}, signal), [])
})

withServer('an answer can be late', async (server) => {
  await send(server, 'PATCH', '/v1/faults', '{"lagMs": 60}')
  const before = performance.now()
  await cloudOf(server).list({}, signal)
  assert.ok(performance.now() - before >= 55)
})

withServer('a lost answer is an unavailable cloud, and the change is done', async (server) => {
  await send(server, 'PATCH', '/v1/faults', '{"lostReplies": 1}')
  const cloud = cloudOf(server)
  await assert.rejects(cloud.create(loadBalancer(), signal), cloudError({ kind: 'unavailable', code: 'NoAnswer' }))
  assert.equal((await cloud.list({}, signal)).length, 1)
})

withServer('an error of the cloud is unavailable, and nothing is done', async (server) => {
  await send(server, 'PATCH', '/v1/faults', '{"errors": 1}')
  const cloud = cloudOf(server)
  await assert.rejects(cloud.create(loadBalancer(), signal), cloudError({ kind: 'unavailable', code: 'InternalError' }))
  assert.deepEqual(await cloud.list({}, signal), [])
})

withServer(
  'a quota, an exhausted pool and a wish that cannot be met have their reasons',
  async (server) => {
    const cloud = cloudOf(server)
    await send(server, 'PATCH', '/v1/faults', '{"loadBalancerQuota": 0}')
    await assert.rejects(cloud.create(loadBalancer(), signal), cloudError({ kind: 'quota', reason: 'QuotaExceeded' }))
    await send(server, 'PATCH', '/v1/faults', '{"loadBalancerQuota": null}')
    await cloud.create(loadBalancer(), signal)
    await assert.rejects(
      cloud.create(loadBalancer({ name: 'b' }), signal),
      cloudError({ kind: 'quota', reason: 'AddressPoolExhausted' }),
    )
    const wish = (address: string) => cloud.create(loadBalancer({ name: 'c', requestedAddresses: [address] }), signal)
    await assert.rejects(wish('192.0.2.9'), cloudError({ kind: 'conflict', reason: 'AddressInUse' }))
    await assert.rejects(wish('198.51.100.9'), cloudError({ kind: 'invalid', reason: 'AddressNotInPool' }))
  },
  { pools: ['192.0.2.9/32'] },
)

withServer("another owner's object is a conflict with its reason and a request id", async (server) => {
  const cloud = cloudOf(server)
  await cloud.create(loadBalancer({ tags: otherTags }), signal)
  await assert.rejects(cloud.create(loadBalancer(), signal), (error) => {
    assert.ok(error instanceof CloudError && error.requestId?.startsWith('r-'))
    return cloudError({ kind: 'conflict', reason: 'OwnedByOther', code: 'OwnedByOther' })(error)
  })
  await assert.rejects(cloud.remove('load-balancer', 'lb', tags, signal), cloudError({ reason: 'OwnedByOther' }))
})

withServer('a change may be invisible for a while', async (server) => {
  await send(server, 'PATCH', '/v1/faults', '{"visibilityMs": 1000}')
  const cloud = cloudOf(server)
  await cloud.create(loadBalancer(), signal)
  assert.deepEqual(await cloud.list({}, signal), [])
  server.pass(1000)
  assert.equal((await cloud.list({}, signal)).length, 1)
})

withServer('a load balancer may take time to get its address', async (server) => {
  await send(server, 'PATCH', '/v1/faults', '{"provisioningMs": 1000}')
  const cloud = cloudOf(server)
  await cloud.create(loadBalancer(), signal)
  assert.deepEqual(
    (await cloud.list({}, signal)).map(({ status }) => status),
    [{ state: 'pending' }],
  )
  server.pass(1000)
  assert.deepEqual(
    (await cloud.list({}, signal)).map(({ status }) => status.addresses),
    [['203.0.113.1']],
  )
})

withServer('lists are by tags', async (server) => {
  const cloud = cloudOf(server)
  await cloud.create(loadBalancer(), signal)
  await cloud.create(loadBalancer({ name: 'other', tags: otherTags }), signal)
  assert.deepEqual(
    (await cloud.list({ uid: tags.uid }, signal)).map(({ name }) => name),
    ['lb'],
  )
  assert.equal((await cloud.list({ cluster: tags.cluster }, signal)).length, 2)
  assert.deepEqual(await cloud.list({ cluster: 'elsewhere' }, signal), [])
})

withServer('every mutation is on record, repeated ones once', async (server) => {
  const cloud = cloudOf(server)
  await cloud.create(loadBalancer(), signal)
  await cloud.create(loadBalancer(), signal)
  await cloud.remove('load-balancer', 'lb', tags, signal)
  const { body } = await send(server, 'GET', '/v1/mutations')
  assert.deepEqual(
    body['items'],
    ['create', 'delete'].map((verb) => ({ verb, kind: 'load-balancer', name: 'lb' })),
  )
})

withServer('what is no request is refused with what is wrong', async (server) => {
  const refused = async (method: string, path: string, body?: string) => {
    const reply = await send(server, method, path, body)
    return `${reply.status} ${reply.body.error?.code}: ${reply.body.error?.message}`
  }
  assert.equal(await refused('POST', '/v1/load-balancers', '{'), '400 InvalidRequest: the body is not JSON')
  assert.match(await refused('POST', '/v1/listeners', '{"name": "a"}'), /^400 InvalidRequest: tags: /)
  const spec = { ...targetGroup().spec, colour: 'blue' }
  assert.match(await refused('POST', '/v1/target-groups', JSON.stringify({ name: 'a', tags, spec })), /^400 .*colour/)
  assert.match(await refused('PATCH', '/v1/faults', '{"lagMs": -1}'), /^400 InvalidRequest: lagMs: /)
  assert.equal(await refused('GET', '/v2/objects'), '404 NotFound: no such path: /v2/objects')
  assert.match(await refused('PATCH', '/v1/listeners/a', '{}'), /^400 InvalidRequest: PATCH/)
  assert.equal(await refused('DELETE', '/v1/listeners/a'), '404 NotFound: listener a does not exist')
  assert.match(await refused('DELETE', '/v1/listeners/%zz'), /^400 /)
})

withServer(
  'a kernel that does not take the rules is an unavailable cloud until it does',
  async (server) => {
    const cloud = cloudOf(server)
    await assert.rejects(cloud.list({}, signal), cloudError({ kind: 'unavailable' }))
    assert.equal((await send(server, 'GET', '/healthz')).status, 503)
    server.pass(1000)
    await server.balancer.settled()
    assert.deepEqual(await cloud.list({}, signal), [])
    assert.deepEqual((await send(server, 'GET', '/healthz')).body, { ok: true })
  },
  { apply: failingOnce() },
)

function failingOnce(): () => Promise<void> {
  let calls = 0
  return async () => {
    if (calls++ === 0) throw new Error('nft: no space left')
  }
}

test('a cloud that is not there is unavailable', async () => {
  const cloud = createHttpCloud('unix:/nonexistent/control.sock')
  await assert.rejects(cloud.list({}, signal), cloudError({ kind: 'unavailable' }))
  assert.throws(() => createHttpCloud('ftp://x'), RangeError)
  assert.throws(() => createHttpCloud('nonsense'), RangeError)
})

withServer('something else behind the address is an unknown cloud', async () => {
  const { createServer } = await import('node:http')
  const server = createServer((_, response) => response.end('<html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  await assert.rejects(createHttpCloud(`http://127.0.0.1:${port}`).list({}, signal), cloudError({ kind: 'unknown' }))
  server.close()
})
