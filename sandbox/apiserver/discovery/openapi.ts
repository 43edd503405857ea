/**
 * OpenAPI v3 (an index and a document per group version) and v2: schemas for `kubectl explain` and client-side patches, and paths
 * that say which kinds take `fieldValidation`, so that kubectl leaves validation to the server.
 */
import { createHash } from 'node:crypto'
import type { ApiContext } from '../context.ts'
import { notAcceptable } from '../failure.ts'
import { isObject } from '../json.ts'
import type { ApiRequest, ApiResponse } from '../request.ts'
import type { Resource } from '../resource.ts'
import { text, value } from '../response.ts'
import { definitionName, definitions, type RawSchema } from '../schema/openapi.ts'

type Document = Record<string, unknown>

/** Answers `/openapi/...`; documents are made on demand and kept until the set of resources changes. */
export function openApi(context: ApiContext): (request: ApiRequest) => ApiResponse | undefined {
  const made = new Map<string, { document: Document; hash: string }>()
  context.resources.onChange(() => made.clear())
  const documentOf = (path: string) => {
    const resources = context.resources.all().filter((resource) => pathOf(resource) === path)
    if (resources.length === 0) return undefined
    let found = made.get(path)
    if (!found) {
      const document = version3(resources)
      found = { document, hash: createHash('sha256').update(JSON.stringify(document)).digest('hex').toUpperCase() }
      made.set(path, found)
    }
    return found
  }
  return ({ path, headers }) => {
    if (path === '/openapi/v2') {
      if ((headers['accept'] ?? '').startsWith('application/com.github.proto-openapi')) {
        throw notAcceptable(['application/json'])
      }
      return value(version2(context.resources.all()))
    }
    if (path === '/openapi/v3') {
      const groups = new Set(context.resources.all().map((resource) => pathOf(resource)))
      const paths = [...groups].map((group) => {
        const serverRelativeURL = `/openapi/v3/${group}?hash=${documentOf(group)?.hash ?? ''}`
        return [group, { serverRelativeURL }] as const
      })
      return value({ paths: Object.fromEntries(paths) })
    }
    if (!path.startsWith('/openapi/v3/'))
      return path.startsWith('/openapi') ? text('404 page not found\n', 404) : undefined
    const found = documentOf(path.slice('/openapi/v3/'.length))
    return found ? value(found.document) : text('404 page not found\n', 404)
  }
}

function pathOf({ kind }: Resource): string {
  const { group, version } = kind.type
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

const info = { title: 'Kubernetes', version: 'v1.36.3+roadstead' }

function version3(resources: readonly Resource[]): Document {
  const schemas: Record<string, RawSchema> = {}
  const paths: Document = {}
  for (const resource of resources) {
    const name = schemaName(resource)
    schemas[name] = schemaOf(resource, name)
    include(schemas[name], schemas)
    Object.assign(paths, pathsOf(resource, { $ref: `#/components/schemas/${name}` }))
  }
  return { openapi: '3.0.0', info, paths, components: { schemas } }
}

/** The same in the older form: references point elsewhere and are not wrapped. */
function version2(resources: readonly Resource[]): Document {
  const schemas: Record<string, RawSchema> = {}
  const paths: Document = {}
  for (const resource of resources) {
    const name = schemaName(resource)
    schemas[name] = schemaOf(resource, name)
    include(schemas[name], schemas)
    Object.assign(paths, pathsOf(resource, { $ref: `#/definitions/${name}` }))
  }
  return { swagger: '2.0', info, paths, definitions: older(schemas) }
}

function older(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => older(item))
  if (!isObject(value)) return value
  const { allOf, oneOf, ...rest } = value
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(rest)) {
    copy[key] = key === '$ref' && typeof member === 'string' ? reference(member) : older(member)
  }
  if (Array.isArray(allOf) && isObject(allOf[0])) Object.assign(copy, older(allOf[0]))
  if (Array.isArray(oneOf)) copy['type'] ??= 'string'
  else if (oneOf !== undefined) copy['oneOf'] = older(oneOf)
  return copy
}

function reference(ref: string): string {
  return ref.replace('#/components/schemas/', '#/definitions/')
}

/** `com.example.v1.Widget` for a custom resource, the Go package's name for a built-in one. */
function schemaName({ kind }: Resource): string {
  const { group, version, kind: name } = kind.type
  return definitionName(group, version, name) ?? `${group.split('.').toReversed().join('.')}.${version}.${name}`
}

function schemaOf({ kind, definition }: Resource, name: string): RawSchema {
  const builtin = definitions[name]
  if (builtin) return builtin
  const { group, version, kind: kindName } = kind.type
  const raw = definition?.schema?.openAPIV3Schema ?? { type: 'object' }
  const own = isObject(raw['properties']) ? raw['properties'] : {}
  const text = { type: 'string' }
  const metadata = { allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }] }
  return {
    ...raw,
    properties: { apiVersion: text, kind: text, ...own, metadata },
    'x-kubernetes-group-version-kind': [{ group, kind: kindName, version }],
  }
}

/** Adds every definition the schema refers to. */
function include(value: unknown, schemas: Record<string, RawSchema>): void {
  if (Array.isArray(value)) {
    for (const item of value) include(item, schemas)
    return
  }
  if (!isObject(value)) return
  for (const [key, member] of Object.entries(value)) {
    if (key !== '$ref' || typeof member !== 'string') {
      include(member, schemas)
      continue
    }
    const name = member.slice(member.lastIndexOf('/') + 1)
    const found = definitions[name]
    if (!found || schemas[name]) continue
    schemas[name] = found
    include(found, schemas)
  }
}

const names = ['dryRun', 'fieldManager', 'fieldValidation'] as const

function pathsOf(resource: Resource, schema: { $ref: string }): Document {
  const { group, version, plural, namespaced, kind } = resource.kind.type
  const root = `/${pathOf(resource)}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`
  const operation = (action: string) => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, kind, version },
    responses: { 200: { description: 'OK', content: { 'application/json': { schema } } } },
  })
  const writing = (action: string, more: readonly string[] = []) => ({
    ...operation(action),
    parameters: [...names, ...more].map((name) => ({
      name,
      in: 'query',
      schema: { type: 'string', uniqueItems: true },
    })),
  })
  return {
    [root]: { get: operation('list'), post: writing('post'), delete: operation('deletecollection') },
    [`${root}/{name}`]: {
      get: operation('get'),
      put: writing('put'),
      patch: writing('patch', ['force']),
      delete: operation('delete'),
    },
  }
}
