/**
 * Bodies as bytes (HTTP) or as fresh values (in process). Bytes of stored objects are shared, values are always copies.
 */
import { bytesOf, type Entry } from './entry.ts'
import { clone } from './json.ts'
import type { ApiResponse, ListBody, ResponseBody } from './request.ts'
import type { StatusFailure } from './strategies/status-failure.ts'

export function ok(body: ResponseBody, code = 200, warnings: readonly string[] = []): ApiResponse {
  return { code, headers: {}, warnings, body }
}

export function value(content: unknown, code = 200, warnings: readonly string[] = []): ApiResponse {
  return ok({ kind: 'value', value: content }, code, warnings)
}

export function text(content: string, code = 200): ApiResponse {
  return ok({ kind: 'text', text: content, contentType: 'text/plain; charset=utf-8' }, code)
}

export function refusal(error: StatusFailure): ApiResponse {
  const retry = error.status.details?.retryAfterSeconds
  const response = value(error.status, error.code, error.warnings)
  if (retry !== undefined) response.headers['retry-after'] = String(retry)
  return response
}

/** The stored object asked for under another of its versions carries that version. */
function versioned(entry: Entry, apiVersion: string): Buffer {
  if (entry.object.apiVersion === apiVersion) return bytesOf(entry)
  return Buffer.from(JSON.stringify({ ...entry.object, apiVersion }))
}

function entryValue(entry: Entry, apiVersion: string): unknown {
  const copy = clone(entry.object)
  if (copy.apiVersion !== apiVersion) copy.apiVersion = apiVersion
  return copy
}

const comma = Buffer.from(',')
const brace = Buffer.from('{')

function* listBytes(list: ListBody): Iterable<Buffer> {
  const head = JSON.stringify({ kind: list.listKind, apiVersion: list.apiVersion, metadata: list.metadata })
  yield Buffer.from(`${head.slice(0, -1)},"items":[`)
  let first = true
  for (const entry of list.entries) {
    if (!first) yield comma
    first = false
    const bytes = versioned(entry, list.itemApiVersion)
    if (list.itemsCarryKind) {
      yield bytes
    } else {
      yield brace
      yield bytes.subarray(headLength(entry, list.itemApiVersion))
    }
  }
  yield Buffer.from(']}\n')
}

/** Length of `{"kind":"K","apiVersion":"v1",`, which every stored object begins with (entry.ts). */
function headLength(entry: Entry, apiVersion: string): number {
  return `{"kind":"${entry.object.kind}","apiVersion":"${apiVersion}",`.length
}

/** The body in pieces; a watch has none. */
export function bodyBytes(body: ResponseBody): Iterable<Buffer> {
  if (body.kind === 'list') return listBytes(body)
  if (body.kind === 'entry') return [versioned(body.entry, body.apiVersion), Buffer.from('\n')]
  if (body.kind === 'text') return [Buffer.from(body.text)]
  if (body.kind === 'value') return [Buffer.from(`${JSON.stringify(body.value)}\n`)]
  return []
}

/** The body as a value that belongs to the caller. */
export function bodyValue(body: ResponseBody): unknown {
  if (body.kind === 'value') return clone(body.value)
  if (body.kind === 'entry') return entryValue(body.entry, body.apiVersion)
  if (body.kind === 'text') return body.text
  if (body.kind === 'watch') return undefined
  const items = body.entries.map((entry) => {
    const item = entryValue(entry, body.itemApiVersion) as Record<string, unknown>
    if (!body.itemsCarryKind) {
      delete item['kind']
      delete item['apiVersion']
    }
    return item
  })
  return { kind: body.listKind, apiVersion: body.apiVersion, metadata: clone(body.metadata), items }
}
