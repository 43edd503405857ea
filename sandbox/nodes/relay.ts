/**
 * Carries byte streams between a TCP address and a unix socket, either way round: sockets on the file system are the one thing that
 * every network namespace of the machine shares. Half-closed stays half-closed, a slow reader slows the writer, a reset is passed on.
 */
import { rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'

export type RelayAddress = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }

export interface Relay {
  /** Where it listens; the port is the real one. */
  readonly address: RelayAddress
  connections(): number
  /** Stops listening and cuts what is open. */
  close(): Promise<void>
}

/** `tcp:host:port`, `tcp:[v6]:port`, `unix:/path`. Throws RangeError. */
export function parseRelayAddress(text: string): RelayAddress {
  const unix = /^unix:(\/.+)$/.exec(text)?.[1]
  if (unix !== undefined) return { kind: 'unix', path: unix }
  const tcp = /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(tcp?.[3])
  if (!tcp || port > 65_535) throw new RangeError(`${JSON.stringify(text)} is neither tcp:HOST:PORT nor unix:/PATH`)
  return { kind: 'tcp', host: tcp[1] ?? tcp[2] ?? '', port }
}

export function formatRelayAddress(address: RelayAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return `tcp:${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

/** Resolves once it listens. A unix socket file that is in the way is replaced. */
export async function startRelay(listen: RelayAddress, target: RelayAddress): Promise<Relay> {
  const open = new Set<Socket>()
  // allowHalfOpen: an end of stream on one side is sent on by pipe() and the other direction goes on.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (inbound) => {
    const outbound = connect({ ...connectOptions(target), allowHalfOpen: true, noDelay: true })
    for (const socket of [inbound, outbound]) {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
    }
    inbound.pipe(outbound)
    outbound.pipe(inbound)
    passFailure(inbound, () => cut(outbound, target))
    passFailure(outbound, () => cut(inbound, listen))
  })
  if (listen.kind === 'unix') rmSync(listen.path, { force: true })
  await listening(server, listen)
  return {
    address: boundAddress(server, listen),
    connections: () => open.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

/** `from` broke, or closed without an end of stream. */
function passFailure(from: Socket, cutPeer: () => void): void {
  from.on('error', cutPeer)
  from.on('close', () => {
    if (!from.readableEnded) cutPeer()
  })
}

/** A reset rather than a clean end, where the socket knows resets. */
function cut(socket: Socket, address: RelayAddress): void {
  if (socket.destroyed) return
  if (address.kind === 'tcp') socket.resetAndDestroy()
  else socket.destroy()
}

function connectOptions(address: RelayAddress): { path: string } | { host: string; port: number } {
  return address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
}

function listening(server: Server, address: RelayAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(connectOptions(address), () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

function boundAddress(server: Server, asked: RelayAddress): RelayAddress {
  const bound = server.address()
  if (asked.kind === 'unix' || bound === null || typeof bound === 'string') return asked
  return { ...asked, port: bound.port }
}
