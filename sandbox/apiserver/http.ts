/**
 * One HTTP exchange: node's request into an ApiRequest, the ApiResponse back onto the socket. Watches are written with backpressure:
 * a slow reader stops the cursor, not the server.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stringify } from 'yaml'
import type { Api } from './api.ts'
import { mediaType } from './bodies.ts'
import { failure } from './failure.ts'
import { controlFaults, faultsPath } from './faults-control.ts'
import { decodeProtobuf, ProtobufError } from './protobuf/decode.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import { bodyBytes, bodyValue, refusal } from './response.ts'
import { frameLine, type WatchStream } from './watch.ts'

/** Largest body accepted; as etcd's request limit in kube-apiserver, 3 MiB. */
const maxBody = 3 * 1024 * 1024

export async function serve(
  api: Api,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  enableFaults: boolean,
): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const body = await readBody(incoming)
  if (!body) {
    const text = `Request entity too large: limit is ${maxBody}`
    writeResponse(refusal(failure(413, 'RequestEntityTooLarge', text, {})), outgoing)
    return
  }
  const url = new URL(incoming.url ?? '/', 'http://server')
  const request: ApiRequest = {
    method: incoming.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    ...readable(incoming.headers as Record<string, string | undefined>, body),
    signal: gone.signal,
  }
  const control = enableFaults && request.path === faultsPath
  const response = control ? controlFaults(api.faults, request) : await api.handle(request)
  if (response.body.kind === 'watch') return writeWatch(api, request, response.body.stream, outgoing)
  writeResponse(response, outgoing)
}

/** Undefined when it is too large; the rest is read and dropped, so that the client gets its answer. */
async function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    size += piece.length
    if (size <= maxBody) pieces.push(piece)
  }
  return size <= maxBody ? Buffer.concat(pieces) : undefined
}

const protobuf = 'application/vnd.kubernetes.protobuf'

/** Protobuf bodies become JSON here, so that the API reads only one form. What cannot be read stays as it is and meets a 415. */
function readable(headers: ApiRequest['headers'], body: Buffer): Pick<ApiRequest, 'headers' | 'body'> {
  if (mediaType(headers['content-type']) !== protobuf || body.length === 0) return { headers, body: body.toString() }
  try {
    const object = decodeProtobuf(body)
    return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(object) }
  } catch (error) {
    if (error instanceof ProtobufError) return { headers, body: '?' }
    throw error
  }
}

function writeResponse(response: ApiResponse, outgoing: ServerResponse): void {
  const { body } = response
  const yaml = response.format === 'yaml' && body.kind !== 'text'
  const pieces = yaml ? [Buffer.from(stringify(bodyValue(body)))] : [...bodyBytes(body)]
  let size = 0
  for (const piece of pieces) size += piece.length
  const headers: Record<string, string | string[] | number> = {
    ...response.headers,
    'content-type':
      body.kind === 'text'
        ? body.contentType
        : (response.contentType ?? (yaml ? 'application/yaml' : 'application/json')),
    'cache-control': 'no-cache, private',
    'content-length': size,
  }
  const warnings = response.warnings.map((warning) => `299 - ${JSON.stringify(warning)}`)
  if (warnings.length > 0) headers['warning'] = warnings
  outgoing.writeHead(response.code, headers)
  outgoing.cork()
  for (const piece of pieces) outgoing.write(piece)
  outgoing.end()
  outgoing.uncork()
}

/** The next frames of a watch, 64 KiB or the last frame that reaches it; empty when there are none at the moment. */
function nextPiece(stream: WatchStream): Buffer {
  const lines: Buffer[] = []
  let size = 0
  for (let frame = stream.next(); frame; frame = size < 65_536 ? stream.next() : undefined) {
    const line = Buffer.from(frameLine(frame, stream))
    lines.push(line)
    size += line.length
  }
  return Buffer.concat(lines)
}

function writeWatch(api: Api, request: ApiRequest, stream: WatchStream, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
  outgoing.flushHeaders()
  return new Promise((resolve) => {
    let blocked = false
    const pump = () => {
      if (blocked) return
      if (!stream.ended && api.faults.holds(request)) return
      // Frames are joined here, not by cork(): what cork holds back makes write() answer false without a drain event to follow.
      while (!blocked) {
        const piece = nextPiece(stream)
        if (piece.length === 0) break
        blocked = !outgoing.write(piece)
      }
      if (stream.ended && !blocked) outgoing.end()
    }
    const untrack = api.faults.track({
      request,
      end: () => stream.end(),
      reset: () => outgoing.destroy(),
      wake: pump,
    })
    outgoing.on('drain', () => {
      blocked = false
      pump()
    })
    outgoing.once('close', () => {
      untrack()
      stream.end()
      resolve()
    })
    // A burst of events goes out in one write a watcher.
    let due = false
    stream.onWake(() => {
      if (due) return
      due = true
      setImmediate(() => {
        due = false
        pump()
      })
    })
    pump()
  })
}
