/**
 * Decodes a body into a built-in kind the way Go's decoder does: wrong types are refused with its words, nulls and empty optional
 * lists and maps vanish, fields it does not know are dropped and reported.
 */
import type { KubeObject } from '../../../kube/objects.ts'
import { badRequest } from '../failure.ts'
import { isObject } from '../json.ts'
import type { ObjectSchema } from '../resource.ts'
import { textFault } from './formats.ts'
import type { Schema } from './schema.ts'

/** A value that does not fit its field, in the words of encoding/json. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

/** Decodes in place; returns the paths of the fields that were dropped. Throws DecodeError. */
export function decode(value: unknown, schema: Schema): string[] {
  const unknown: string[] = []
  fields(value, schema, '', '', unknown)
  return unknown
}

export function decodingSchema(schema: Schema): ObjectSchema {
  return {
    schema,
    admit(object: KubeObject) {
      return decode(object, schema)
    },
  }
}

/** A DecodeError as the 400 of a create or PUT. */
export function decodeFailure(error: DecodeError, object: KubeObject, wanted = object.kind): Error {
  const version = String(object.apiVersion).split('/').at(-1)
  return badRequest(
    `${object.kind} in version ${JSON.stringify(version)} cannot be handled as a ${wanted}: ${error.message}`,
  )
}

/** `plain` is the path without indexes (messages of types), `path` the one with (unknown fields). */
function fields(value: unknown, schema: Schema, path: string, plain: string, unknown: string[]): void {
  const holder = value as Record<string, unknown>
  for (const [field, content] of Object.entries(holder)) {
    const inner = schema.kind === 'map' ? schema.items : schema.properties.get(field)
    const here = path === '' ? field : `${path}.${field}`
    if (inner === undefined) {
      if (schema.open) continue
      unknown.push(here)
      delete holder[field]
      continue
    }
    if (content === null || content === undefined) {
      if (schema.kind === 'map' && inner.kind === 'string' && content === null) holder[field] = ''
      else if (inner.kind !== 'any') delete holder[field]
      continue
    }
    // Values of maps are reported under the map itself, as Go does.
    const plainHere = schema.kind === 'map' ? plain : plain === '' ? field : `${plain}.${field}`
    one(content, inner, schema.struct, here, plainHere, unknown)
    if (!schema.required.has(field) && isEmpty(content, inner)) delete holder[field]
  }
}

function isEmpty(content: unknown, { kind }: Schema): boolean {
  if (kind === 'list') return (content as unknown[]).length === 0
  return kind === 'map' && Object.keys(content as object).length === 0
}

function one(value: unknown, schema: Schema, struct: string, path: string, plain: string, unknown: string[]): void {
  if (!fits(value, schema)) {
    const given = jsonType(value, schema)
    throw new DecodeError(
      `json: cannot unmarshal ${given} into Go struct field ${struct}.${plain} of type ${schema.kind === 'intOrString' ? 'int32' : schema.type}`,
    )
  }
  const fault = typeof value === 'string' ? textFault(value, schema) : undefined
  if (fault !== undefined) throw new DecodeError(fault)
  if (schema.kind === 'object') fields(value, schema, path, plain, unknown)
  else if (schema.kind === 'map') fields(value, { ...schema, struct }, path, plain, unknown)
  else if (schema.kind === 'list' && schema.items) {
    for (const [index, item] of (value as unknown[]).entries()) {
      if (item !== null) one(item, schema.items, struct, `${path}[${index}]`, plain, unknown)
    }
  }
}

function fits(value: unknown, { kind, type }: Schema): boolean {
  switch (kind) {
    case 'any':
      return true
    case 'object':
    case 'map':
      return isObject(value)
    case 'list':
      return Array.isArray(value)
    case 'string':
    case 'time':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'integer':
      return Number.isInteger(value) && (type !== 'int32' || Math.abs(value as number) <= 2_147_483_648)
    case 'number':
      return typeof value === 'number'
    case 'intOrString':
    case 'quantity':
      return typeof value === 'number' || typeof value === 'string'
    default:
      return kind satisfies never
  }
}

function jsonType(value: unknown, schema: Schema): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number') return schema.kind === 'integer' ? `number ${value}` : 'number'
  return typeof value
}
