/**
 * The sandbox API server, in a child process, over HTTP: objects listed per second, and watch events delivered per second to several
 * watchers of everything. Bytes are counted and split into lines, not parsed: the server is measured, not a client.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BenchRow } from './row.ts'

const objects = 10_000
const lists = 5
const watchers = 50
const writes = 2_000
const writers = 8

export async function bench(): Promise<BenchRow[]> {
  const main = fileURLToPath(new URL('apiserver-main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, String(objects)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const agent = new Agent({ keepAlive: true, maxSockets: 128 })
  try {
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string]
    return [
      { id: 'apiserver.listPerSecond', value: await listRate(url, agent), unit: 'objects/s' },
      { id: 'apiserver.watchEventsPerSecond', value: await watchRate(url, agent), unit: 'events/s' },
    ]
  } finally {
    agent.destroy()
    child.stdin.end()
    child.kill()
  }
}

async function listRate(url: string, agent: Agent): Promise<number> {
  await drain(await send('GET', `${url}/api/v1/services`, agent))
  const start = performance.now()
  for (let round = 0; round < lists; round++) await drain(await send('GET', `${url}/api/v1/services`, agent))
  return Math.round((objects * lists) / ((performance.now() - start) / 1000))
}

async function watchRate(url: string, agent: Agent): Promise<number> {
  const list = JSON.parse(await text(await send('GET', `${url}/api/v1/configmaps`, agent))) as {
    metadata: { resourceVersion: string }
  }
  const path = `${url}/api/v1/configmaps?watch=1&resourceVersion=${list.metadata.resourceVersion}`
  const streams = await Promise.all(Array.from({ length: watchers }, () => send('GET', path, agent)))
  const start = performance.now()
  const seen = Promise.all(streams.map((stream) => linesOf(stream, writes)))
  const write = async (from: number) => {
    for (let index = from; index < writes; index += writers) {
      const body = JSON.stringify({ metadata: { name: `map-${index}` }, data: { text: 'x'.repeat(500) } })
      await drain(await send('POST', `${url}/api/v1/namespaces/default/configmaps`, agent, body))
    }
  }
  await Promise.all(Array.from({ length: writers }, (_, from) => write(from)))
  await seen
  const seconds = (performance.now() - start) / 1000
  for (const stream of streams) stream.destroy()
  return Math.round((writes * watchers) / seconds)
}

function send(method: string, url: string, agent: Agent, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const outgoing = request(url, { method, agent, headers }, (response) => {
      const { statusCode = 0 } = response
      if (statusCode < 300) resolve(response)
      else reject(new Error(`${method} ${url}: ${statusCode}`))
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

async function drain(response: IncomingMessage): Promise<void> {
  response.resume()
  await once(response, 'end')
}

async function text(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of response as AsyncIterable<Buffer>) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

/** Resolves when so many lines have come. */
function linesOf(response: IncomingMessage, wanted: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let lines = 0
    response.on('data', (piece: Buffer) => {
      for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines++
      if (lines >= wanted) resolve()
    })
    response.once('error', reject)
    response.once('end', () => reject(new Error(`the watch ended after ${lines} events`)))
  })
}
