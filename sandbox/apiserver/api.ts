/**
 * The API without sockets: a request in, a response out, watches as streams. Runs the same inside a deterministic simulation
 * (injected clock and random) and behind server.ts.
 */
import { type Clock, sleep, systemClock } from '../../kube/clock.ts'
import type { Namespace } from '../../kube/objects.ts'
import { builtinResources } from './builtin.ts'
import type { ApiContext } from './context.ts'
import { followDefinitions } from './crd/registration.ts'
import { discovery } from './discovery/discovery.ts'
import { openApi } from './discovery/openapi.ts'
import { internalError, failure, noRoute } from './failure.ts'
import { createFaults, type Faults } from './faults.ts'
import { systemNamespaces } from './namespaces.ts'
import { negotiate } from './negotiation.ts'
import { operate } from './operations.ts'
import { present } from './presentation.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import { createResourceSet } from './resource.ts'
import { refusal } from './response.ts'
import { parseResourcePath } from './routes.ts'
import { followServices } from './service-endpoints.ts'
import { createStore, type Store } from './store.ts'
import { reviewAccess } from './subresources.ts'
import { StatusFailure } from './strategies/status-failure.ts'
import { create } from './writes.ts'

export interface ApiOptions {
  clock?: Clock
  /** Uniform in [0, 1). */
  random?: () => number
  /** First of each family; default 10.96.0.0/16 and fd00:96::/112. */
  serviceClusterIpRanges?: readonly string[]
  serviceNodePortRange?: { from: number; to: number }
  /** How long and how much history watches can resume from. */
  historyMs?: number
  historyEvents?: number
}

export interface Api {
  /** Answers; never throws for what a client sent. Throws ConnectionLost when a fault says so. */
  handle(request: ApiRequest): Promise<ApiResponse>
  readonly faults: Faults
  readonly store: Store
  readonly clock: Clock
}

/** The fault switches want this connection cut without an answer. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
}

export function createApi(options: ApiOptions = {}): Api {
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const store = createStore({
    clock,
    ...(options.historyMs === undefined ? {} : { historyMs: options.historyMs }),
    ...(options.historyEvents === undefined ? {} : { historyEvents: options.historyEvents }),
  })
  const context: ApiContext = { store, resources: createResourceSet(), clock, random, afterWrite: [], beforeDelete: [] }
  builtinResources(context, {
    serviceClusterIpRanges: options.serviceClusterIpRanges ?? ['10.96.0.0/16', 'fd00:96::/112'],
    serviceNodePortRange: options.serviceNodePortRange ?? { from: 30000, to: 32767 },
  })
  followDefinitions(context)
  followServices(context)
  makeNamespaces(context)
  const schemas = openApi(context)
  const faults = createFaults(() => store.expire())
  return {
    store,
    faults,
    clock,
    async handle(request) {
      const fault = faults.take(request)
      if (fault?.kind === 'refuse') return refusal(refused(fault.code, fault.retryAfterSeconds))
      if (fault?.kind === 'hang') return hang(request)
      if (fault?.kind === 'lag') await sleep(clock, fault.ms, request.signal)
      const response = respond(context, schemas, request)
      if (fault?.kind === 'drop-reply') {
        if (response.body.kind === 'watch') response.body.stream.end()
        throw new ConnectionLost('the connection was cut before the answer')
      }
      return response
    },
  }
}

type Answer = (request: ApiRequest) => ApiResponse | undefined

function respond(context: ApiContext, schemas: Answer, request: ApiRequest): ApiResponse {
  let deprecation: string | undefined
  const warned = (response: ApiResponse): ApiResponse =>
    deprecation === undefined ? response : { ...response, warnings: [deprecation, ...response.warnings] }
  try {
    const found = discovery(context, request) ?? schemas(request) ?? reviewAccess(request)
    if (found) return found
    const path = parseResourcePath(request.path)
    const resource = path && context.resources.find(path.group, path.version, path.plural)
    if (!path || !resource) throw noRoute()
    deprecation = resource.kind.deprecation
    const wanted = negotiate(request)
    return warned(present(operate({ context, request, resource, path }), resource, wanted, context.clock))
  } catch (error) {
    if (error instanceof StatusFailure) return warned(refusal(error))
    return refusal(internalError(error instanceof Error ? (error.stack ?? error.message) : String(error)))
  }
}

function refused(code: number, retryAfterSeconds: number | undefined): StatusFailure {
  const details = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  if (code === 429) return failure(429, 'TooManyRequests', 'too many requests, please try again later', details)
  if (code === 503)
    return failure(503, 'ServiceUnavailable', 'the server is currently unable to handle the request', details)
  if (code === 504) return failure(504, 'Timeout', 'the request did not complete within the allotted timeout', details)
  return failure(500, 'InternalError', 'Internal error occurred: injected fault', details)
}

/** Ends only when the caller gives up. */
function hang({ signal }: ApiRequest): Promise<never> {
  return new Promise((_resolve, reject) => {
    const lost = () => reject(new ConnectionLost('the caller gave up'))
    if (signal?.aborted) lost()
    else signal?.addEventListener('abort', lost, { once: true })
  })
}

function makeNamespaces(context: ApiContext): void {
  const resource = context.resources.find('', 'v1', 'namespaces')
  if (!resource) return
  for (const name of systemNamespaces) {
    const namespace: Namespace = {
      kind: 'Namespace',
      apiVersion: 'v1',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    }
    create(context, resource, namespace, { dryRun: false, fieldManager: 'kube-apiserver', fieldValidation: 'Ignore' })
  }
}
