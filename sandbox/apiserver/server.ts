/**
 * The API over HTTP: on TCP (loopback) and on unix sockets at once, all in front of one api.ts.
 */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type Api, type ApiOptions, createApi } from './api.ts'
import type { Faults } from './faults.ts'
import { serve } from './http.ts'

export type ListenAddress = { host: string; port: number } | { socketPath: string }

export interface ServerOptions extends ApiOptions {
  listen: readonly ListenAddress[]
  /** Serve the fault switches under /_faults. */
  enableFaults?: boolean
}

export interface ApiServer {
  /** Of the first TCP address, `http://127.0.0.1:PORT`; of the first socket, `unix:PATH`, when there is none. */
  url: string
  api: Api
  faults: Faults
  close(): Promise<void>
}

/** Listens on every address, or on none when one fails. */
export async function startApiServer(options: ServerOptions): Promise<ApiServer> {
  const api = createApi(options)
  const servers: { server: Server; sockets: Set<Socket> }[] = []
  const close = async () => {
    await Promise.all(servers.map(stop))
  }
  const urls: string[] = []
  try {
    for (const address of options.listen) {
      const { server, sockets } = httpServer(api, options.enableFaults ?? false)
      servers.push({ server, sockets })
      if ('socketPath' in address) await clearStale(address.socketPath)
      urls.push(await listen(server, address))
    }
  } catch (error) {
    await close()
    throw error
  }
  const url = urls.find((candidate) => candidate.startsWith('http:')) ?? urls[0] ?? ''
  return { url, api, faults: api.faults, close }
}

function httpServer(api: Api, enableFaults: boolean): { server: Server; sockets: Set<Socket> } {
  const sockets = new Set<Socket>()
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    serve(api, request, response, enableFaults).catch(() => request.socket.destroy())
  })
  // Watches stay open as long as the client wants; idle connections are cheap on loopback.
  server.requestTimeout = 0
  server.keepAliveTimeout = 120_000
  server.on('connection', (socket) => {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return { server, sockets }
}

/** A socket file that nobody listens on is left over from a process that was killed. */
async function clearStale(path: string): Promise<void> {
  const probe = connect(path)
  try {
    await once(probe, 'connect')
  } catch (error) {
    if (isErrno(error) && error.code === 'ECONNREFUSED') await rm(path, { force: true })
  } finally {
    probe.destroy()
  }
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error
}

function listen(server: Server, address: ListenAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const listening = () => {
      server.removeListener('error', reject)
      resolve('socketPath' in address ? `unix:${address.socketPath}` : urlOf(server.address() as AddressInfo))
    }
    if ('socketPath' in address) server.listen(address.socketPath, listening)
    else server.listen(address.port, address.host, listening)
  })
}

function urlOf({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`
}

function stop({ server, sockets }: { server: Server; sockets: Set<Socket> }): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of sockets) socket.destroy()
  })
}
