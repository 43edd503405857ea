/**
 * A process inside a namespace that does what the test tells it: serves echoes and health, or connects as a client. One JSON line in, one
 * JSON line out, by id. It ends when stdin ends.
 */
import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { AgentCalls, EchoAnswer, LoadResult } from './agent.ts'

interface Held {
  socket: Socket
  ended: string | undefined
  take: (line: string) => void
}

const health = new Map<number, number>()
const held = new Map<number, Held>()
const udpClients = new Map<number, UdpSocket>()
let nextHandle = 1
let load: { stop: () => Promise<LoadResult> } | undefined

const calls: { [K in keyof AgentCalls]: (args: AgentCalls[K]['args']) => Promise<AgentCalls[K]['result']> } = {
  /** Every line (TCP) or datagram (UDP) is answered with who we are and who asked. */
  async serve({ name, port, addresses }) {
    const tcp = createServer((socket) => {
      socket.on('error', () => {})
      createInterface({ input: socket }).on('line', (line) =>
        socket.write(`${answer(name, socket.remoteAddress, line)}\n`),
      )
    })
    await new Promise<void>((resolve, reject) => tcp.on('error', reject).listen(port, '::', resolve))
    // One socket per address: a wildcard socket would answer from another address than it was asked at.
    for (const address of addresses) {
      const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
      udp.on('message', (data, from) => udp.send(answer(name, from.address, data.toString()), from.port, from.address))
      await new Promise<void>((resolve, reject) => udp.on('error', reject).bind(port, address, resolve))
    }
  },

  async serveHealth({ port, status }) {
    if (!health.has(port)) {
      const server = createHttpServer((_, response) => response.writeHead(health.get(port) ?? 500).end())
      await new Promise<void>((resolve, reject) => server.on('error', reject).listen(port, '::', resolve))
    }
    health.set(port, status)
  },

  async ask({ host, port, protocol, count, timeoutMs }) {
    const answers: (EchoAnswer | { error: string })[] = []
    for (let number = 0; number < count; number++) {
      const one = protocol === 'TCP' ? askTcp(host, port, timeoutMs) : askUdp(host, port, timeoutMs)
      answers.push(await one.catch((error: Error) => ({ error: error.message })))
    }
    return answers
  },

  async open({ host, port }) {
    const socket = connect({ host, port })
    socket.setTimeout(5000, () => socket.destroy(new Error('timeout')))
    await new Promise<void>((resolve, reject) => socket.on('connect', resolve).on('error', reject))
    socket.setTimeout(0)
    const connection: Held = { socket, ended: undefined, take: () => {} }
    socket.on('error', (error) => (connection.ended = error.message))
    socket.on('close', () => (connection.ended ??= 'closed'))
    createInterface({ input: socket })
      .on('line', (line) => connection.take(line))
      .on('error', () => {})
    held.set(nextHandle, connection)
    return nextHandle++
  },

  /** One line over a connection that was opened before. */
  async talk({ handle, timeoutMs }) {
    const connection = held.get(handle)
    if (!connection) return { error: 'no such connection' }
    if (connection.ended !== undefined) return { error: connection.ended }
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ error: connection.ended ?? 'timeout' }), timeoutMs)
      const done = (result: EchoAnswer | { error: string }) => (clearTimeout(timer), resolve(result))
      connection.take = (line) => done(JSON.parse(line) as EchoAnswer)
      connection.socket.once('close', () => done({ error: connection.ended ?? 'closed' }))
      connection.socket.write('talk\n')
    })
  },

  /** One datagram from a socket that keeps its port: a flow. */
  async talkUdp({ handle, host, port, timeoutMs }) {
    const socket = udpClients.get(handle) ?? createSocket(host.includes(':') ? 'udp6' : 'udp4')
    udpClients.set(handle, socket)
    return sendUdp(socket, host, port, timeoutMs).catch((error: Error) => ({ error: error.message }))
  },

  async startLoad({ host, port, perSecond }) {
    const result: LoadResult = { ok: 0, failed: 0, errors: {} }
    const open = new Set<Promise<void>>()
    const timer = setInterval(() => {
      const one = askTcp(host, port, 5000)
        .then(() => void result.ok++)
        .catch((error: Error) => {
          result.failed++
          result.errors[error.message] = (result.errors[error.message] ?? 0) + 1
        })
      open.add(one)
      void one.finally(() => open.delete(one))
    }, 1000 / perSecond)
    load = {
      async stop() {
        clearInterval(timer)
        await Promise.all(open)
        return result
      },
    }
  },

  async stopLoad() {
    return (await load?.stop()) ?? { ok: 0, failed: 0, errors: {} }
  },
}

function answer(node: string, client: string | undefined, text: string): string {
  return JSON.stringify({ node, client: (client ?? '').replace(/^::ffff:/, ''), text })
}

function askTcp(host: string, port: number, timeoutMs: number): Promise<EchoAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const timer = setTimeout(() => fail(new Error('timeout')), timeoutMs)
    const fail = (error: Error) => (clearTimeout(timer), socket.destroy(), reject(error))
    socket.on('error', (error) => fail(new Error('code' in error ? String(error.code) : error.message)))
    socket.on('connect', () => socket.write('ask\n'))
    socket.on('close', () => fail(new Error('closed without an answer')))
    createInterface({ input: socket })
      .on('error', () => {})
      .once('line', (line) => {
        clearTimeout(timer)
        resolve(JSON.parse(line) as EchoAnswer)
        socket.end()
      })
  })
}

async function askUdp(host: string, port: number, timeoutMs: number): Promise<EchoAnswer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  try {
    return await sendUdp(socket, host, port, timeoutMs)
  } finally {
    socket.close()
  }
}

/** A connected socket hears ICMP errors, so the first use connects it. */
function sendUdp(socket: UdpSocket, host: string, port: number, timeoutMs: number): Promise<EchoAnswer> {
  return new Promise((resolve, reject) => {
    const clean = () => {
      clearTimeout(timer)
      socket.off('message', heard)
      socket.off('error', failed)
    }
    const heard = (data: Buffer) => (clean(), resolve(JSON.parse(data.toString()) as EchoAnswer))
    const failed = (error: Error) => (clean(), reject(new Error('code' in error ? String(error.code) : error.message)))
    const timer = setTimeout(() => failed(new Error('timeout')), timeoutMs)
    socket.on('message', heard).on('error', failed)
    try {
      socket.remoteAddress()
      socket.send('ask')
    } catch {
      socket.connect(port, host, () => socket.send('ask'))
    }
  })
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, call, args } = JSON.parse(line) as { id: number; call: keyof AgentCalls; args: never }
    const reply = (message: object) => process.stdout.write(`${JSON.stringify({ id, ...message })}\n`)
    calls[call](args).then(
      (result) => reply({ result }),
      (error: unknown) => reply({ error: error instanceof Error ? error.message : String(error) }),
    )
  })
  .on('close', () => process.exit(0))
