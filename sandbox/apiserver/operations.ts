/**
 * The verbs on resources: from a routed request to a response. Namespaces `/status` and `/finalize`, Pods' `/binding` and `/eviction`
 * and `/scale` are in subresources.ts.
 */
import type { Namespace } from '../../kube/objects.ts'
import { checkObject, parseBody, readObject } from './bodies.ts'
import type { ApiContext, WriteOptions } from './context.ts'
import { type DeleteOptions, remove } from './deletes.ts'
import type { Entry } from './entry.ts'
import { badRequest, failure, methodNotAllowed, noRoute, notFound } from './failure.ts'
import { at, clone, isObject } from './json.ts'
import { namespaceKind } from './kind.ts'
import { apply } from './managed/apply.ts'
import { assertIdentified, undeclared } from './managed/configuration.ts'
import { applyPatch, patchForm, readPatch } from './patches/patch.ts'
import { apiVersionOf, list, selection } from './reads.ts'
import { checkListOptions, integerOption, isWatch, versionOption } from './list-options.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import type { Resource } from './resource.ts'
import { invalid, invalidStatus, notSupported, required } from './strategies/field-error.ts'
import { invalidFailure } from './strategies/status-failure.ts'
import { ok, value } from './response.ts'
import type { ResourcePath } from './routes.ts'
import { bind, evict, scale } from './subresources.ts'
import { goMap } from './patches/strategic.ts'
import { openWatch } from './watch.ts'
import { create, update, type Written } from './writes.ts'

export interface Call {
  context: ApiContext
  request: ApiRequest
  resource: Resource
  path: ResourcePath
}

/** Answers a request on a known resource. Throws StatusFailure. */
export function operate(call: Call): ApiResponse {
  const { request, resource, path } = call
  const { kind } = resource
  if (path.namespace !== undefined && !kind.type.namespaced) throw noRoute()
  if (path.subresource !== '' && !kind.subresources.includes(path.subresource)) throw noRoute()
  if (path.name === undefined) {
    if (request.method === 'GET') return isWatch(call.request.query) ? watch(call) : listing(call)
    if (request.method === 'POST') return post(call)
    if (request.method === 'DELETE') return removeAll(call)
    throw methodNotAllowed()
  }
  if (kind.type.namespaced && path.namespace === undefined) throw noRoute()
  const special = specials[path.subresource]
  if (special) return special(call)
  if (request.method === 'GET') return isWatch(call.request.query) ? watch(call) : get(call)
  if (request.method === 'PUT') return put(call)
  if (request.method === 'PATCH') return patch(call)
  if (request.method === 'DELETE' && path.subresource === '') return removeOne(call)
  throw methodNotAllowed()
}

const specials: Readonly<Record<string, (call: Call) => ApiResponse>> = {
  binding: (call) => bind(postOnly(call)),
  eviction: (call) => evict(postOnly(call)),
  scale: (call) => scale({ ...call, entry: current(call), options: writeOptions(call.request) }),
}

function postOnly(call: Call): Call & { entry: Entry; options: WriteOptions } {
  if (call.request.method !== 'POST') throw methodNotAllowed()
  return { ...call, entry: current(call), options: writeOptions(call.request) }
}

function current({ resource, path }: Call): Entry {
  const name = path.name ?? ''
  const entry = resource.collection.get(path.namespace ?? '', name)
  if (!entry) throw notFound(resource.kind.type, name)
  return entry
}

function answer({ resource }: Call, { entry, warnings, created }: Written, more: readonly string[]): ApiResponse {
  const code = created ? 201 : 200
  return ok({ kind: 'entry', entry, apiVersion: apiVersionOf(resource) }, code, [...more, ...warnings])
}

const validations = ['', 'Ignore', 'Strict', 'Warn']

function optionsKind({ method }: ApiRequest): { group: string; kind: string } {
  const verbs: Record<string, string> = { POST: 'Create', PUT: 'Update', PATCH: 'Patch', DELETE: 'Delete' }
  return { group: 'meta.k8s.io', kind: `${verbs[method] ?? 'Get'}Options` }
}

