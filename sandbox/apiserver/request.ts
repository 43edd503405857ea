/**
 * A request and a response without sockets. The HTTP server and the in-process client both speak these,
 * so faults, routing and answers are the same for either.
 */
import type { Entry } from './entry.ts'
import type { WatchStream } from './watch.ts'

export interface ApiRequest {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>
  body?: string
  /** Aborts when the caller is gone. */
  signal?: AbortSignal
}

export interface ApiResponse {
  code: number
  headers: Record<string, string>
  /** Texts for `Warning: 299` headers. */
  warnings: readonly string[]
  /** JSON when left out. */
  format?: 'json' | 'yaml'
  /** When it is not the plain one of the format. */
  contentType?: string
  body: ResponseBody
}

export type ResponseBody =
  | { kind: 'value'; value: unknown }
  | { kind: 'entry'; entry: Entry; apiVersion: string }
  | ListBody
  | { kind: 'text'; text: string; contentType: string }
  | { kind: 'watch'; stream: WatchStream }

export interface ListBody {
  kind: 'list'
  apiVersion: string
  listKind: string
  metadata: Record<string, unknown>
  entries: readonly Entry[]
  /** Items of built-in lists carry no kind and apiVersion, those of custom resources do. */
  itemsCarryKind: boolean
  itemApiVersion: string
}
