/**
 * Field errors: how they are made, printed and gathered into a 422 Status.
 * Wording and value formatting follow k8s.io/apimachinery/pkg/util/validation/field, because people and tests match on them.
 */
import type { FieldError, FieldErrorType } from '../strategy.ts'
import type { Status } from '../../../kube/objects.ts'

export interface GroupKind {
  group: string
  kind: string
}

export function required(field: string, detail = ''): FieldError {
  return { type: 'Required', field, detail }
}

/** `value` undefined prints as `null`, what Go shows of an unset pointer or list. */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'Invalid', field, value, detail }
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'Forbidden', field, detail }
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'Duplicate', field, value, detail: '' }
}

/** `supported` is printed in the order given. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? '' : `supported values: ${supported.map((s) => goQuote(s)).join(', ')}`
  return { type: 'NotSupported', field, value, detail }
}

/** Limits of text count bytes. */
export function tooLong(field: string, maxBytes: number): FieldError {
  return { type: 'TooLong', field, detail: `may not be more than ${maxBytes} ${maxBytes === 1 ? 'byte' : 'bytes'}` }
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return { type: 'TooMany', field, value: actual, detail: `must have at most ${max} ${max === 1 ? 'item' : 'items'}` }
}

/** One `invalid` per message, for checks that return texts. */
export function eachInvalid(field: string, value: unknown, messages: readonly string[]): FieldError[] {
  return messages.map((message) => invalid(field, value, message))
}

const words: Record<FieldErrorType, string> = {
  Required: 'Required value',
  Invalid: 'Invalid value',
  NotSupported: 'Unsupported value',
  Duplicate: 'Duplicate value',
  Forbidden: 'Forbidden',
  TooLong: 'Too long',
  TooMany: 'Too many',
  NotFound: 'Not found',
  TypeInvalid: 'Invalid value',
}

const withoutValue: ReadonlySet<FieldErrorType> = new Set(['Required', 'Forbidden', 'TooLong'])

/** The text after the field's path, for example `Invalid value: 30000: provided port is already allocated`. */
export function fieldErrorBody(error: FieldError): string {
  const head =
    withoutValue.has(error.type) || error.omitValue
      ? words[error.type]
      : `${words[error.type]}: ${goValue(error.value)}`
  return error.detail === '' ? head : `${head}: ${error.detail}`
}

/** The whole text of a list: one error bare, several as `[a, b]`, repeated texts once. */
function fieldErrorsText(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map((error) => `${error.field}: ${fieldErrorBody(error)}`))]
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`
}

/** The 422 answer for an object of this kind. */
export function invalidStatus(of: GroupKind, name: string, errors: readonly FieldError[]): Status {
  const kind = of.group === '' ? of.kind : `${of.kind}.${of.group}`
  return {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: `${kind} ${goQuote(name)} is invalid${errors.length === 0 ? '' : `: ${fieldErrorsText(errors)}`}`,
    reason: 'Invalid',
    details: {
      ...(name === '' ? {} : { name }),
      ...(of.group === '' ? {} : { group: of.group }),
      kind: of.kind,
      causes: errors.map((error) => ({
        reason: `FieldValue${error.type}`,
        message: fieldErrorBody(error),
        field: error.field,
      })),
    },
    code: 422,
  }
}

/** A value as Go's field.Error prints it: text quoted, the rest as JSON with `<`, `>` and `&` escaped. */
export function goValue(value: unknown): string {
  if (value === undefined) return 'null'
  if (typeof value === 'string') return goQuote(value)
  const json = JSON.stringify(value) ?? 'null'
  return json.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
}

/** Go's %q for the characters that reach us in API objects. */
export function goQuote(text: string): string {
  return JSON.stringify(text)
}
