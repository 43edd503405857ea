/**
 * What Roadstead asks of an API server. The HTTP implementation is http-client.ts; everything else takes this interface.
 * Every call takes an AbortSignal or none, and fails with ApiError when the server answered with a failure Status.
 */
import type { KubeList, KubeObject, Status } from './objects.ts'
import type { ResourceType } from './resources.ts'

export interface ListOptions {
  /** Page size; the caller follows `metadata.continue`. */
  limit?: number
  continue?: string
  labelSelector?: string
  fieldSelector?: string
  resourceVersion?: string
  resourceVersionMatch?: 'Exact' | 'NotOlderThan'
}

export interface WatchOptions {
  labelSelector?: string
  fieldSelector?: string
  resourceVersion?: string
  allowBookmarks?: boolean
  timeoutSeconds?: number
}

export type WatchEvent<T extends KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; object: Status }

export interface ObjectName {
  namespace?: string
  name: string
}

export type PatchType = 'merge' | 'strategic' | 'json' | 'apply'

export interface WriteOptions {
  dryRun?: boolean
  fieldManager?: string
  /** Server-side apply only: take fields over from other managers. */
  force?: boolean
}

export interface DeleteOptions {
  uid?: string
  resourceVersion?: string
  gracePeriodSeconds?: number
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  dryRun?: boolean
}

export interface KubeClient {
  get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T>
  /** One page. Without `namespace` every namespace. */
  list<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string | undefined,
    options?: ListOptions,
    signal?: AbortSignal,
  ): Promise<KubeList<T>>
  /** Ends when the server closes the stream or the signal aborts; throws on a broken connection. */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string | undefined,
    options?: WatchOptions,
    signal?: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>
  create<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    options?: WriteOptions,
    signal?: AbortSignal,
  ): Promise<T>
  /** PUT; `metadata.resourceVersion`, when set, must still be the current one (409 Conflict otherwise). */
  replace<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    options?: WriteOptions & { subresource?: string },
    signal?: AbortSignal,
  ): Promise<T>
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: ObjectName,
    patch: { type: PatchType; body: unknown },
    options?: WriteOptions & { subresource?: string },
    signal?: AbortSignal,
  ): Promise<T>
  /** Returns the object as last seen when finalizers keep it, or a Status. */
  remove<T extends KubeObject>(
    type: ResourceType<T>,
    at: ObjectName,
    options?: DeleteOptions,
    signal?: AbortSignal,
  ): Promise<T | Status>
}

/** A failure Status from the API server, or a failure the client recognised as one. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: number
  /** CamelCase: NotFound, Conflict, AlreadyExists, Invalid, Expired, TooManyRequests, ... */
  readonly reason: string
  readonly status: Status | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(message: string, details: { code: number; reason: string; status?: Status; retryAfterSeconds?: number }) {
    super(message)
    this.code = details.code
    this.reason = details.reason
    this.status = details.status
    this.retryAfterSeconds = details.retryAfterSeconds ?? details.status?.details?.retryAfterSeconds
  }
}

/** True for an ApiError with this HTTP code. */
export function isApiError(error: unknown, code?: number): error is ApiError {
  return error instanceof ApiError && (code === undefined || error.code === code)
}
