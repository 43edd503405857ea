/**
 * What a field is: enough to decode, prune, merge and track ownership. Built from OpenAPI v3 for built-in kinds and from the
 * structural schema of a CustomResourceDefinition; recursive types are cycles in the object graph.
 */
export type SchemaKind =
  | 'object'
  | 'map'
  | 'list'
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'intOrString'
  | 'quantity'
  | 'time'
  | 'any'

export interface Schema {
  kind: SchemaKind
  /** Go names for messages: struct `ServicePort`, type `v1.ServicePort`; scalar types `int32`. */
  struct: string
  type: string
  properties: ReadonlyMap<string, Schema>
  required: ReadonlySet<string>
  /** Of a list or a map. */
  items: Schema | undefined
  /** Fields the schema does not know are kept. */
  open: boolean
  listType: 'atomic' | 'set' | 'map'
  mapKeys: readonly string[]
  /** A struct that one manager owns whole. */
  atomic: boolean
  /** Strategic merge patch (patchStrategy and patchMergeKey of the Go types). */
  merges: boolean
  retainsKeys: boolean
  mergeKey: string | undefined
  default: unknown
}

export const anything: Schema = {
  kind: 'any',
  struct: '',
  type: 'interface {}',
  properties: new Map(),
  required: new Set(),
  items: undefined,
  open: true,
  listType: 'atomic',
  mapKeys: [],
  atomic: false,
  merges: false,
  retainsKeys: false,
  mergeKey: undefined,
  default: undefined,
}

/** The schema of a member, or undefined when the parent does not know it. */
export function member(schema: Schema, field: string): Schema | undefined {
  if (schema.kind === 'map') return schema.items
  return schema.properties.get(field) ?? (schema.open ? anything : undefined)
}
