/**
 * Request bodies: JSON or YAML text to an object of the kind the path names, checked as the decoder of kube-apiserver checks.
 */
import { parse as parseYaml } from 'yaml'
import type { KubeObject } from '../../kube/objects.ts'
import type { WriteOptions } from './context.ts'
import { badRequest, unsupportedMediaType } from './failure.ts'
import { isObject } from './json.ts'
import { apiVersionOf } from './reads.ts'
import type { ApiRequest } from './request.ts'
import type { ObjectSchema, Resource } from './resource.ts'
import { DecodeError, decodeFailure } from './schema/decode.ts'

/** Body types that are read; protobuf is refused, so that clients fall back to JSON. */
export const readable = ['application/json', 'application/yaml'] as const

export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

/** The body as a JSON tree; undefined when there is none. */
export function parseBody(request: ApiRequest): unknown {
  const { body } = request
  if (body === undefined || body === '') return undefined
  const type = mediaType(request.headers['content-type'])
  if (type === 'application/yaml') return parseText(body, parseYaml)
  if (type !== '' && type !== 'application/json' && type !== '*/*') throw unsupportedMediaType(readable)
  return parseText(body, JSON.parse)
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
  const body = parseBody(request)
  if (!isObject(body)) throw badRequest('unable to decode the request body: an object is expected')
  return checkObject(body, resource, namespace, name, options)
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
  checkIdentity(body, resource)
  const metadata = body['metadata'] ?? {}
  if (!isObject(metadata)) throw badRequest('metadata must be an object')
  body['metadata'] = metadata
  const object = body as unknown as KubeObject
  const { type } = resource.kind
  if (type.namespaced) {
    const given = object.metadata.namespace
    if (given !== undefined && given !== '' && given !== namespace) {
      throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
    }
    if (namespace !== undefined) object.metadata.namespace = namespace
  } else if (object.metadata.namespace !== undefined && object.metadata.namespace !== '') {
    throw badRequest('namespace may not be set for cluster-scoped resources')
  } else {
    delete object.metadata.namespace
  }
  if (name !== undefined) {
    if (object.metadata.name !== undefined && object.metadata.name !== name) {
      throw badRequest(`the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`)
    }
    if (object.metadata.name === undefined) {
      throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
    }
  }
  return { object, warnings: applySchema(object, resource, options, refuse) }
}

function checkIdentity(body: Record<string, unknown>, resource: Resource): void {
  const { kind: wanted } = resource.kind.type
  const version = apiVersionOf(resource)
  body['kind'] ??= wanted
  body['apiVersion'] ??= version
  if (body['apiVersion'] !== version) {
    throw badRequest(
      `the API version in the data (${String(body['apiVersion'])}) does not match the expected API version (${version})`,
    )
  }
  if (body['kind'] !== wanted) {
    throw badRequest(
      `${String(body['kind'])} in version ${JSON.stringify(resource.kind.type.version)} cannot be handled as a ${wanted}: no kind ${JSON.stringify(String(body['kind']))} is registered for version ${JSON.stringify(version)} in scheme "pkg/runtime/scheme.go:111"`,
    )
  }
}

/** How a body that does not decode is refused. */
export type Refusal = (error: DecodeError, object: KubeObject) => Error

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
