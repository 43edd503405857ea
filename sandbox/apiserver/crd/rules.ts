/**
 * x-kubernetes-validations: evaluated on objects that pass their schema, with `oldSelf` on updates only.
 * Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go.
 */
import { isObject } from '../json.ts'
import type { RawSchema } from '../schema/openapi.ts'
import { invalid } from '../strategies/field-error.ts'
import type { FieldError, FieldErrorType } from '../strategy.ts'
import { CelError, compileCel, type Scope } from './cel.ts'

const keyword = 'x-kubernetes-validations'

/** Errors after which rules are not evaluated at all. */
const blocking: ReadonlySet<FieldErrorType> = new Set(['Required', 'TooLong', 'TooMany', 'TypeInvalid'])

/** What the rules add to the errors the schema has found. */
export function ruleErrors(
  value: unknown,
  old: unknown,
  raw: RawSchema,
  path: string,
  found: readonly FieldError[],
): FieldError[] {
  if (!hasRules(raw)) return []
  if (!found.some(({ type }) => blocking.has(type))) return walk(value, old, raw, path)
  const text =
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation'
  return [invalid('<nil>', undefined, text)]
}

function hasRules(raw: RawSchema): boolean {
  if (Array.isArray(raw[keyword])) return true
  const inner = [raw['items'], raw['additionalProperties'], ...Object.values(raw['properties'] ?? {})]
  return inner.some((schema) => isObject(schema) && hasRules(schema))
}

function walk(value: unknown, old: unknown, raw: RawSchema, path: string): FieldError[] {
  if (value === undefined || value === null) return []
  const rules = Array.isArray(raw[keyword]) ? (raw[keyword] as unknown[]) : []
  const errors = rules.flatMap((rule) => (isObject(rule) ? judge(rule, value, old, path) : []))
  if (Array.isArray(value)) {
    const { items } = raw
    if (!isObject(items)) return errors
    return [...errors, ...value.flatMap((item, index) => walk(item, undefined, items, `${path}[${index}]`))]
  }
  if (!isObject(value)) return errors
  const properties = isObject(raw['properties']) ? raw['properties'] : {}
  for (const [field, content] of Object.entries(value)) {
    const inner = Object.hasOwn(properties, field) ? properties[field] : raw['additionalProperties']
    if (!isObject(inner)) continue
    const before = isObject(old) ? old[field] : undefined
    errors.push(...walk(content, before, inner, path === '' ? field : `${path}.${field}`))
  }
  return errors
}

function judge(rule: Record<string, unknown>, value: unknown, old: unknown, path: string): FieldError[] {
  const source = typeof rule['rule'] === 'string' ? rule['rule'] : ''
  const transition = /\boldSelf\b/.test(source)
  if (transition && old === undefined) return []
  const expression = compileCel(source)
  if (!expression) return []
  const message = typeof rule['message'] === 'string' ? rule['message'].trim() : `failed rule: ${source}`
  const field = typeof rule['fieldPath'] === 'string' ? `${path}${rule['fieldPath']}`.replace(/^\./, '') : path
  const scope: Scope = transition ? { self: value, oldSelf: old } : { self: value }
  try {
    if (expression(scope) === true) return []
  } catch (error) {
    if (!(error instanceof CelError)) throw error
    const kind = Array.isArray(value) ? 'array' : typeof value
    return [invalid(path, kind, `${error.message} evaluating rule: ${message}`)]
  }
  return [refusal(rule['reason'], field, message)]
}

function refusal(reason: unknown, field: string, detail: string): FieldError {
  if (reason === 'FieldValueForbidden') return { type: 'Forbidden', field, detail }
  if (reason === 'FieldValueRequired') return { type: 'Required', field, detail }
  if (reason === 'FieldValueDuplicate') return { type: 'Duplicate', field, detail, omitValue: true }
  return { type: 'Invalid', field, detail, omitValue: true }
}
