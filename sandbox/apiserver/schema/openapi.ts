/**
 * The schemas of the built-in kinds, read from definitions.json: the component schemas of a kube-apiserver v1.36 OpenAPI v3 document
 * (Apache-2.0, The Kubernetes Authors), cut to the kinds served here by scripts/record-openapi.ts.
 */
import { readFileSync } from 'node:fs'
import { isObject, plainText } from '../json.ts'
import { anything, type Schema, type SchemaKind } from './schema.ts'

export type RawSchema = Readonly<Record<string, unknown>>

/** Component schemas by name, as `/openapi/v3` prints them. */
export const definitions: Readonly<Record<string, RawSchema>> = JSON.parse(
  readFileSync(new URL('definitions.json', import.meta.url), 'utf8'),
)

const namesByKind: ReadonlyMap<string, string> = new Map(
  Object.entries(definitions).flatMap(([name, raw]) => {
    const kinds = raw['x-kubernetes-group-version-kind']
    if (!Array.isArray(kinds) || kinds.length !== 1) return []
    const { group, version, kind } = kinds[0] as { group: string; version: string; kind: string }
    return [[`${group}/${version}/${kind}`, name] as const]
  }),
)

export function definitionName(group: string, version: string, kind: string): string | undefined {
  return namesByKind.get(`${group}/${version}/${kind}`)
}

const built: ReadonlyMap<string, Schema> = buildAll()

/** Undefined for kinds that are not built in. */
export function builtinSchema(group: string, version: string, kind: string): Schema | undefined {
  const name = definitionName(group, version, kind)
  return name === undefined ? undefined : built.get(name)
}

/** `metadata` of every object. */
export function objectMetaSchema(): Schema {
  return built.get('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta') ?? anything
}

function buildAll(): Map<string, Schema> {
  const schemas = new Map<string, Schema>()
  // Two passes, because types refer to themselves: empty shells first, then their contents.
  for (const name of Object.keys(definitions)) schemas.set(name, { ...anything })
  for (const [name, raw] of Object.entries(definitions)) {
    Object.assign(schemas.get(name) as Schema, read(raw, schemas, goNames(name)))
  }
  return schemas
}

/** `io.k8s.api.core.v1.ServicePort` -> `ServicePort`, `v1.ServicePort`. */
function goNames(name: string): { struct: string; type: string } {
  const parts = name.split('.')
  const struct = parts.at(-1) ?? ''
  return { struct, type: `${parts.at(-2)}.${struct}` }
}

function refOf(raw: RawSchema): string | undefined {
  const all = raw['allOf']
  const holder = Array.isArray(all) && isObject(all[0]) ? all[0] : raw
  const ref = holder['$ref']
  return typeof ref === 'string' ? ref.slice(ref.lastIndexOf('/') + 1) : undefined
}

function read(raw: RawSchema, schemas: ReadonlyMap<string, Schema>, go = { struct: '', type: '' }): Schema {
  const ref = refOf(raw)
  if (ref !== undefined) {
    const target = schemas.get(ref) ?? anything
    return hasMarks(raw) ? marked(target, raw) : target
  }
  const kind = kindOf(raw)
  const items = kind === 'list' ? raw['items'] : kind === 'map' ? raw['additionalProperties'] : undefined
  const properties = new Map<string, Schema>()
  if (isObject(raw['properties'])) {
    for (const [field, value] of Object.entries(raw['properties'])) {
      properties.set(field, read(value as RawSchema, schemas))
    }
  }
  const inner = isObject(items) ? read(items, schemas) : undefined
  const schema: Schema = {
    ...anything,
    kind,
    struct: go.struct,
    type: go.type || goType(kind, raw, typeName(items) ?? inner?.type),
    properties,
    required: new Set(Array.isArray(raw['required']) ? (raw['required'] as string[]) : []),
    items: inner,
    open: kind === 'any',
    default: raw['default'],
  }
  return hasMarks(raw) ? marked(schema, raw) : schema
}

function hasMarks(raw: RawSchema): boolean {
  return Object.keys(raw).some((key) => key.startsWith('x-kubernetes-'))
}

function marked(schema: Schema, raw: RawSchema): Schema {
  const strategies = plainText(raw['x-kubernetes-patch-strategy'] ?? '').split(',')
  const listType = raw['x-kubernetes-list-type']
  return {
    ...schema,
    listType: listType === 'map' || listType === 'set' ? listType : 'atomic',
    mapKeys: Array.isArray(raw['x-kubernetes-list-map-keys']) ? (raw['x-kubernetes-list-map-keys'] as string[]) : [],
    atomic: raw['x-kubernetes-map-type'] === 'atomic',
    merges: strategies.includes('merge'),
    retainsKeys: strategies.includes('retainKeys'),
    mergeKey: raw['x-kubernetes-patch-merge-key'] as string | undefined,
  }
}

function kindOf(raw: RawSchema): SchemaKind {
  const { type, format } = raw
  if (type === 'array') return 'list'
  if (type === 'object') {
    if (isObject(raw['properties'])) return 'object'
    return isObject(raw['additionalProperties']) ? 'map' : 'any'
  }
  if (type === 'string') return format === 'int-or-string' ? 'intOrString' : format === 'date-time' ? 'time' : 'string'
  if (type === 'integer' || type === 'number' || type === 'boolean') return type
  if (Array.isArray(raw['oneOf'])) return format === 'int-or-string' ? 'intOrString' : 'quantity'
  return 'any'
}

/** Of a type that is referred to, which may not have been read yet. */
function typeName(items: unknown): string | undefined {
  const ref = isObject(items) ? refOf(items) : undefined
  return ref === undefined ? undefined : goNames(ref).type
}

function goType(kind: SchemaKind, raw: RawSchema, items: string | undefined): string {
  if (kind === 'list') return `[]${items ?? ''}`
  if (kind === 'map') return `map[string]${items ?? ''}`
  if (kind === 'string' && raw['format'] === 'byte') return '[]uint8'
  if (kind === 'boolean') return 'bool'
  if (kind === 'integer') return plainText(raw['format'] ?? 'int64')
  if (kind === 'number') return 'float64'
  return 'string'
}
