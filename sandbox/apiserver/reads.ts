/**
 * Lists: one page of a consistent state, exact or newest, with the tokens and failures of kube-apiserver.
 * Source: k8s.io/apiserver/pkg/storage (etcd3/store.go GetList, continue.go, errors.go).
 */
import type { ApiContext } from './context.ts'
import type { Entry } from './entry.ts'
import { badRequest, expired, failure } from './failure.ts'
import { parseFieldSelector } from './field-selectors.ts'
import { isObject } from './json.ts'
import { checkListOptions, integerOption, versionOption } from './list-options.ts'
import type { ListBody } from './request.ts'
import type { Resource } from './resource.ts'
import { parseLabelSelector } from './selectors.ts'

export function apiVersionOf({ kind }: Resource): string {
  return kind.type.group === '' ? kind.type.version : `${kind.type.group}/${kind.type.version}`
}

/** Both selectors of a request as one test; undefined when everything matches. */
export function selection(resource: Resource, query: URLSearchParams): ((entry: Entry) => boolean) | undefined {
  const labels = parseLabelSelector(query.get('labelSelector') ?? undefined)
  const fields = parseFieldSelector(resource.kind, query.get('fieldSelector') ?? undefined)
  if (!labels && !fields) return undefined
  return ({ object }) => (labels?.(object.metadata.labels) ?? true) && (fields?.(object) ?? true)
}

export function list(
  context: ApiContext,
  resource: Resource,
  namespace: string | undefined,
  query: URLSearchParams,
): ListBody {
  const limit = limitOf(query)
  const token = query.get('continue') ?? ''
  const matches = selection(resource, query)
  const page = pageStart(context, resource, query, token)
  const { entries, last, remaining } = take(page, namespace, limit, matches)
  const metadata: Record<string, unknown> = { resourceVersion: String(page.version) }
  if (last) {
    metadata['continue'] = encodeToken(page.version, last.key)
    if (!matches) metadata['remainingItemCount'] = remaining
  }
  const apiVersion = apiVersionOf(resource)
  return {
    kind: 'list',
    apiVersion,
    listKind: resource.kind.listKind,
    metadata,
    entries,
    itemsCarryKind: resource.kind.custom,
    itemApiVersion: apiVersion,
  }
}

interface Page {
  state: readonly Entry[]
  version: number
  /** Keys after this one. */
  after: string | undefined
}

function limitOf(query: URLSearchParams): number {
  const limit = integerOption(query, 'limit')
  return limit > 0 ? limit : Number.POSITIVE_INFINITY
}

function pageStart(context: ApiContext, resource: Resource, query: URLSearchParams, token: string): Page {
  const { collection } = resource
  checkListOptions(query)
  const current = context.store.version
  if (token !== '') {
    const { version, after } = decodeToken(token)
    if (version < 0) return { state: collection.sorted(), version: current, after }
    const state = collection.sortedAt(version)
    if (!state) throw continueExpired(after)
    return { state, version, after }
  }
  const version = versionOption(query)
  if (version > current) throw tooLarge(version, current)
  if (query.get('resourceVersionMatch') === 'Exact') {
    const state = collection.sortedAt(version)
    if (!state) throw expired('The resourceVersion for the provided list is too old.')
    return { state, version, after: undefined }
  }
  return { state: collection.sorted(), version: current, after: undefined }
}

function tooLarge(wanted: number, current: number): Error {
  return failure(504, 'Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

/** 410, with a token that goes on from here in the newest state. */
function continueExpired(after: string): Error {
  const error = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  )
  error.status.metadata = { continue: encodeToken(-1, after) }
  return error
}

function encodeToken(version: number, after: string): string {
  const text = JSON.stringify({ v: 'meta.k8s.io/v1', rv: version, start: `${after}\u0000` })
  return Buffer.from(text).toString('base64url')
}

function decodeToken(token: string): { version: number; after: string } {
  const fail = (why: string) => badRequest(`invalid continue token: continue key is not valid: ${why}`)
  let read: unknown
  const text = Buffer.from(token, 'base64url').toString()
  try {
    read = JSON.parse(text)
  } catch {
    throw fail(`invalid character '${text.charAt(0)}' looking for beginning of value`)
  }
  if (!isObject(read) || read['v'] !== 'meta.k8s.io/v1') throw fail('server does not recognize this encoded version')
  const { rv, start } = read
  if (typeof rv !== 'number' || rv === 0) throw fail('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (typeof start !== 'string' || start === '') throw fail('encoded start key empty (version meta.k8s.io/v1)')
  return { version: rv, after: start.endsWith('\u0000') ? start.slice(0, -1) : start }
}

function take(
  { state, after }: Page,
  namespace: string | undefined,
  limit: number,
  matches: ((entry: Entry) => boolean) | undefined,
): { entries: readonly Entry[]; last: Entry | undefined; remaining: number } {
  const [low, high] = range(state, namespace, after)
  if (!matches && low === 0 && high === state.length && high <= limit) {
    return { entries: [...state], last: undefined, remaining: 0 }
  }
  const entries: Entry[] = []
  for (let at = low; at < high; at++) {
    const entry = state[at] as Entry
    if (matches && !matches(entry)) continue
    entries.push(entry)
    if (entries.length === limit && at + 1 < high) return { entries, last: entry, remaining: high - at - 1 }
  }
  return { entries, last: undefined, remaining: 0 }
}

/** Bounds of a namespace, or of what follows a key, in a sorted state. */
function range(state: readonly Entry[], namespace: string | undefined, after: string | undefined): [number, number] {
  const low =
    after !== undefined ? firstAbove(state, after, false) : namespace ? firstAbove(state, `${namespace}/`, true) : 0
  const high = namespace ? firstAbove(state, `${namespace}0`, true) : state.length
  return [low, Math.max(low, high)]
}

/** First index whose key is above `key` (or equal, when `inclusive`). `0` is the character after `/`. */
function firstAbove(state: readonly Entry[], key: string, inclusive: boolean): number {
  let low = 0
  let high = state.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const here = (state[middle] as Entry).key
    if (inclusive ? here < key : here <= key) low = middle + 1
    else high = middle
  }
  return low
}
