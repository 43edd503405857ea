/** An API server in memory and a client to it, for unit tests and simulations. */
import type { KubeClient } from '../../kube/client.ts'
import { type Api, type ApiOptions, createApi } from './api.ts'
import { inProcessClient } from './in-process-client.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import { bodyValue } from './response.ts'

export interface TestApi {
  api: Api
  client: KubeClient
  /** A raw request; `path` may carry a query. Returns the code, headers and the body as a value. */
  send: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Sent>
}

interface Sent {
  code: number
  response: ApiResponse
  body: Record<string, unknown>
}

export function startTestApi(options: ApiOptions = {}): TestApi {
  const api = createApi(options)
  return {
    api,
    client: inProcessClient(api),
    async send(method, path, body, headers = {}) {
      const url = new URL(path, 'http://server')
      const request: ApiRequest = {
        method,
        path: url.pathname,
        query: url.searchParams,
        headers: { 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }
      const response = await api.handle(request)
      return { code: response.code, response, body: bodyValue(response.body) as Record<string, unknown> }
    },
  }
}
