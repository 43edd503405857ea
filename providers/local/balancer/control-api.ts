/**
 * The HTTP face of the local cloud: REST-like, JSON, errors as `{error: {code, message, requestId}}`.
 *   POST   /v1/{load-balancers|target-groups|listeners}          create; the same again answers the same
 *   PUT    /v1/{kind}s/{name}                                    change
 *   DELETE /v1/{kind}s/{name}?cluster=&namespace=&name=&uid=     delete, by its owner
 *   GET    /v1/objects?cluster=&namespace=&name=&uid=            everything with these tags
 *   GET    /v1/mutations   GET, PATCH /v1/faults   GET /healthz
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { CloudKind, RefusalCode, Tags } from '../wire.ts'
import { cloudRequest, Refusal } from '../wire.ts'
import type { Change, CloudCore } from './cloud-core.ts'
import { faultsPatch } from './faults.ts'

export interface ControlApiDeps {
  core: CloudCore
  /** Resolves when the present state is on disk and in the kernel; changes are answered after it. */
  settled: () => Promise<void>
  /** What keeps the process from doing its work; undefined when it is well. */
  trouble: () => string | undefined
}

const statusOf: Record<RefusalCode, number> = {
  InvalidRequest: 400,
  AddressNotInPool: 400,
  AddressInUse: 409,
  AddressPoolExhausted: 409,
  TooManyLoadBalancers: 409,
  NotFound: 404,
  AlreadyExists: 409,
  OwnedByOther: 409,
  DuplicateListener: 409,
  InUse: 409,
  Throttled: 429,
  InternalError: 500,
}

const kinds: Record<string, CloudKind> = {
  'load-balancers': 'load-balancer',
  'target-groups': 'target-group',
  listeners: 'listener',
}

const bodyLimit = 4 * 1024 * 1024

/** What answers the requests of an HTTP server. */
export function createControlApi(deps: ControlApiDeps): RequestListener {
  let requests = 0
  return (request, response) => {
    const requestId = `r-${(++requests).toString(36)}`
    respond(deps, request, response, requestId).catch((error: unknown) => {
      if (error instanceof Refusal)
        return sendError(response, statusOf[error.code], error.code, error.message, requestId)
      sendError(response, 500, 'InternalError', error instanceof Error ? error.message : String(error), requestId)
    })
  }
}

async function respond(
  deps: ControlApiDeps,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const { core } = deps
  const url = new URL(request.url ?? '/', 'http://local')
  const method = request.method ?? 'GET'
  const route = `${method} ${url.pathname}`
  if (route === 'GET /healthz') {
    const bad = deps.trouble()
    return send(response, bad === undefined ? 200 : 503, {
      ok: bad === undefined,
      ...(bad === undefined ? {} : { error: bad }),
    })
  }
  if (route === 'GET /v1/faults') return send(response, 200, core.faults)
  if (route === 'PATCH /v1/faults') {
    const patch = faultsPatch.safeParse(await readJson(request))
    if (!patch.success) throw new Refusal('InvalidRequest', firstIssue(patch.error))
    core.faults = { ...core.faults, ...patch.data } as typeof core.faults
    return send(response, 200, core.faults)
  }
  if (core.faults.lagMs > 0) await wait(core.faults.lagMs)
  if (spend(core, 'throttle')) {
    response.setHeader('retry-after', String(core.faults.retryAfterSeconds))
    throw new Refusal('Throttled', 'too many requests')
  }
  if (spend(core, 'errors')) throw new Refusal('InternalError', 'the cloud has a bad moment')
  if (route === 'GET /v1/objects') {
    const items = core.list(tagFilter(url.searchParams))
    await inEffect(deps)
    return send(response, 200, { items })
  }
  if (route === 'GET /v1/mutations') return send(response, 200, { items: core.mutations() })

  const change = await parseChange(method, url, request)
  core.change(change)
  await inEffect(deps)
  if (spend(core, 'lostReplies')) return void request.socket.destroy()
  response.setHeader('x-request-id', requestId)
  if (change.verb === 'delete') return void response.writeHead(204).end()
  const { kind, name } = change.request
  const object = core.list(() => true).find((candidate) => candidate.kind === kind && candidate.name === name)
  send(response, change.verb === 'create' ? 201 : 200, object ?? change.request)
}

/** What is answered is in the kernel: a health check or target reported as ready decides about packets. */
async function inEffect({ settled, trouble }: ControlApiDeps): Promise<void> {
  await settled()
  const bad = trouble()
  if (bad !== undefined) throw new Refusal('InternalError', `the state is not in effect: ${bad}`)
}

async function parseChange(method: string, url: URL, request: IncomingMessage): Promise<Change> {
  const [, , collection = '', encoded] = url.pathname.split('/')
  const kind = url.pathname.startsWith('/v1/') ? kinds[collection] : undefined
  if (!kind) throw new Refusal('NotFound', `no such path: ${url.pathname}`)
  const name = encoded === undefined ? undefined : decoded(encoded)
  if (method === 'DELETE' && name !== undefined) {
    const tag = (key: string) => url.searchParams.get(key) ?? ''
    const tags = { cluster: tag('cluster'), namespace: tag('namespace'), name: tag('name'), uid: tag('uid') }
    return { verb: 'delete', kind, name, tags }
  }
  if (!(method === 'POST' && name === undefined) && !(method === 'PUT' && name !== undefined)) {
    throw new Refusal('InvalidRequest', `${method} ${url.pathname} is not possible`)
  }
  const body = await readJson(request)
  const content = typeof body === 'object' && body !== null ? body : {}
  const parsed = cloudRequest.safeParse({ ...content, kind, ...(name === undefined ? {} : { name }) })
  if (!parsed.success) throw new Refusal('InvalidRequest', firstIssue(parsed.error))
  return { verb: method === 'POST' ? 'create' : 'update', request: parsed.data }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Refusal('InvalidRequest', `${text} is not URL encoded`)
  }
}

function tagFilter(query: URLSearchParams): (tags: Tags) => boolean {
  return (tags) =>
    (['cluster', 'namespace', 'name', 'uid'] as const).every((key) => !query.has(key) || query.get(key) === tags[key])
}

/** Whether one of a counted fault was left; takes it. */
function spend(core: CloudCore, fault: 'throttle' | 'errors' | 'lostReplies'): boolean {
  const left = core.faults[fault]
  if (left === 0) return false
  core.faults = { ...core.faults, [fault]: left - 1 }
  return true
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = chunk as Buffer
    size += bytes.length
    if (size > bodyLimit) throw new Refusal('InvalidRequest', `the body is larger than ${bodyLimit} bytes`)
    chunks.push(bytes)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new Refusal('InvalidRequest', 'the body is not JSON')
  }
}

function firstIssue(error: { issues: readonly { path: PropertyKey[]; message: string }[] }): string {
  const [issue] = error.issues
  return issue ? `${issue.path.map(String).join('.') || 'body'}: ${issue.message}` : 'invalid'
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}

function sendError(
  response: ServerResponse,
  status: number,
  code: RefusalCode,
  message: string,
  requestId: string,
): void {
  if (response.headersSent) return void response.destroy()
  response.setHeader('x-request-id', requestId)
  send(response, status, { error: { code, message, requestId } })
}
