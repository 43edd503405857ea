import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ApiServer, startApiServer } from './server.ts'

const maps = '/api/v1/namespaces/default/configmaps'

let folder: string
let server: ApiServer
let agent: Agent

interface Answer {
  code: number
  type: string
  text: string
  response: IncomingMessage
}

function open(method: string, path: string, headers: Record<string, string> = {}, body?: string | Buffer) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(`${server.url}${path}`, { method, agent, headers }, resolve)
    sent.once('error', reject)
    sent.end(body)
  })
}

async function ask(
  method: string,
  path: string,
  headers?: Record<string, string>,
  body?: string | Buffer,
): Promise<Answer> {
  return read(await open(method, path, headers, body))
}

async function read(response: IncomingMessage): Promise<Answer> {
  let text = ''
  for await (const piece of response as AsyncIterable<Buffer>) text += piece.toString()
  return { code: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text, response }
}

const json = { 'content-type': 'application/json' }

describe('the HTTP server', () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'roadstead-api-'))
    const socketPath = join(folder, 'api.sock')
    server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }, { socketPath }] })
    agent = new Agent({ keepAlive: false })
  })
  after(async () => {
    await server.close()
    agent.destroy()
    await rm(folder, { recursive: true })
  })

  test('answers the same on TCP and on a unix socket', async () => {
    const overSocket = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request({ socketPath: join(folder, 'api.sock'), path: '/api/v1/namespaces', agent }, resolve)
      sent.once('error', reject)
      sent.end()
    })
    assert.equal((await read(overSocket)).text, (await ask('GET', '/api/v1/namespaces')).text)
  })

  test('streams a watch line by line', async () => {
    const stream = await open('GET', `${maps}?watch=1`)
    const first = new Promise<string>((resolve) => stream.once('data', (piece: Buffer) => resolve(piece.toString())))
    await ask('POST', maps, json, JSON.stringify({ metadata: { name: 'seen' } }))
    const line = JSON.parse(await first) as { type: string; object: { metadata: { name: string } } }
    assert.deepEqual([line.type, line.object.metadata.name], ['ADDED', 'seen'])
    stream.destroy()
  })

  test('a watch that is reset is a broken connection', async () => {
    const stream = await open('GET', `${maps}?watch=1&resourceVersion=999`)
    const broken = read(stream)
    server.faults.cutWatches('reset')
    await assert.rejects(broken)
  })

  test('a watch that is cut gracefully ends', async () => {
    const ended = read(await open('GET', `${maps}?watch=1&resourceVersion=999`))
    server.faults.cutWatches('graceful')
    assert.equal((await ended).text, '')
  })

  test('offers JSON to clients that prefer protobuf, and nothing to those that insist on it', async () => {
    const both = await ask('GET', maps, { accept: 'application/vnd.kubernetes.protobuf,application/json' })
    assert.equal(both.type, 'application/json')
    const only = await ask('GET', maps, { accept: 'application/vnd.kubernetes.protobuf' })
    assert.equal(only.code, 406)
  })

  test('reads a protobuf body', async () => {
    const field = (number: number, content: string | Buffer) => {
      const bytes = Buffer.from(content)
      return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
    }
    const typeMeta = field(1, Buffer.concat([field(1, 'v1'), field(2, 'ConfigMap')]))
    const data = field(2, Buffer.concat([field(1, 'key'), field(2, 'value')]))
    const object = Buffer.concat([field(1, field(1, 'wire')), data])
    const body = Buffer.concat([Buffer.from('k8s\0'), typeMeta, field(2, object)])
    const made = await ask('POST', maps, { 'content-type': 'application/vnd.kubernetes.protobuf' }, body)
    assert.equal(made.code, 201, made.text)
    assert.deepEqual((JSON.parse(made.text) as { data: object }).data, { key: 'value' })
  })

  test('refuses a body it cannot read with 415', async () => {
    const refused = await ask('POST', maps, { 'content-type': 'application/cbor' }, 'x')
    assert.equal(refused.code, 415)
    const broken = await ask('POST', maps, { 'content-type': 'application/vnd.kubernetes.protobuf' }, 'k8s?')
    assert.equal(broken.code, 415)
  })

  test('answers in YAML when asked', async () => {
    const answer = await ask('GET', '/api/v1/namespaces/default', { accept: 'application/yaml' })
    assert.equal(answer.type, 'application/yaml')
    assert.match(answer.text, /^kind: Namespace$/m)
  })

  test('says Retry-After with a 429', async () => {
    server.faults.add({ kind: 'refuse', code: 429, retryAfterSeconds: 2 }, {}, 1)
    const refused = await ask('GET', maps)
    assert.deepEqual([refused.code, refused.response.headers['retry-after']], [429, '2'])
  })

  test('a dropped reply cuts the connection', async () => {
    server.faults.add({ kind: 'drop-reply' }, {}, 1)
    await assert.rejects(ask('GET', maps))
  })

  test('is healthy, has a version, and knows no other pages', async () => {
    assert.equal((await ask('GET', '/readyz')).text, 'ok')
    assert.match((await ask('GET', '/version')).text, /"gitVersion":"v1\.36\.\d+\+roadstead"/)
    const other = await ask('GET', '/nothing')
    assert.deepEqual([other.code, other.text], [404, '404 page not found\n'])
  })

  test('has no fault path unless it was asked for', async () => {
    assert.equal((await ask('POST', '/_faults', json, '{"clear":true}')).code, 404)
  })

  test('takes over a socket file nobody listens on, and no other', async () => {
    const socketPath = join(folder, 'stale.sock')
    const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script, socketPath])
    const second = await startApiServer({ listen: [{ socketPath }] })
    await assert.rejects(startApiServer({ listen: [{ socketPath }] }), /EADDRINUSE/)
    await second.close()
  })

  test('listens on all addresses or on none', async () => {
    const port = Number(new URL(server.url).port)
    const twice = startApiServer({
      listen: [
        { host: '127.0.0.1', port: 0 },
        { host: '127.0.0.1', port },
      ],
    })
    await assert.rejects(twice, /EADDRINUSE/)
  })
})
