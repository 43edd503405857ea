/**
 * Judges a value by a structural schema, in the words of kube-openapi's validator as ValidateCustomResource passes them on.
 * Source: k8s.io/apiextensions-apiserver/pkg/apiserver/validation/validation.go, kube-openapi/pkg/validation. CEL rules are in rules.ts.
 */
import { equal, isObject } from '../json.ts'
import type { RawSchema } from '../schema/openapi.ts'
import { duplicate, invalid, notSupported, required, tooLong, tooMany } from '../strategies/field-error.ts'
import type { FieldError } from '../strategy.ts'
import { fitsFormat } from './formats.ts'

export function schemaErrors(value: unknown, raw: RawSchema, path: string): FieldError[] {
  if (value === null && raw['nullable'] === true) return []
  const wrong = typeErrors(value, raw, path)
  if (wrong.length > 0) return wrong
  const errors: FieldError[] = []
  if (typeof value === 'string') errors.push(...textErrors(value, raw, path))
  else if (typeof value === 'number') errors.push(...numberErrors(value, raw, path))
  else if (Array.isArray(value)) errors.push(...listErrors(value, raw, path))
  else if (isObject(value)) errors.push(...objectErrors(value, raw, path))
  errors.push(...enumErrors(value, raw, path), ...junctorErrors(value, raw, path))
  return errors
}

function body(path: string, rule: string): string {
  return `${path} in body ${rule}`
}

function jsonType(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function typeInvalid(path: string, value: unknown, detail: string): FieldError {
  return { type: 'TypeInvalid', field: path, value, detail }
}

function typeErrors(value: unknown, raw: RawSchema, path: string): FieldError[] {
  const given = jsonType(value)
  const intOrString = raw['x-kubernetes-int-or-string'] === true
  const wanted = intOrString ? ['integer', 'string'] : typeof raw['type'] === 'string' ? [raw['type']] : []
  const fits = wanted.length === 0 || wanted.includes(given) || (given === 'integer' && wanted.includes('number'))
  if (!fits) {
    return [typeInvalid(path, given, body(path, `must be of type ${wanted.join(',')}: ${JSON.stringify(given)}`))]
  }
  const format = raw['format']
  if (typeof value === 'string' && typeof format === 'string' && !fitsFormat(value, format)) {
    return [typeInvalid(path, value, body(path, `must be of type ${format}: ${JSON.stringify(value)}`))]
  }
  return []
}

/** Patterns are RE2; what JavaScript cannot compile is not judged. */
function matches(pattern: string, value: string): boolean {
  for (const flags of ['u', '']) {
    try {
      return new RegExp(pattern, flags).test(value)
    } catch {
      // RE2 allows escapes that the stricter mode refuses.
    }
  }
  return true
}

/** The first fault only, as the Go validator reports it. */
function textErrors(value: string, raw: RawSchema, path: string): FieldError[] {
  const { minLength, maxLength, pattern } = raw
  const length = Array.from(value).length
  if (typeof maxLength === 'number' && length > maxLength) return [tooLong(path, maxLength)]
  if (typeof minLength === 'number' && length < minLength) {
    return [invalid(path, value, body(path, `should be at least ${minLength} chars long`))]
  }
  if (typeof pattern === 'string' && !matches(pattern, value)) {
    return [invalid(path, value, body(path, `should match '${pattern}'`))]
  }
  return []
}

function numberErrors(value: number, raw: RawSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { minimum, maximum, multipleOf, format } = raw
  const exclusiveLow = raw['exclusiveMinimum'] === true
  const exclusiveHigh = raw['exclusiveMaximum'] === true
  if (typeof maximum === 'number' && (exclusiveHigh ? value >= maximum : value > maximum)) {
    const rule = exclusiveHigh ? 'should be less than' : 'should be less than or equal to'
    errors.push(invalid(path, value, body(path, `${rule} ${maximum}`)))
  }
  if (typeof minimum === 'number' && (exclusiveLow ? value <= minimum : value < minimum)) {
    const rule = exclusiveLow ? 'should be greater than' : 'should be greater than or equal to'
    errors.push(invalid(path, value, body(path, `${rule} ${minimum}`)))
  }
  if (typeof multipleOf === 'number' && value % multipleOf !== 0) {
    errors.push(invalid(path, value, body(path, `should be a multiple of ${multipleOf}`)))
  }
  if (format === 'int32' && Math.abs(value) > 2_147_483_648) {
    errors.push(invalid('<nil>', '', `Checked value must be of type integer with format int32 in ${path}`))
  }
  return errors
}

function listErrors(value: unknown[], raw: RawSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { minItems, maxItems, items } = raw
  if (typeof minItems === 'number' && value.length < minItems) {
    errors.push(invalid(path, value.length, body(path, `should have at least ${minItems} items`)))
  }
  if (typeof maxItems === 'number' && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems))
  if (isObject(items)) {
    for (const [index, item] of value.entries()) errors.push(...schemaErrors(item, items, `${path}[${index}]`))
  }
  return [...errors, ...duplicateErrors(value, raw, path)]
}

