/**
 * A KubeClient without sockets, for simulations and unit tests. Goes through the same requests, answers and faults as HTTP;
 * every object it hands out is a copy.
 */
import {
  ApiError,
  type DeleteOptions,
  type KubeClient,
  type ListOptions,
  type ObjectName,
  type PatchType,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from '../../kube/client.ts'
import type { KubeList, KubeObject, Status } from '../../kube/objects.ts'
import { apiVersionOf, type ResourceType } from '../../kube/resources.ts'
import { type Api, ConnectionLost } from './api.ts'
import { clone } from './json.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import { bodyValue } from './response.ts'
import { frameObject, type WatchFrame, type WatchStream } from './watch.ts'

interface Exchange {
  method: string
  path: string
  query?: URLSearchParams
  body?: unknown
  contentType?: string
  signal?: AbortSignal | undefined
}

const patchTypes: Record<PatchType, string> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
}

export function inProcessClient(api: Api, userAgent = 'roadstead'): KubeClient {
  async function exchange(wanted: Exchange): Promise<{ request: ApiRequest; response: ApiResponse }> {
    wanted.signal?.throwIfAborted()
    const request: ApiRequest = {
      method: wanted.method,
      path: wanted.path,
      query: wanted.query ?? new URLSearchParams(),
      headers: { 'content-type': wanted.contentType ?? 'application/json', 'user-agent': userAgent },
      ...(wanted.body === undefined ? {} : { body: JSON.stringify(wanted.body) }),
      ...(wanted.signal ? { signal: wanted.signal } : {}),
    }
    const response = await connected(api.handle(request), wanted.signal)
    if (response.code >= 400) throw refused(response)
    return { request, response }
  }

  async function call<R>(wanted: Exchange): Promise<R> {
    const { response } = await exchange(wanted)
    return bodyValue(response.body) as R
  }

  return {
    get: (type, at, signal) => call({ method: 'GET', path: pathOf(type, at.namespace, at.name), signal }),
    list<T extends KubeObject>(
      type: ResourceType<T>,
      namespace: string | undefined,
      options: ListOptions = {},
      signal?: AbortSignal,
    ) {
      return call<KubeList<T>>({ method: 'GET', path: pathOf(type, namespace), query: queryOf({ ...options }), signal })
    },
    async *watch<T extends KubeObject>(
      type: ResourceType<T>,
      namespace: string | undefined,
      options: WatchOptions = {},
      signal?: AbortSignal,
    ) {
      const { allowBookmarks, ...rest } = options
      const query = queryOf({ ...rest, allowWatchBookmarks: allowBookmarks, watch: true })
      const { request, response } = await exchange({ method: 'GET', path: pathOf(type, namespace), query, signal })
      if (response.body.kind === 'watch') yield* readWatch<T>(api, request, response.body.stream)
    },
    create(type, object, options = {}, signal) {
      const path = pathOf(type, object.metadata.namespace)
      return call({ method: 'POST', path, query: writeQuery(options), body: object, signal })
    },
    replace(type, object, options = {}, signal) {
      const path = pathOf(type, object.metadata.namespace, object.metadata.name, options.subresource)
      return call({ method: 'PUT', path, query: writeQuery(options), body: object, signal })
    },
    patch(type, at: ObjectName, patch, options = {}, signal) {
      const path = pathOf(type, at.namespace, at.name, options.subresource)
      const contentType = patchTypes[patch.type]
      return call({ method: 'PATCH', path, query: writeQuery(options), body: patch.body, contentType, signal })
    },
    remove(type, at: ObjectName, options = {}, signal) {
      const path = pathOf(type, at.namespace, at.name)
      return call({ method: 'DELETE', path, body: deleteBody(options), signal })
    },
  }
}

/** Never later than the caller's abort. */
async function connected(answer: Promise<ApiResponse>, signal: AbortSignal | undefined): Promise<ApiResponse> {
  try {
    return await answer
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof ConnectionLost) throw new Error('socket hang up', { cause: error })
    throw error
  }
}

function refused(response: ApiResponse): ApiError {
  const status = bodyValue(response.body) as Status
  const retry = response.headers['retry-after']
  return new ApiError(status.message ?? `code ${response.code}`, {
    code: response.code,
    reason: status.reason ?? 'Unknown',
    status,
    ...(retry === undefined ? {} : { retryAfterSeconds: Number(retry) }),
  })
}

async function* readWatch<T extends KubeObject>(
  api: Api,
  request: ApiRequest,
  stream: WatchStream,
): AsyncGenerator<WatchEvent<T>> {
  let reset = false
  let wake = () => {}
  const untrack = api.faults.track({
    request,
    end: () => stream.end(),
    reset: () => {
      reset = true
      stream.end()
    },
    wake: () => wake(),
  })
  stream.onWake(() => wake())
  try {
    while (true) {
      const held = !stream.ended && api.faults.holds(request)
      const frame = held ? undefined : stream.next()
      if (frame) {
        yield event<T>(frame, stream)
        continue
      }
      if (stream.ended) break
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    if (reset) throw new Error('socket hang up')
  } finally {
    untrack()
    stream.end()
  }
}

function event<T extends KubeObject>(frame: WatchFrame, stream: WatchStream): WatchEvent<T> {
  return { type: frame.type, object: clone(frameObject(frame, stream)) } as WatchEvent<T>
}

function pathOf(type: ResourceType, namespace: string | undefined, name?: string, subresource?: string): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`
  const scope = type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  const rest = name === undefined ? '' : `/${encodeURIComponent(name)}`
  return `${root}${scope}/${type.plural}${rest}${subresource ? `/${subresource}` : ''}`
}

function queryOf(values: Record<string, string | number | boolean | undefined>): URLSearchParams {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, String(value))
  return query
}

function writeQuery({ dryRun, fieldManager, force }: WriteOptions): URLSearchParams {
  return queryOf({ dryRun: dryRun ? 'All' : undefined, fieldManager, force })
}

function deleteBody({ uid, resourceVersion, dryRun, ...rest }: DeleteOptions): Record<string, unknown> {
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  }
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...rest,
    ...(Object.keys(preconditions).length > 0 ? { preconditions } : {}),
    ...(dryRun ? { dryRun: ['All'] } : {}),
  }
}
