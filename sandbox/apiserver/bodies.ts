/**
 * Request bodies: JSON or YAML text to an object of the kind the path names, checked as the decoder of kube-apiserver checks.
 */
import { parse as parseYaml } from 'yaml'
import type { KubeObject } from '../../kube/objects.ts'
import type { WriteOptions } from './context.ts'
import { badRequest, unsupportedMediaType } from './failure.ts'
import { isObject, plainText, textAt } from './json.ts'
import { apiVersionOf } from './reads.ts'
import type { ApiRequest } from './request.ts'
import type { ObjectSchema, Resource } from './resource.ts'
import { DecodeError, decodeFailure } from './schema/decode.ts'
import { definitionName } from './schema/openapi.ts'
import { invalid } from './strategies/field-error.ts'
import { invalidFailure } from './strategies/status-failure.ts'

/** Body types that are read. Over HTTP protobuf is turned into JSON before (protobuf/decode.ts). */
const readable = ['application/json', 'application/yaml'] as const

export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

/** The body as a JSON tree; undefined when there is none. Throws SyntaxError when it is not JSON. */
function readTree(request: ApiRequest): unknown {
  const { body } = request
  if (body === undefined || body === '') return undefined
  const type = mediaType(request.headers['content-type'])
  if (type === 'application/yaml') return parseText(body, parseYaml)
  if (type !== '' && type !== 'application/json' && type !== '*/*') throw unsupportedMediaType(readable)
  return JSON.parse(body)
}

/** The body as a JSON tree; undefined when there is none. */
export function parseBody(request: ApiRequest): unknown {
  try {
    return readTree(request)
  } catch (error) {
    if (error instanceof SyntaxError) throw badRequest(`error decoding: ${error.message}`)
    throw error
  }
}

export function parseText(body: string, parse: (text: string) => unknown): unknown {
  try {
    return parse(body)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw badRequest(`error decoding: ${why}`)
  }
}

/** Body of a create or a PUT. `name` is the one in the path, for PUT. */
export function readObject(
  request: ApiRequest,
  resource: Resource,
  namespace: string | undefined,
  name: string | undefined,
  options: WriteOptions,
): { object: KubeObject; warnings: string[] } {
  const body = parsedFor(request, resource)
  return checkObject(body, resource, namespace, name, options)
}

/** Longest piece of a body that a message repeats. */
const shownBytes = 30

function parsedFor(request: ApiRequest, { kind }: Resource): Record<string, unknown> {
  const unrecognized = (why: string) =>
    badRequest(`the object provided is unrecognized (must be of type ${kind.type.kind}): ${why}`)
  const text = request.body ?? ''
  let body: unknown
  try {
    body = readTree(request)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const hex = Buffer.from(text).subarray(0, shownBytes).toString('hex')
    throw unrecognized(`couldn't get version/kind; json parse error: ${error.message} (${hex})`)
  }
  if (body === undefined) {
    throw unrecognized("couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)")
  }
  if (!isObject(body)) {
    const what = Array.isArray(body) ? 'array' : typeof body
    const into =
      'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    const hex = Buffer.from(text).subarray(0, shownBytes).toString('hex')
    throw unrecognized(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${what} into Go value of type ${into} (${hex})`,
    )
  }
  if (kind.custom && plainText(body['kind']) === '') {
    const shown = text.length > shownBytes ? `${text.slice(0, shownBytes)} ...` : text
    throw unrecognized(`Object 'Kind' is missing in '${text}' (${shown})`)
  }
  return body
}

/** Fills and checks kind, apiVersion, namespace and name, then applies the schema. Takes `body` over. */
export function checkObject(
  body: Record<string, unknown>,
  resource: Resource,
  namespace: string | undefined,
  name: string | undefined,
  options: WriteOptions,
  refuse: Refusal = decodeFailure,
): { object: KubeObject; warnings: string[] } {
  checkIdentity(body, resource, refuse)
  body['metadata'] ??= {}
  if (!isKubeObject(body)) throw badRequest('metadata must be an object')
  const { type } = resource.kind
  if (type.namespaced) {
    const given = body.metadata.namespace
    if (given !== undefined && given !== '' && given !== namespace) {
      throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
    }
    if (namespace !== undefined) body.metadata.namespace = namespace
  } else if (body.metadata.namespace !== undefined && body.metadata.namespace !== '') {
    throw badRequest('namespace may not be set for cluster-scoped resources')
  } else {
    delete body.metadata.namespace
  }
  if (name !== undefined) {
    if (body.metadata.name !== undefined && body.metadata.name !== name) {
      throw badRequest(`the name of the object (${body.metadata.name}) does not match the name on the URL (${name})`)
    }
    if (body.metadata.name === undefined) {
      throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
    }
  }
  return { object: body, warnings: applySchema(body, resource, options, refuse) }
}

/** After checkIdentity, which leaves kind and apiVersion as they have to be. */
function isKubeObject(body: Record<string, unknown>): body is Record<string, unknown> & KubeObject {
  return isObject(body['metadata'])
}

/** A built-in kind may leave kind and apiVersion to the path, a custom one may not. */
function checkIdentity(body: Record<string, unknown>, resource: Resource, refuse: Refusal): void {
  const { kind: wanted } = resource.kind.type
  const version = apiVersionOf(resource)
  if (!resource.kind.custom) {
    body['kind'] ??= wanted
    body['apiVersion'] ??= version
  }
  const kind = plainText(body['kind'])
  const apiVersion = plainText(body['apiVersion'])
  if (kind === wanted && apiVersion === version) return
  if (resource.kind.custom) {
    if (apiVersion !== version) throw versionMismatch(apiVersion, version)
    const name = textAt(body, 'metadata', 'name')
    const given = { group: resource.kind.type.group, kind }
    throw invalidFailure(given, name, [invalid('kind', kind, `must be ${wanted}`)])
  }
  const [group, given] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  const known = definitionName(group ?? '', given ?? '', kind.replace(/List$/, '')) !== undefined
  const internal = resource.kind.type.group === '' ? 'core' : resource.kind.type.group.split('.')[0]
  const why = known
    ? `converting (${given}.${kind}) to (${internal}.${wanted}): unknown conversion`
    : `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/runtime/scheme.go:111"`
  throw refuse(new DecodeError(why), { kind, apiVersion, metadata: {} }, wanted)
}

function versionMismatch(given: string, expected: string): Error {
  return badRequest(`the API version in the data (${given}) does not match the expected API version (${expected})`)
}

/** How a body that does not decode is refused. */
export type Refusal = (error: DecodeError, object: KubeObject, wanted?: string) => Error

/** Unknown fields are dropped: silently, with a warning, or with a 400, as `fieldValidation` says. */
function applySchema(object: KubeObject, { schema }: Resource, options: WriteOptions, refuse: Refusal): string[] {
  const unknown = admitted(object, schema, refuse).map((path) => `unknown field ${JSON.stringify(path)}`)
  if (unknown.length === 0 || options.fieldValidation === 'Ignore') return []
  if (options.fieldValidation === 'Warn') return unknown
  throw refuse(new DecodeError(`strict decoding error: ${unknown.join(', ')}`), object)
}

function admitted(object: KubeObject, schema: ObjectSchema, refuse: Refusal): string[] {
  try {
    return schema.admit(object)
  } catch (error) {
    if (error instanceof DecodeError) throw refuse(error, object)
    throw error
  }
}
