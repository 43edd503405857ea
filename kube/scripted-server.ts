/** A tiny HTTP server on 127.0.0.1 for tests of what happens on the wire: the test writes each answer, down to cut sockets. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { plainConnection } from './connection.ts'
import { createHttpClient, type HttpClientOptions, type HttpKubeClient } from './http-client.ts'

export interface ScriptedServer {
  readonly url: string
  /** `GET /api/v1/services?limit=500`, in order. */
  readonly requests: string[]
  /** Connections that are open now. */
  readonly open: ReadonlySet<Socket>
  readonly client: HttpKubeClient
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ScriptedRequest {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: string
  /** From 0. */
  call: number
}

export async function scriptedServer(
  answer: (request: ScriptedRequest, response: ServerResponse) => void,
  options: HttpClientOptions = {},
): Promise<ScriptedServer> {
  const open = new Set<Socket>()
  const requests: string[] = []
  const server = createServer((incoming, response) => {
    const chunks: Uint8Array[] = []
    incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', headers, url: target = '' } = incoming
      const { pathname, searchParams } = new URL(target, 'http://server')
      requests.push(`${method} ${decodeURIComponent(target)}`)
      const body = Buffer.concat(chunks).toString('utf8')
      answer({ method, path: pathname, query: searchParams, headers, body, call: requests.length - 1 }, response)
    })
  })
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createHttpClient(plainConnection(url), options)
  const close = async () => {
    client.close()
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url, requests, open, client, close, [Symbol.asyncDispose]: close }
}

/** Answers with JSON. */
export function json(response: ServerResponse, body: unknown, code = 200, headers: Record<string, string> = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Resolves when `done` holds, looking again each time something may have happened; fails after two seconds. */
export async function until(done: () => boolean, what = 'the expected state'): Promise<void> {
  const deadline = performance.now() + 2000
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`waited two seconds for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