function writeOptions(request: ApiRequest): WriteOptions {
  const { query, headers } = request
  const dryRun = query.getAll('dryRun')
  if (dryRun.some((mode) => mode !== 'All')) {
    throw invalidFailure(optionsKind(request), '', [notSupported('dryRun', dryRun, ['All'])])
  }
  const validation = query.get('fieldValidation') ?? ''
  if (!validations.includes(validation)) {
    throw invalidFailure(optionsKind(request), '', [notSupported('fieldValidation', validation, validations)])
  }
  return {
    dryRun: dryRun.length > 0,
    fieldManager: query.get('fieldManager') ?? (headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown',
    fieldValidation: validation === 'Strict' || validation === 'Ignore' ? validation : 'Warn',
  }
}

function get(call: Call): ApiResponse {
  return ok({ kind: 'entry', entry: current(call), apiVersion: apiVersionOf(call.resource) })
}

function listing({ context, request, resource, path }: Call): ApiResponse {
  return ok(list(context, resource, path.namespace, request.query))
}

const shortestDefaultMs = 1_800_000

function watch({ context, request, resource, path }: Call): ApiResponse {
  const { query } = request
  const seconds = integerOption(query, 'timeoutSeconds')
  const since = versionOption(query)
  checkListOptions(query)
  const stream = openWatch(
    {
      collection: resource.collection,
      current: () => context.store.version,
      clock: context.clock,
      apiVersion: apiVersionOf(resource),
      kind: resource.kind.type.kind,
    },
    {
      namespace: path.namespace,
      name: path.name,
      matches: selection(resource, query),
      since: since === 0 ? undefined : since,
      bookmarks: query.get('allowWatchBookmarks') === 'true',
      sendInitialEvents: query.get('sendInitialEvents') === 'true',
      timeoutMs: seconds > 0 ? seconds * 1000 : Math.floor(shortestDefaultMs * (1 + context.random())),
    },
  )
  request.signal?.addEventListener('abort', () => stream.end(), { once: true })
  return ok({ kind: 'watch', stream })
}

function post(call: Call): ApiResponse {
  const { context, request, resource, path } = call
  if (resource.kind.type.namespaced && path.namespace === undefined) throw methodNotAllowed()
  const options = writeOptions(request)
  const { object, warnings } = readObject(request, resource, path.namespace, undefined, options)
  return answer(call, create(context, resource, object, options), warnings)
}

function put(call: Call): ApiResponse {
  const { context, request, resource, path } = call
  const options = writeOptions(request)
  const { object, warnings } = readObject(request, resource, path.namespace, path.name, options)
  const old = resource.collection.get(path.namespace ?? '', path.name ?? '')
  if (!old) {
    if (!resource.kind.createOnUpdate || path.subresource !== '') throw notFound(resource.kind.type, path.name ?? '')
    return answer(call, create(context, resource, object, options), warnings)
  }
  const target = { resource, old, subresource: path.subresource, fromPatch: false }
  return answer(call, update(context, target, shaped(call, old, object), options), warnings)
}

/** /finalize of a Namespace writes spec.finalizers and nothing else. */
function shaped({ path }: Call, old: Entry, object: Entry['object']): Entry['object'] {
  if (path.subresource !== 'finalize') return object
  const next = clone(old.object) as Namespace
  const finalizers = (object as Namespace).spec?.finalizers
  next.spec = finalizers === undefined ? {} : { finalizers }
  next.metadata.finalizers = object.metadata.finalizers ?? []
  if (next.metadata.finalizers.length === 0) delete next.metadata.finalizers
  if (object.metadata.resourceVersion !== undefined) next.metadata.resourceVersion = object.metadata.resourceVersion
  return next
}

function patch(call: Call): ApiResponse {
  const { context, request, resource, path } = call
  const options = writeOptions(request)
  const form = patchForm(request, resource)
  const body = readPatch(request)
  if (form === 'apply') return applied(call, body, options)
  const old = current(call)
  const before = { ...old.object, apiVersion: apiVersionOf(resource) }
  const patched = applyPatch(form, resource, before, body)
  const { object, warnings } = checkObject(patched, resource, path.namespace, path.name, options, (error) =>
    patchFailure(error, form === 'strategic' ? goMap(body) : JSON.stringify(patched)),
  )
  const target = { resource, old, subresource: path.subresource, fromPatch: true }
  return answer(call, update(context, target, object, options), warnings)
}

/** A patch whose outcome does not decode: an Invalid without a kind. */
function patchFailure(error: Error, shown: string): Error {
  const status = invalidStatus({ group: '', kind: '' }, '', [invalid('patch', shown, error.message)])
  return failure(422, 'Invalid', status.message ?? '', { causes: status.details?.causes ?? [] })
}

function applied(call: Call, body: unknown, options: WriteOptions): ApiResponse {
  const { context, request, resource, path } = call
  const { query } = request
  const manager = query.get('fieldManager') ?? ''
  if (manager === '') {
    throw invalidFailure(optionsKind(request), '', [required('fieldManager', 'is required for apply patch')])
  }
  if (!isObject(body)) throw badRequest('error decoding YAML: an object is expected')
  if (at(body, 'metadata', 'managedFields') !== undefined) throw badRequest('metadata.managedFields must be nil')
  assertIdentified(body)
  const fields: Record<string, unknown> = { ...body }
  // The other half of the spec/status split is neither written nor owned.
  if (resource.strategy.statusSubresource && path.subresource === '') delete fields['status']
  if (path.subresource === 'status') delete fields['spec']
  const claimed = clone(fields)
  const declared = { ...options, fieldValidation: 'Warn' } as const
  const { object: config, warnings } = checkObject(fields, resource, path.namespace, path.name, declared)
  if (warnings.length > 0) throw undeclared(claimed, warnings)
  const old = resource.collection.get(path.namespace ?? '', path.name ?? '')
  const force = query.get('force') === 'true' || query.get('force') === '1'
  const { subresource } = path
  const now = context.clock.now()
  const merged = apply(old?.object, config, {
    manager,
    force,
    subresource,
    now,
    schema: resource.schema.schema,
    claimed,
  })
  const recorded = { ...options, managersRecorded: true }
  if (!old) {
    if (subresource !== '') throw notFound(resource.kind.type, path.name ?? '')
    return answer(call, create(context, resource, merged, recorded), warnings)
  }
  return answer(call, update(context, { resource, old, subresource, fromPatch: true }, merged, recorded), warnings)
}

function deleteOptions(request: ApiRequest): DeleteOptions {
  const { query } = request
  const body = parseBody(request)
  const given = isObject(body) ? body : {}
  const grace = query.get('gracePeriodSeconds') ?? given['gracePeriodSeconds']
  const policy = query.get('propagationPolicy') ?? given['propagationPolicy']
  const uid = at(given, 'preconditions', 'uid')
  const version = at(given, 'preconditions', 'resourceVersion')
  const dryRun = query.getAll('dryRun').length > 0 || Array.isArray(given['dryRun'])
  return {
    uid: typeof uid === 'string' ? uid : undefined,
    resourceVersion: typeof version === 'string' ? version : undefined,
    gracePeriodSeconds: grace === undefined || grace === null ? undefined : Number(grace),
    propagationPolicy: typeof policy === 'string' ? policy : undefined,
    orphanDependents: typeof given['orphanDependents'] === 'boolean' ? given['orphanDependents'] : undefined,
    dryRun,
  }
}

function removeOne(call: Call): ApiResponse {
  const { context, request, resource } = call
  const options = deleteOptions(request)
  const old = current(call)
  const { entry, gone } = remove(context, resource, old, options)
  if (!gone || options.dryRun || resource.kind.returnsDeleted)
    return ok({ kind: 'entry', entry, apiVersion: apiVersionOf(resource) })
  const { type } = resource.kind
  const details: Record<string, unknown> = { name: old.name }
  if (type.group !== '') details['group'] = type.group
  details['kind'] = type.plural
  details['uid'] = old.object.metadata.uid
  return value({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
}

function removeAll(call: Call): ApiResponse {
  const { context, request, resource, path } = call
  if (resource.kind.type.namespaced && path.namespace === undefined) throw methodNotAllowed()
  if (resource.kind === namespaceKind) throw methodNotAllowed()
  const options = deleteOptions(request)
  const body = list(context, resource, path.namespace, request.query)
  for (const entry of body.entries) remove(context, resource, entry, options)
  return ok(body)
}
