/**
 * Image `echo`: answers over HTTP, TCP and UDP with what it is and who asks. Only node: modules, so that a Pod is up in some 50 ms.
 *   HTTP_PORT 8080, TCP_PORT 9000, UDP_PORT 9001 (empty: off), listening on IPv4 and IPv6
 *   GET / and any path   JSON: pod, namespace, node, podIP, client {address, port}, server, request {method, path, headers}
 *   GET /env  /healthz  /readyz  /slow?ms=1000  /stream?seconds=10&ms=100 (one line each ms)  POST /ready?value=false
 *   TCP  each line comes back in JSON with the same facts; `quit` ends the connection
 *   UDP  each datagram comes back in JSON; the datagram goes back unchanged from port UDP_PORT when it is longer than 512 bytes
 * SIGUSR1 and SIGUSR2 make it unready and ready. SIGTERM: goes on serving for TERMINATION_DELAY (5) seconds, as ready as
 * it was (its EndpointSlice says terminating by then), takes no new connections after that, finishes open requests, exits with 0.
 */
import { createSocket } from 'node:dgram'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'

const env = process.env
delete env['NODE_COMPILE_CACHE']
const who = {
  pod: env['POD_NAME'] ?? env['HOSTNAME'] ?? '',
  namespace: env['POD_NAMESPACE'] ?? '',
  node: env['NODE_NAME'] ?? '',
  podIP: env['POD_IP'] ?? '',
}
let ready = env['READY'] !== 'false'
let draining = false
const tcpConnections = new Set<Socket>()
const streams = new Set<ServerResponse>()

const http = createServer((request, response) => {
  const url = URL.parse(request.url ?? '/', 'http://echo')
  if (url === null) return text(response, 400, 'no such path\n')
  if (draining) response.setHeader('Connection', 'close')
  if (url.pathname === '/healthz') return text(response, 200, 'ok\n')
  if (url.pathname === '/readyz') return text(response, ready ? 200 : 503, ready ? 'ok\n' : 'not ready\n')
  if (url.pathname === '/ready' && request.method === 'POST') {
    ready = url.searchParams.get('value') !== 'false'
    return text(response, 200, `${ready}\n`)
  }
  if (url.pathname === '/env') return json(response, env)
  if (url.pathname === '/stream') return stream(url, response)
  const waitMs = url.pathname === '/slow' ? number(url.searchParams.get('ms'), 1000) : 0
  if (waitMs > 0) setTimeout(() => json(response, facts(request)), waitMs)
  else json(response, facts(request))
})
http.keepAliveTimeout = 60_000

function facts(request: IncomingMessage): object {
  const { method, url, headers, socket } = request
  return { ...who, ready, protocol: 'HTTP', ...ends(socket), request: { method, path: url, headers } }
}

/** A long-lived answer: a line every `ms`; it goes on through a drain until its time is over. */
function stream(url: URL, response: ServerResponse): void {
  const everyMs = Math.max(number(url.searchParams.get('ms'), 100), 1)
  let left = Math.ceil((number(url.searchParams.get('seconds'), 10) * 1000) / everyMs)
  streams.add(response)
  response.setHeader('Content-Type', 'text/plain')
  const timer = setInterval(() => {
    response.write(`${who.pod} ${left}\n`)
    left -= 1
    if (left <= 0) response.end()
  }, everyMs)
  const over = () => {
    clearInterval(timer)
    streams.delete(response)
  }
  response.on('close', over).on('finish', over)
}

const tcp = createTcpServer((socket) => {
  tcpConnections.add(socket)
  socket.on('error', () => {})
  socket.on('close', () => tcpConnections.delete(socket))
  let unfinished = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (unfinished + chunk).split('\n')
    unfinished = (lines.pop() ?? '').slice(-65_536)
    for (const line of lines) {
      if (line.trim() === 'quit') socket.end()
      else if (!socket.writableEnded)
        socket.write(`${JSON.stringify({ ...who, protocol: 'TCP', ...ends(socket), echo: line })}\n`)
    }
  })
})

// dual stack on one socket: an IPv6 socket that also takes IPv4 (ipv6Only false)
const udp = createSocket({ type: 'udp6', ipv6Only: false })
udp.on('message', (data, from) => {
  const client = { address: plain(from.address), port: from.port }
  const answer = data.length > 512 ? data : JSON.stringify({ ...who, protocol: 'UDP', client, echo: data.toString() })
  udp.send(answer, from.port, from.address, () => {})
})
udp.on('error', fail)

function ends({ remoteAddress, remotePort, localAddress, localPort }: Socket): object {
  return {
    client: { address: plain(remoteAddress), port: remotePort },
    server: { address: plain(localAddress), port: localPort },
  }
}

/** `::ffff:10.0.0.1` is an IPv4 client on a dual-stack socket. */
function plain(address = ''): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('Content-Type', 'application/json')
  response.end(`${JSON.stringify(value)}\n`)
}

function text(response: ServerResponse, code: number, body: string): void {
  response.writeHead(code, { 'Content-Type': 'text/plain' }).end(body)
}

function number(value: string | null | undefined, fallback: number): number {
  const parsed = Number(value)
  return value === null || value === undefined || value === '' || !Number.isFinite(parsed) ? fallback : parsed
}

function port(name: string, fallback: number): number | undefined {
  return env[name] === '' ? undefined : number(env[name], fallback)
}

function fail(error: Error): void {
  process.stderr.write(`echo: ${error.message}\n`)
  process.exit(1)
}

const listening = { HTTP: port('HTTP_PORT', 8080), TCP: port('TCP_PORT', 9000), UDP: port('UDP_PORT', 9001) }
const started = (name: string, at: AddressInfo | string | null) =>
  process.stdout.write(`${name} on ${typeof at === 'object' ? at?.port : at}\n`)
if (listening.HTTP !== undefined)
  http.on('error', fail).listen(listening.HTTP, '::', () => started('HTTP', http.address()))
if (listening.TCP !== undefined) tcp.on('error', fail).listen(listening.TCP, '::', () => started('TCP', tcp.address()))
if (listening.UDP !== undefined) udp.bind(listening.UDP, '::', () => started('UDP', udp.address()))

process.on('SIGUSR1', () => (ready = false))
process.on('SIGUSR2', () => (ready = true))
process.once('SIGTERM', () => {
  draining = true
  setTimeout(stopAccepting, number(env['TERMINATION_DELAY'], 5) * 1000)
})

/** HTTP requests finish; idle keep-alive connections and TCP sessions are closed by us. */
function stopAccepting(): void {
  const closed = [
    new Promise((resolve) => (http.listening ? http.close(resolve) : resolve(undefined))),
    new Promise((resolve) => (tcp.listening ? tcp.close(resolve) : resolve(undefined))),
  ]
  http.closeIdleConnections()
  for (const socket of tcpConnections) socket.end()
  void Promise.all(closed).then(() => process.exit(0))
}
