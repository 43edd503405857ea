/**
 * Sets of fields, the values of metadata.managedFields[].fieldsV1 (KEP-555): `f:name` a field, `k:{...}` a list item by its keys,
 * `v:...` a set's value, `.` the thing itself. A set is never changed after it is made.
 * Source: sigs.k8s.io/structured-merge-diff/v6/fieldpath.
 */
import { isObject } from '../json.ts'

export interface FieldSet {
  /** The field itself belongs to the set. */
  readonly self: boolean
  readonly children: ReadonlyMap<string, FieldSet>
}

export const emptySet: FieldSet = { self: false, children: new Map() }
export const leaf: FieldSet = { self: true, children: new Map() }

export function isEmpty({ self, children }: FieldSet): boolean {
  return !self && children.size === 0
}

/** A set of these members, without the empty ones. */
export function setOf(self: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { self, children: new Map([...children].filter(([, child]) => !isEmpty(child))) }
}

export function parseFields(value: unknown): FieldSet {
  if (!isObject(value)) return emptySet
  const { '.': dot, ...rest } = value
  const children = Object.entries(rest).map(([key, child]) => [key, parseFields(child)] as const)
  return setOf(dot !== undefined || children.length === 0, children)
}

/** FieldsV1 JSON, members in order of their names. */
export function printFields({ self, children }: FieldSet): Record<string, unknown> {
  const printed: Record<string, unknown> = {}
  if (self && children.size > 0) printed['.'] = {}
  for (const key of [...children.keys()].sort()) printed[key] = printFields(children.get(key) as FieldSet)
  return printed
}

export function union(left: FieldSet, right: FieldSet): FieldSet {
  if (isEmpty(left)) return right
  if (isEmpty(right)) return left
  const children = new Map(left.children)
  for (const [key, child] of right.children) {
    const known = children.get(key)
    children.set(key, known ? union(known, child) : child)
  }
  return { self: left.self || right.self, children }
}

export function difference(left: FieldSet, right: FieldSet): FieldSet {
  if (isEmpty(right)) return left
  const children = [...left.children].map(([key, child]) => {
    const other = right.children.get(key)
    return [key, other ? difference(child, other) : child] as const
  })
  return setOf(left.self && !right.self, children)
}

export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  const children = [...left.children].flatMap(([key, child]) => {
    const other = right.children.get(key)
    return other ? [[key, intersection(child, other)] as const] : []
  })
  return setOf(left.self && right.self, children)
}

export function sameFields(left: FieldSet, right: FieldSet): boolean {
  if (left.self !== right.self || left.children.size !== right.children.size) return false
  return [...left.children].every(([key, child]) => {
    const other = right.children.get(key)
    return other !== undefined && sameFields(child, other)
  })
}

/** Every member as a path: `.spec.ports[port=80,protocol="TCP"].name`. */
export function pathsOf({ self, children }: FieldSet, path = ''): string[] {
  const inner = [...children].flatMap(([key, child]) => pathsOf(child, `${path}${step(key)}`))
  return self ? [path, ...inner] : inner
}

function step(key: string): string {
  const content = key.slice(2)
  if (key.startsWith('f:')) return `.${content}`
  if (key.startsWith('v:')) return `[=${content}]`
  const keys = JSON.parse(content) as Record<string, unknown>
  return `[${Object.entries(keys)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(',')}]`
}
