/**
 * Objects seen through their schema: which fields a value has, which differ between two values, how a configuration merges into a
 * live object, how fields are taken out. Source: sigs.k8s.io/structured-merge-diff/v6/typed.
 */
import { clone, equal, isObject } from '../json.ts'
import { anything, member, type Schema } from '../schema/schema.ts'
import { emptySet, type FieldSet, leaf, setOf } from './field-set.ts'

type Form = 'fields' | 'keyed' | 'set' | 'atomic'

/** How a value is owned: by field, by list item, by set member, or whole. */
function formOf(value: unknown, schema: Schema): Form {
  if (isObject(value)) return schema.atomic ? 'atomic' : 'fields'
  if (!Array.isArray(value)) return 'atomic'
  if (schema.listType === 'map') return 'keyed'
  return schema.listType === 'set' ? 'set' : 'atomic'
}

/** The members of a value by their field-set keys. */
function membersOf(value: unknown, schema: Schema, form: Form): Map<string, { value: unknown; schema: Schema }> {
  const members = new Map<string, { value: unknown; schema: Schema }>()
  if (form === 'fields') {
    for (const [field, content] of Object.entries(value as Record<string, unknown>)) {
      if (content === undefined || content === null) continue
      members.set(`f:${field}`, { value: content, schema: member(schema, field) ?? anything })
    }
  } else if (form === 'keyed' || form === 'set') {
    const items = schema.items ?? anything
    for (const item of value as unknown[]) {
      members.set(form === 'set' ? `v:${JSON.stringify(item)}` : keyOf(item, schema), { value: item, schema: items })
    }
  }
  return members
}

function keyOf(item: unknown, schema: Schema): string {
  const keys: Record<string, unknown> = {}
  for (const name of schema.mapKeys.toSorted()) {
    const value = isObject(item) ? item[name] : undefined
    const known = value ?? schema.items?.properties.get(name)?.default
    if (known !== undefined) keys[name] = known
  }
  return `k:${JSON.stringify(keys)}`
}

/** What an applied configuration claims: its leaves, empty containers, and list items as such. */
export function fieldsOf(value: unknown, schema: Schema): FieldSet {
  const form = formOf(value, schema)
  if (form === 'atomic') return leaf
  const members = membersOf(value, schema, form)
  if (members.size === 0) return leaf
  return setOf(
    false,
    [...members].map(([key, inner]) => {
      const fields = fieldsOf(inner.value, inner.schema)
      return [key, form === 'keyed' ? { ...fields, self: true } : fields] as const
    }),
  )
}

/** Everything about a value that came into being, containers included; structs that Go always writes do not count themselves. */
function added(value: unknown, schema: Schema): FieldSet {
  const form = formOf(value, schema)
  if (form === 'atomic') return leaf
  const always = schema.kind === 'object' && isObject(schema.default)
  const members = [...membersOf(value, schema, form)].map(
    ([key, inner]) => [key, added(inner.value, inner.schema)] as const,
  )
  return setOf(!always, members)
}

export interface Comparison {
  /** Added or modified. */
  changed: FieldSet
  removed: FieldSet
}

const same: Comparison = { changed: emptySet, removed: emptySet }

export function compare(old: unknown, next: unknown, schema: Schema): Comparison {
  if (old === next) return same
  const form = formOf(next, schema)
  if (form === 'atomic' || formOf(old, schema) !== form) {
    return equal(old, next) ? same : { changed: leaf, removed: emptySet }
  }
  const before = membersOf(old, schema, form)
  const after = membersOf(next, schema, form)
  const changed: [string, FieldSet][] = []
  const removed: [string, FieldSet][] = []
  for (const [key, inner] of after) {
    const known = before.get(key)
    if (!known) {
      changed.push([key, added(inner.value, inner.schema)])
      continue
    }
    const result = compare(known.value, inner.value, inner.schema)
    changed.push([key, result.changed])
    removed.push([key, result.removed])
  }
  for (const [key, inner] of before) if (!after.has(key)) removed.push([key, added(inner.value, inner.schema)])
  return { changed: setOf(false, changed), removed: setOf(false, removed) }
}

/** The live value with the configuration on top, as a copy. */
export function merge(live: unknown, config: unknown, schema: Schema): unknown {
  const form = formOf(config, schema)
  if (form === 'atomic' || formOf(live, schema) !== form) return clone(config)
  if (form === 'fields') {
    const result: Record<string, unknown> = { ...(live as Record<string, unknown>) }
    for (const [field, value] of Object.entries(config as Record<string, unknown>)) {
      if (value === null || value === undefined) continue
      result[field] = merge(result[field], value, member(schema, field) ?? anything)
    }
    return clone(result)
  }
  const items = schema.items ?? anything
  const result = clone(live as unknown[])
  const keys = result.map((item) => (form === 'set' ? `v:${JSON.stringify(item)}` : keyOf(item, schema)))
  for (const [key, { value }] of membersOf(config, schema, form)) {
    const at = keys.indexOf(key)
    if (at < 0) result.push(clone(value))
    else result[at] = merge(result[at], value, items)
  }
  return result
}

/** The value without the given fields, except what `kept` holds; undefined when nothing of it is left. */
export function without(value: unknown, gone: FieldSet, kept: FieldSet, schema: Schema): unknown {
  if (gone.self && kept.children.size === 0 && !kept.self) return undefined
  const form = formOf(value, schema)
  if (form === 'atomic') return value
  if (form === 'fields') {
    const result: Record<string, unknown> = {}
    for (const [field, content] of Object.entries(value as Record<string, unknown>)) {
      const key = `f:${field}`
      const inner = gone.children.get(key)
      const left = inner
        ? without(content, inner, kept.children.get(key) ?? emptySet, member(schema, field) ?? anything)
        : content
      if (left !== undefined) result[field] = left
    }
    // A map or struct that only held what is gone goes with it, unless it is one that is always there.
    const always = schema.kind === 'object' && isObject(schema.default)
    const emptied = Object.keys(result).length === 0 && gone.children.size > 0
    return emptied && !always && !kept.self ? undefined : result
  }
  const items = schema.items ?? anything
  const left = (value as unknown[]).flatMap((item) => {
    const key = form === 'set' ? `v:${JSON.stringify(item)}` : keyOf(item, schema)
    const inner = gone.children.get(key)
    if (!inner) return [item]
    const rest = without(item, inner, kept.children.get(key) ?? emptySet, items)
    return rest === undefined ? [] : [rest]
  })
  return left.length === 0 && gone.children.size > 0 && !kept.self ? undefined : left
}
