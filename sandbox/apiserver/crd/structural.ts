/**
 * A version's structural schema: pruning, defaulting, and the field types that patches and field ownership need.
 * Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema (pruning, defaulting, objectmeta).
 */
import type { KubeObject } from '../../../kube/objects.ts'
import { clone, fieldsOf, isObject } from '../json.ts'
import type { ObjectSchema } from '../resource.ts'
import { decode } from '../schema/decode.ts'
import { objectMetaSchema, type RawSchema } from '../schema/openapi.ts'
import { anything, type Schema, type SchemaKind } from '../schema/schema.ts'

const preserve = 'x-kubernetes-preserve-unknown-fields'

export function customSchema(raw: RawSchema): ObjectSchema {
  const root = build(raw)
  const meta = objectMetaSchema()
  const text = { ...anything, kind: 'string' as const, open: false }
  const properties = new Map(root.properties)
  properties.set('apiVersion', text).set('kind', text).set('metadata', meta)
  return {
    schema: { ...root, kind: 'object', properties },
    admit(object: KubeObject) {
      const unknown = decode(object.metadata, meta).map((path) => `metadata.${path}`)
      const fields = fieldsOf(object)
      const { apiVersion: _v, kind: _k, metadata: _m, ...rest } = fields
      const pruned = prune(rest, raw, '')
      for (const field of Object.keys(fields)) {
        if (field !== 'apiVersion' && field !== 'kind' && field !== 'metadata' && !(field in rest)) delete fields[field]
      }
      return [...unknown, ...pruned]
    },
  }
}

/** Removes what the schema does not know from objects, in place; returns the paths. */
function prune(value: unknown, raw: RawSchema, path: string): string[] {
  if (Array.isArray(value)) {
    const items = raw['items']
    if (!isObject(items)) return []
    return value.flatMap((item, index) => prune(item, items, `${path}[${index}]`))
  }
  if (!isObject(value)) return []
  const embedded = raw['x-kubernetes-embedded-resource'] === true
  const removed: string[] = []
  const properties = isObject(raw['properties']) ? raw['properties'] : {}
  const values = raw['additionalProperties']
  for (const [field, content] of Object.entries(value)) {
    const here = path === '' ? field : `${path}.${field}`
    if (embedded && (field === 'apiVersion' || field === 'kind' || field === 'metadata')) continue
    const inner = Object.hasOwn(properties, field) ? properties[field] : isObject(values) ? values : undefined
    if (isObject(inner)) removed.push(...prune(content, inner, here))
    else if (raw[preserve] !== true && values !== true) {
      delete value[field]
      removed.push(here)
    }
  }
  return removed
}

/** Fills defaults in place; a null where null is not allowed counts as missing. */
export function fillDefaults(value: unknown, raw: RawSchema): void {
  if (Array.isArray(value)) {
    const items = raw['items']
    if (isObject(items)) for (const item of value) fillDefaults(item, items)
    return
  }
  if (!isObject(value)) return
  if (isObject(raw['properties'])) {
    for (const [field, inner] of Object.entries(raw['properties'])) {
      if (!isObject(inner)) continue
      if (value[field] === null && inner['nullable'] !== true) delete value[field]
      if (value[field] === undefined && inner['default'] !== undefined) value[field] = clone(inner['default'])
    }
  }
  const properties = isObject(raw['properties']) ? raw['properties'] : {}
  const values = raw['additionalProperties']
  for (const [field, content] of Object.entries(value)) {
    const inner = Object.hasOwn(properties, field) ? properties[field] : values
    if (isObject(inner)) fillDefaults(content, inner)
  }
}

function build(raw: RawSchema): Schema {
  const kind = kindOf(raw)
  const properties = new Map<string, Schema>()
  if (isObject(raw['properties'])) {
    for (const [field, inner] of Object.entries(raw['properties'])) {
      if (isObject(inner)) properties.set(field, build(inner))
    }
  }
  const inner = kind === 'list' ? raw['items'] : raw['additionalProperties']
  const listType = raw['x-kubernetes-list-type']
  return {
    ...anything,
    kind,
    properties,
    items: isObject(inner) ? build(inner) : undefined,
    open: raw[preserve] === true || kind === 'any',
    listType: listType === 'map' || listType === 'set' ? listType : 'atomic',
    mapKeys: Array.isArray(raw['x-kubernetes-list-map-keys']) ? (raw['x-kubernetes-list-map-keys'] as string[]) : [],
    atomic: raw['x-kubernetes-map-type'] === 'atomic',
    default: raw['default'],
  }
}

function kindOf(raw: RawSchema): SchemaKind {
  if (raw['x-kubernetes-int-or-string'] === true) return 'intOrString'
  switch (raw['type']) {
    case 'object':
      return isObject(raw['additionalProperties']) ? 'map' : isObject(raw['properties']) ? 'object' : 'any'
    case 'array':
      return 'list'
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
      return raw['type']
    default:
      return 'any'
  }
}
