import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { formatRelayAddress, parseRelayAddress, type Relay, type RelayAddress, startRelay } from './relay.ts'

describe('relay addresses', () => {
  for (const text of ['tcp:127.0.0.1:80', 'tcp:[::1]:6443', 'unix:/run/a b.sock'])
    test(`${text} survives parse and format`, () => assert.equal(formatRelayAddress(parseRelayAddress(text)), text))
  for (const text of ['127.0.0.1:80', 'tcp:::1:80', 'tcp:host:99999', 'unix:relative', 'tcp:host'])
    test(`${text} is refused`, () => assert.throws(() => parseRelayAddress(text), RangeError))
})

describe('relay', () => {
  test('an answer after the end of the request still arrives', () =>
    withRelay(
      (socket) => {
        let asked = ''
        socket.on('data', (text) => {
          asked += text.toString()
        })
        socket.on('end', () => socket.end(`got ${asked}`))
      },
      async (at) => {
        const client = open(at)
        client.end('question')
        assert.equal(await readAll(client), 'got question')
      },
    ))

  test('a megabyte comes back whole through a slow reader', () =>
    withRelay(
      (socket) => socket.pipe(socket),
      async (at) => {
        const client = open(at)
        const sent = Buffer.alloc(1024 * 1024, 'x')
        client.pause()
        client.end(sent)
        setImmediate(() => client.resume())
        assert.equal((await readAll(client)).length, sent.length)
      },
    ))

  test('a server that is not there ends the connection', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'relay-'))
    const relay = await startRelay(
      { kind: 'tcp', host: '127.0.0.1', port: 0 },
      { kind: 'unix', path: join(folder, 'no') },
    )
    try {
      const client = open(relay.address)
      client.write('x')
      await assert.rejects(
        readAll(client).then((text) => assert.fail(`closed cleanly: ${text}`)),
        /ECONNRESET|EPIPE/,
      )
    } finally {
      await relay.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('a client that is gone is told to the server', () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    return withRelay(
      (socket) =>
        socket
          .on('error', () => resolve('error'))
          .on('end', () => resolve('end'))
          .resume(),
      async (at) => {
        const client = open(at)
        client.write('x')
        client.once('connect', () => client.resetAndDestroy())
        assert.match(await promise, /error|end/)
      },
    )
  })

  test('close cuts what is open', () =>
    withRelay(
      () => {},
      async (at, relay) => {
        const client = open(at)
        await new Promise((resolve) => client.once('connect', resolve))
        client.write('x')
        await relay.close()
        await readAll(client).catch(() => '')
        assert.equal(relay.connections(), 0)
      },
    ))
})

/** A server on a unix socket behind a relay on a TCP port, both gone afterwards. */
async function withRelay(serve: (socket: Socket) => void, use: (at: RelayAddress, relay: Relay) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'))
  const path = join(folder, 'socket')
  const accepted = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await listen(server, path)
  const relay = await startRelay({ kind: 'tcp', host: '127.0.0.1', port: 0 }, { kind: 'unix', path })
  try {
    await use(relay.address, relay)
  } finally {
    await relay.close()
    for (const socket of accepted) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve) => server.listen(path, resolve))
}

function open(at: RelayAddress): Socket {
  if (at.kind !== 'tcp') throw new Error('tcp')
  return connect({ host: at.host, port: at.port, allowHalfOpen: true })
}

function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('end', () => {
      socket.end()
      resolve(text)
    })
    socket.on('error', reject)
  })
}
