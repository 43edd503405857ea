/**
 * The KubeClient over HTTP/1.1 with keep-alive connections. It answers a 401 once by renewing the credentials and leaves
 * every other failure to the caller: retrying is the business of queues and reflectors.
 */
import { apiFailure, ConnectionError } from './api-failure.ts'
import type { DeleteOptions, KubeClient, PatchType, WatchEvent, WriteOptions } from './client.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Connection } from './server-access.ts'
import { createTransport, type Exchange, type ExchangeRequest } from './http-exchange.ts'
import { jsonLines } from './json-lines.ts'
import type { KubeList, KubeObject, Status } from './objects.ts'
import { queryString, resourcePath } from './resource-path.ts'
import { apiVersionOf, type ResourceType } from './resources.ts'

export interface HttpClientOptions {
  clock?: Clock
  userAgent?: string
  /** A request without one byte received for so long fails; default 60 s. */
  requestIdleMs?: number
  /** A watch without an event or bookmark for so long is taken for half-open; default 90 s (bookmarks come every minute). */
  watchIdleMs?: number
  /** Texts of `Warning: 299` headers (deprecated fields, doubtful values). */
  onWarning?: (text: string) => void
}

export interface HttpKubeClient extends KubeClient {
  /** GET of any path, as text: /version, /readyz, /openapi/v3, /apis. */
  getPath(path: string, signal?: AbortSignal): Promise<string>
  /** Destroys every connection; what is under way fails. */
  close(): void
}

const patchTypes: Readonly<Record<PatchType, string>> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
}

export function createHttpClient(connection: Connection, options: HttpClientOptions = {}): HttpKubeClient {
  const clock = options.clock ?? systemClock
  const requestIdleMs = options.requestIdleMs ?? 60_000
  const watchIdleMs = options.watchIdleMs ?? 90_000
  const transport = createTransport(connection, clock)

  const open = async (request: ExchangeRequest): Promise<Exchange> => {
    const started = await transport.exchange(request, await connection.credentials(false))
    if (started.response.statusCode !== 401) return started
    started.dispose()
    return transport.exchange(request, await connection.credentials(true))
  }

  /** Sends, reads the whole body, fails with ApiError outside 2xx. */
  const call = async (method: string, path: string, content?: Content, signal?: AbortSignal): Promise<string> => {
    const exchange = await open({
      method,
      path,
      headers: headers(options.userAgent, content?.type),
      ...(content && { body: JSON.stringify(content.body) }),
      signal,
      idleMs: requestIdleMs,
    })
    try {
      const body = await readText(exchange)
      warn(exchange, options.onWarning)
      rejectFailure(exchange, `${method} ${path}`, body, clock)
      return body
    } finally {
      exchange.dispose()
    }
  }

  const callJson = async <T>(method: string, path: string, content?: Content, signal?: AbortSignal): Promise<T> =>
    parse(await call(method, path, content, signal), `${method} ${path}`) as T

  return {
    get: (type, at, signal) => callJson('GET', resourcePath(type, at), undefined, signal),

    async list<T extends KubeObject>(
      type: ResourceType<T>,
      namespace?: string,
      listOptions: object = {},
      signal?: AbortSignal,
    ) {
      const path = resourcePath(type, { namespace }) + queryString({ ...listOptions })
      const list = await callJson<KubeList<T>>('GET', path, undefined, signal)
      // Items of built-in kinds come without these two; whoever gets an object may ask it what it is.
      for (const item of (list.items ??= [])) {
        item.apiVersion ??= apiVersionOf(type)
        item.kind ??= type.kind
      }
      return list
    },

    async *watch<T extends KubeObject>(
      type: ResourceType<T>,
      namespace?: string,
      watchOptions: { allowBookmarks?: boolean } = {},
      signal?: AbortSignal,
    ) {
      const { allowBookmarks, ...selection } = watchOptions
      const query = queryString({ watch: true, ...selection, allowWatchBookmarks: allowBookmarks })
      const path = resourcePath(type, { namespace }) + query
      let exchange: Exchange | undefined
      try {
        const sent = { method: 'GET', path, headers: headers(options.userAgent), signal, idleMs: watchIdleMs }
        exchange = await open(sent)
        if (exchange.response.statusCode !== 200) {
          rejectFailure(exchange, `watch ${path}`, await readText(exchange), clock)
        }
        for await (const event of jsonLines(exchange.chunks())) {
          yield event as WatchEvent<T>
          if (signal?.aborted) return
        }
      } catch (error) {
        if (signal?.aborted) return
        throw error
      } finally {
        exchange?.dispose()
      }
    },

    create: (type, object, write, signal) =>
      callJson(
        'POST',
        resourcePath(type, { namespace: object.metadata.namespace }) + writeQuery(write),
        json(object),
        signal,
      ),

    replace: (type, object, write, signal) =>
      callJson(
        'PUT',
        resourcePath(type, { ...nameOf(object), subresource: write?.subresource }) + writeQuery(write),
        json(object),
        signal,
      ),

    patch: (type, at, patch, write, signal) =>
      callJson(
        'PATCH',
        resourcePath(type, { ...at, subresource: write?.subresource }) + writeQuery(write),
        { type: patchTypes[patch.type], body: patch.body },
        signal,
      ),

    remove<T extends KubeObject>(
      type: ResourceType<T>,
      at: { namespace?: string; name: string },
      deletion?: DeleteOptions,
      signal?: AbortSignal,
    ) {
      return callJson<T | Status>('DELETE', resourcePath(type, at), json(deleteBody(deletion)), signal)
    },

    getPath: (path, signal) => call('GET', path, undefined, signal),
    close: () => transport.close(),
  }
}

