/** DNS over UDP and TCP on one address and port. Whatever arrives, the server goes on; what it answers is message.ts. */
import { Buffer } from 'node:buffer'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Log } from '../../kube/log.ts'
import { replyTo, type Transport } from './message.ts'
import type { RecordIndex } from './record-index.ts'

export interface DnsServerOptions {
  host: string
  /** 0 takes a free one, the same for UDP and TCP. */
  port: number
  index: RecordIndex
  random: () => number
  log: Log
  /** Replies that go out, by transport: for metrics. */
  onReply?: (transport: Transport) => void
}

export interface DnsServer {
  readonly port: number
  close(): Promise<void>
}

/** An idle TCP connection is closed after this (RFC 7766 asks for seconds). */
const idleMs = 10_000
const maxConnections = 1000
const portTries = 5

export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { host, index, random, log, onReply } = options
  const connections = new Set<Socket>()
  const answer = (query: Buffer, transport: Transport): Buffer | undefined => {
    try {
      const reply = replyTo(query, transport, index, random)
      if (reply !== undefined) onReply?.(transport)
      return reply
    } catch (error) {
      log.error({ err: error, query: query.toString('hex') }, 'a query could not be answered')
      return undefined
    }
  }
  const { udp, tcp, port } = await bind(host, options.port)
  udp.on('message', (query, from) => {
    const reply = answer(query, 'udp')
    if (reply !== undefined)
      udp.send(reply, from.port, from.address, (error) => {
        if (error) log.debug({ err: error, to: from.address }, 'a reply could not be sent')
      })
  })
  udp.on('error', (error) => log.warn({ err: error }, 'UDP socket'))
  tcp.maxConnections = maxConnections
  tcp.on('error', (error) => log.warn({ err: error }, 'TCP socket'))
  tcp.on('connection', (socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(idleMs, () => socket.destroy())
    serve(socket, (query) => answer(query, 'tcp'))
  })

  return {
    port,
    async close() {
      for (const socket of connections) socket.destroy()
      const closed = [once(udp, 'close'), once(tcp, 'close')]
      udp.close()
      tcp.close()
      await Promise.all(closed)
    },
  }
}

/** Queries one after another, each behind its length (RFC 1035 section 4.2.2); a broken one ends the connection. */
function serve(socket: Socket, answer: (query: Buffer) => Buffer | undefined): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const length = rest.readUInt16BE(0)
      const reply = answer(rest.subarray(2, 2 + length))
      rest = rest.subarray(2 + length)
      if (reply === undefined) {
        socket.destroy()
        return
      }
      const prefix = Buffer.alloc(2)
      prefix.writeUInt16BE(reply.length)
      socket.write(Buffer.concat([prefix, reply]))
    }
  })
}

/** Both sockets on one port: with port 0 the port that UDP got may be taken for TCP, then another one. */
async function bind(host: string, port: number): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let left = port === 0 ? portTries : 1; ; left--) {
    const udp = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' })
    const tcp = createServer()
    try {
      udp.bind(port, host)
      await once(udp, 'listening')
      const bound = udp.address().port
      tcp.listen(bound, host)
      await once(tcp, 'listening')
      return { udp, tcp, port: bound }
    } catch (error) {
      udp.close()
      if (left <= 1) throw error
    }
  }
}
