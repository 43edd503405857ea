/**
 * Strategic merge patch: lists of objects merge by key, lists of scalars as sets, and `$patch`, `$retainKeys`, `$setElementOrder/x`,
 * `$deleteFromPrimitiveList/x` direct it. Which list merges by which key comes from the schema (the patch tags of the Go types).
 * Source: k8s.io/apimachinery/pkg/util/strategicpatch/patch.go.
 */
import { unclassified } from '../failure.ts'
import { clone, equal, isObject, plainText } from '../json.ts'
import { anything, member, type Schema } from '../schema/schema.ts'

type Fields = Record<string, unknown>

const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/** The patched copy; neither argument is changed. */
export function strategicPatch(current: Fields, patch: Fields, schema: Schema): Fields {
  return mergeFields(clone(current), clone(patch), schema, false)
}

function mergeFields(original: Fields, patch: Fields, schema: Schema, keepsNull: boolean): Fields {
  const directive = patch['$patch']
  if (directive !== undefined) {
    if (directive === 'replace') return without(patch, '$patch')
    if (directive === 'delete') return {}
    if (directive !== 'merge') throw unclassified(`Unknown patch type found: ${plainText(directive)}`)
    delete patch['$patch']
  }
  retainKeys(original, patch)
  const orders = takePrefixed(patch, orderPrefix)
  const deletions = takePrefixed(patch, deletePrefix)
  const served = new Map<string, unknown[]>()
  for (const [field, gone] of deletions) {
    const list = original[field]
    if (Array.isArray(list)) original[field] = list.filter((item) => !gone.some((dead) => equal(item, dead)))
  }
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) {
      delete original[field]
      if (keepsNull) original[field] = null
      continue
    }
    const inner = member(schema, field) ?? anything
    const before = original[field]
    original[field] = mergeValue(before, value, inner)
    if (Array.isArray(before)) served.set(field, before)
  }
  for (const [field, order] of orders) {
    const inner = member(schema, field) ?? anything
    const list = original[field]
    if (Array.isArray(list)) original[field] = ordered(list, order, served.get(field) ?? list, inner.mergeKey)
  }
  return original
}

function mergeValue(original: unknown, value: unknown, schema: Schema): unknown {
  if (isObject(value)) {
    return mergeFields(isObject(original) ? original : {}, value, schema, false)
  }
  if (!Array.isArray(value)) return value
  if (!schema.merges || !Array.isArray(original)) return cleaned(value, schema)
  return schema.mergeKey === undefined ? mergeSet(original, value) : mergeList(original, value, schema, schema.mergeKey)
}

/** A list that is new or replaced: directives inside it are carried out on nothing. */
function cleaned(list: unknown[], schema: Schema): unknown[] {
  if (!list.some((item) => isObject(item))) return list
  const kept = list.filter((item) => !isObject(item) || item['$patch'] !== 'delete')
  return kept
    .filter((item) => !isObject(item) || item['$patch'] !== 'replace' || Object.keys(item).length > 1)
    .map((item) => (isObject(item) ? mergeFields({}, item, schema.items ?? anything, false) : item))
}

function mergeSet(original: unknown[], patch: unknown[]): unknown[] {
  const merged = [...original, ...patch.filter((item) => !original.includes(item))]
  return ordered(merged, patch, original, undefined)
}

function mergeList(original: unknown[], patch: unknown[], schema: Schema, key: string): unknown[] {
  const replaces = patch.some((item) => isObject(item) && item['$patch'] === 'replace')
  const items = patch.filter((item): item is Fields => isObject(item))
  if (replaces) return items.filter((item) => item['$patch'] !== 'replace').map((item) => without(item, '$patch'))
  let result = [...original]
  for (const item of items) {
    const id = item[key]
    if (id === undefined) {
      throw unclassified(`map: ${goMap(item)} does not contain declared merge key: ${key}`)
    }
    if (item['$patch'] === 'delete') {
      result = result.filter((old) => !isObject(old) || !equal(old[key], id))
      continue
    }
    const at = result.findIndex((old) => isObject(old) && equal(old[key], id))
    const merged = mergeFields(at < 0 ? {} : (result[at] as Fields), item, schema.items ?? anything, false)
    if (at < 0) result.push(merged)
    else result[at] = merged
  }
  return ordered(result, items, original, key)
}

/**
 * Items named in `order` stand in that order. The others, which only the server has, come before a named one when the server's list
 * had them before it, and after it otherwise; so what is new goes to the front. Source: mergeSortedSlice of patch.go.
 */
function ordered(
  list: unknown[],
  order: readonly unknown[],
  server: readonly unknown[],
  key: string | undefined,
): unknown[] {
  const idOf = (item: unknown): unknown => (key !== undefined && isObject(item) ? item[key] : item)
  const indexIn = (items: readonly unknown[], item: unknown) =>
    items.findIndex((other) => equal(idOf(other), idOf(item)))
  const rank = (item: unknown) => indexIn(order, item)
  const named = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b))
  const others = list.filter((item) => rank(item) < 0).sort((a, b) => indexIn(server, a) - indexIn(server, b))
  const result: unknown[] = []
  while (named.length > 0 && others.length > 0) {
    const [at, before] = [indexIn(server, named[0]), indexIn(server, others[0])]
    result.push(at >= 0 && before >= 0 && before < at ? others.shift() : named.shift())
  }
  return [...result, ...named, ...others]
}

function retainKeys(original: Fields, patch: Fields): void {
  const retained = patch['$retainKeys']
  if (retained === undefined) return
  delete patch['$retainKeys']
  if (!Array.isArray(retained)) return
  for (const field of Object.keys(original)) if (!retained.includes(field)) delete original[field]
}

function takePrefixed(patch: Fields, prefix: string): [string, unknown[]][] {
  const found: [string, unknown[]][] = []
  for (const field of Object.keys(patch)) {
    if (!field.startsWith(prefix)) continue
    const value = patch[field]
    if (Array.isArray(value)) found.push([field.slice(prefix.length), value])
    delete patch[field]
  }
  return found
}

function without(fields: Fields, key: string): Fields {
  const { [key]: _, ...rest } = fields
  return rest
}

/** A map as Go's %v prints it. */
export function goMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => goMap(item)).join(' ')}]`
  if (!isObject(value)) return value === null ? '<nil>' : plainText(value)
  const members = Object.keys(value)
    .sort()
    .map((key) => `${key}:${goMap(value[key])}`)
  return `map[${members.join(' ')}]`
}