function duplicateErrors(value: unknown[], raw: RawSchema, path: string): FieldError[] {
  const listType = raw['x-kubernetes-list-type']
  if (listType !== 'set' && listType !== 'map') return []
  const keys = raw['x-kubernetes-list-map-keys']
  const idOf = (item: unknown): unknown => {
    if (listType === 'set' || !Array.isArray(keys) || !isObject(item)) return item
    return Object.fromEntries((keys as string[]).map((key) => [key, item[key]]))
  }
  const seen: unknown[] = []
  return value.flatMap((item, index) => {
    const id = idOf(item)
    if (seen.some((known) => equal(known, id))) return [duplicate(`${path}[${index}]`, id)]
    seen.push(id)
    return []
  })
}

function objectErrors(value: Record<string, unknown>, raw: RawSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const join = (field: string) => (path === '' ? field : `${path}.${field}`)
  const { maxProperties, minProperties } = raw
  const size = Object.keys(value).length
  if (typeof maxProperties === 'number' && size > maxProperties) errors.push(tooMany(path, size, maxProperties))
  if (typeof minProperties === 'number' && size < minProperties) {
    errors.push(invalid(path, size, body(path, `should have at least ${minProperties} properties`)))
  }
  for (const field of Array.isArray(raw['required']) ? (raw['required'] as string[]) : []) {
    if (value[field] === undefined) errors.push(required(join(field)))
  }
  const properties = isObject(raw['properties']) ? raw['properties'] : {}
  const values = raw['additionalProperties']
  for (const [field, content] of Object.entries(value)) {
    const inner = Object.hasOwn(properties, field) ? properties[field] : values
    if (isObject(inner)) errors.push(...schemaErrors(content, inner, join(field)))
  }
  return errors
}

function enumErrors(value: unknown, raw: RawSchema, path: string): FieldError[] {
  const allowed = raw['enum']
  if (!Array.isArray(allowed) || allowed.some((item) => equal(item, value))) return []
  return [notSupported(path, value, allowed.map(String))]
}

function junctorErrors(value: unknown, raw: RawSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { allOf, anyOf, oneOf, not } = raw
  const plain = (text: string) => invalid('<nil>', '', `${JSON.stringify(path)} ${text}`)
  const judge = (branches: unknown): FieldError[][] =>
    Array.isArray(branches)
      ? branches.filter((branch) => isObject(branch)).map((b) => schemaErrors(value, b, path))
      : []
  const closest = (results: FieldError[][]) => results.toSorted((a, b) => a.length - b.length)[0] ?? []
  if (Array.isArray(anyOf)) {
    const results = judge(anyOf)
    if (results.every((found) => found.length > 0)) {
      errors.push(plain('must validate at least one schema (anyOf)'), ...closest(results))
    }
  }
  if (Array.isArray(oneOf)) {
    const results = judge(oneOf)
    const valid = results.filter((found) => found.length === 0).length
    if (valid === 0) {
      errors.push(plain('must validate one and only one schema (oneOf). Found none valid'), ...closest(results))
    } else if (valid > 1) {
      errors.push(plain(`must validate one and only one schema (oneOf). Found ${valid} valid alternatives`))
    }
  }
  if (Array.isArray(allOf)) {
    const failed = judge(allOf).flat()
    if (failed.length > 0) errors.push(plain('must validate all the schemas (allOf)'), ...failed)
  }
  if (isObject(not) && schemaErrors(value, not, path).length === 0) {
    errors.push(plain('must not validate the schema (not)'))
  }
  return errors
}