interface Content {
  type: string
  body: unknown
}

const json = (body: unknown): Content => ({ type: 'application/json', body })

function nameOf(object: KubeObject): { namespace?: string | undefined; name: string } {
  const { namespace, name } = object.metadata
  if (!name) throw new TypeError(`a ${object.kind ?? 'object'} to replace has no metadata.name`)
  return { namespace, name }
}

function headers(userAgent = 'roadstead', contentType?: string): Record<string, string> {
  return {
    accept: 'application/json',
    'user-agent': userAgent,
    ...(contentType !== undefined && { 'content-type': contentType }),
  }
}

function writeQuery(options: WriteOptions = {}): string {
  return queryString({
    dryRun: options.dryRun ? 'All' : undefined,
    fieldManager: options.fieldManager,
    force: options.force,
  })
}

function deleteBody(options: DeleteOptions = {}): object {
  const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy, dryRun } = options
  const preconditions = uid !== undefined || resourceVersion !== undefined ? { uid, resourceVersion } : undefined
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions,
    gracePeriodSeconds,
    propagationPolicy,
    dryRun: dryRun ? ['All'] : undefined,
  }
}

async function readText(exchange: Exchange): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of exchange.chunks()) parts.push(chunk)
  return Buffer.concat(parts).toString('utf8')
}

function rejectFailure(exchange: Exchange, request: string, body: string, clock: Clock): void {
  const code = exchange.response.statusCode ?? 0
  if (code >= 200 && code < 300) return
  const retryAfter = exchange.response.headers['retry-after']
  throw apiFailure({ code, retryAfter, body, request, now: clock.now() })
}

function parse(body: string, request: string): unknown {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new ConnectionError(`${request}: the answer is not JSON: ${body.slice(0, 100)}`, { cause })
  }
}

/** Warning values as RFC 9111 section 5.5 once defined them and Kubernetes sends them: `299 - "text"`. */
function warn(exchange: Exchange, onWarning: ((text: string) => void) | undefined): void {
  if (!onWarning) return
  for (const value of exchange.response.headersDistinct['warning'] ?? []) {
    for (const [, text] of value.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g)) {
      if (text !== undefined) onWarning(text.replace(/\\(.)/g, '$1'))
    }
  }
}
