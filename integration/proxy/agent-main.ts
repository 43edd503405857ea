/**
 * One process in one network namespace: answers TCP and UDP on the ports given as arguments with its name and the peer it saw, and makes
 * connections itself when told to on stdin, one JSON object a line, answered by `id` on stdout. `agent-main.ts NAME [PORT ...]`.
 */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Answer, HttpResult, LoadResult, Probe, Reply, Request } from './agent.ts'

const [name = '', ...ports] = process.argv.slice(2)
const plain = (address: string | undefined) => (address ?? '').replace(/^::ffff:/, '')

for (const port of ports.map(Number)) {
  await new Promise<void>((resolve) => {
    createServer((socket) => {
      socket.on('error', () => {})
      socket.end(JSON.stringify({ name, peer: plain(socket.remoteAddress) }))
    }).listen(port, '::', resolve)
  })
  const socket = createSocket('udp6')
  socket.on('message', (_, { address, port: from }) =>
    socket.send(JSON.stringify({ name, peer: plain(address) }), from, address),
  )
  await new Promise<void>((resolve) => socket.bind(port, '::', resolve))
}

function tcp({ host, port, timeoutMs, localPort }: Probe): Promise<Answer> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host, port, ...(localPort && { localPort }) })
    const end = (answer: Answer) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end({ ok: false, code: 'TIMEOUT' }), timeoutMs)
    socket.on('data', (part) => (text += part.toString()))
    socket.on('error', (error) => end({ ok: false, code: codeOf(error) }))
    socket.on('end', () => end(parse(text)))
  })
}

function udp({ host, port, timeoutMs, localPort }: Probe): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const end = (answer: Answer) => {
      clearTimeout(timer)
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(() => end({ ok: false, code: 'TIMEOUT' }), timeoutMs)
    socket.on('message', (message) => end(parse(message.toString())))
    socket.on('error', (error) => end({ ok: false, code: codeOf(error) }))
    socket.bind(localPort ?? 0, () => {
      // A connected socket is told about ICMP errors.
      socket.connect(port, host, (error?: Error) => {
        if (error) end({ ok: false, code: codeOf(error) })
        else socket.send('who')
      })
    })
  })
}

async function load({ perSecond, forMs, ...probe }: Extract<Request, { op: 'load' }>): Promise<LoadResult> {
  const started = Date.now()
  const failures: string[] = []
  const names: Record<string, number> = {}
  const running = new Set<Promise<void>>()
  const count = async () => {
    const answer = await tcp(probe)
    if (answer.ok) names[answer.name] = (names[answer.name] ?? 0) + 1
    else failures.push(`${Date.now() - started}ms ${answer.code}`)
  }
  let sent = 0
  while (Date.now() - started < forMs) {
    const due = Math.floor(((Date.now() - started) / 1000) * perSecond)
    for (; sent < due; sent++) {
      const one = count()
      running.add(one)
      void one.finally(() => running.delete(one))
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(running)
  return { sent, failures, names }
}

async function http({ url }: Extract<Request, { op: 'http' }>): Promise<HttpResult> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000), headers: { connection: 'close' } })
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return { status: 0, headers: {}, body: cause instanceof Error ? codeOf(cause) : String(cause) }
  }
}

function work(request: Request): Promise<Answer | LoadResult | HttpResult> {
  if (request.op === 'load') return load(request)
  if (request.op === 'http') return http(request)
  return request.op === 'tcp' ? tcp(request) : udp(request)
}

function parse(text: string): Answer {
  if (text === '') return { ok: false, code: 'EMPTY' }
  const { name: other, peer } = JSON.parse(text) as { name: string; peer: string }
  return { ok: true, name: other, peer }
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message
}

const reply = (answer: Reply) => process.stdout.write(`${JSON.stringify(answer)}\n`)
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as Request
    void work(request).then((result) => reply({ id: request.id, result }))
  })
  .on('close', () => process.exit(0))
reply({ id: 0, result: { ok: true, name, peer: '' } })
