/**
 * One HTTP request to the API server over node:http or node:https. Whatever happens (abort before, during or after the
 * answer's head; a peer that falls silent; a cut) the socket is given back or destroyed and no listener stays on the signal.
 */
import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { ConnectionError } from './api-failure.ts'
import type { Clock } from './clock.ts'
import type { Connection, Credentials } from './server-access.ts'

export interface Exchange {
  response: IncomingMessage
  /** The body's chunks; throws ConnectionError when it is cut or falls silent, the signal's reason when aborted. */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>
  /** Gives the socket back when the body was read to its end, otherwise destroys it. May be called again. */
  dispose(): void
}

export interface ExchangeRequest {
  method: string
  /** With the query, without the server's path prefix. */
  path: string
  headers: Record<string, string>
  body?: string
  signal?: AbortSignal | undefined
  /** The peer may be silent for so long; then the connection counts as dead. */
  idleMs: number
}

export interface Transport {
  exchange(request: ExchangeRequest, credentials: Credentials): Promise<Exchange>
  close(): void
}

/**
 * A server that cannot be reached is asked anew instead of being waited for: the kernel repeats its own attempt after 1, 2, 4, 8, 16 and 32 s,
 * and whoever has waited for a minute hears of a server that is back half a minute late.
 */
const connectWithinMs = 3000
/** Of TCP: a peer that does not answer for ten seconds more (Node asks every second then) is gone. Silence is normal on a watch. */
const askAfterMs = 5000

/** Keep-alive connections to one API server. `close` destroys those that are open. */
export function createTransport(connection: Connection, clock: Clock): Transport {
  const secure = connection.server.protocol === 'https:'
  const agentOptions = { keepAlive: true, ...(connection.proxyEnv && { proxyEnv: { ...connection.proxyEnv } }) }
  const agent = secure ? new HttpsAgent(agentOptions) : new HttpAgent(agentOptions)
  const send = secure ? httpsRequest : httpRequest
  const fixed = { ...target(connection), agent, ...connection.tls }
  const prefix = connection.server.pathname.replace(/\/+$/, '')
  return {
    exchange: (request, credentials) => {
      const options = {
        ...fixed,
        ...credentials.tls,
        method: request.method,
        path: prefix + request.path,
        headers: {
          ...request.headers,
          ...credentials.headers,
          ...(request.body !== undefined && { 'content-length': String(Buffer.byteLength(request.body)) }),
        },
      }
      return exchange(() => send(options), request, clock, connection.server)
    },
    close: () => agent.destroy(),
  }
}

function target(connection: Connection): RequestOptions {
  const { server, socketPath } = connection
  if (socketPath !== undefined) return { socketPath, host: server.hostname }
  const port = server.port === '' ? {} : { port: Number(server.port) }
  return { hostname: server.hostname.replace(/^\[|\]$/g, ''), ...port }
}

function exchange(
  open: () => ReturnType<typeof httpRequest>,
  request: ExchangeRequest,
  clock: Clock,
  server: URL,
): Promise<Exchange> {
  const { signal, idleMs } = request
  const where = `${request.method} ${server.origin}${request.path.split('?')[0]}`
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const outgoing = open()
    // Made when it happens: an error takes its stack, which costs more than the rest of a request here.
    const silence = () => new ConnectionError(`${where}: nothing received for ${idleMs / 1000} s`)
    let cancelIdle = clock.after(idleMs, () => outgoing.destroy(silence()))
    let cause: unknown
    let cancelConnect = () => {}
    const abort = () => outgoing.destroy()
    signal?.addEventListener('abort', abort, { once: true })
    const release = () => {
      cancelIdle()
      cancelConnect()
      signal?.removeEventListener('abort', abort)
    }
    const failure = (error: unknown): unknown => {
      if (signal?.aborted) return signal.reason
      const reason = cause ?? error
      if (reason instanceof ConnectionError) return reason
      return new ConnectionError(`${where}: ${describe(reason)}`, { cause: reason })
    }
    const alive = () => {
      cancelIdle()
      cancelIdle = clock.after(idleMs, () => {
        cause = silence()
        outgoing.destroy()
      })
    }
    outgoing.on('error', (error) => {
      release()
      reject(failure(error))
    })
    outgoing.once('socket', (socket) => {
      if (!socket.connecting) return
      socket.setKeepAlive(true, askAfterMs)
      cancelConnect = clock.after(connectWithinMs, () => {
        outgoing.destroy(new ConnectionError(`${where}: no connection within ${connectWithinMs / 1000} s`))
      })
      socket.once('connect', () => cancelConnect())
    })
    outgoing.once('response', (response) => {
      alive()
      response.on('error', () => {})
      const dispose = () => {
        release()
        if (!response.complete) outgoing.destroy()
      }
      resolve({ response, dispose, chunks: () => chunks(response, alive, failure) })
    })
    outgoing.end(request.body)
  })
}

async function* chunks(
  response: IncomingMessage,
  alive: () => void,
  failure: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of response) {
      alive()
      yield chunk as Uint8Array
    }
  } catch (error) {
    throw failure(error)
  }
}

/** Node calls a connection that ended inside an answer `aborted`, and gives refused connections to a name no message at all. */
function describe(reason: unknown): string {
  if (reason instanceof AggregateError) return reason.errors.map(describe).join('; ')
  if (!(reason instanceof Error)) return String(reason)
  return reason.message === 'aborted' ? 'the connection was cut in the middle of the answer' : reason.message
}
