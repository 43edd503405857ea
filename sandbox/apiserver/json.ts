/**
 * Plain JSON trees: copy, compare, narrow. Stored objects are shared and never changed in place, so every writer works on a `clone`.
 */
/** A deep copy. `undefined` members are dropped, as a trip through JSON text would. */
export function clone<T>(value: T): T {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) {
    const copy: unknown[] = Array.from({ length: value.length })
    for (let index = 0; index < value.length; index++) copy[index] = clone(value[index] as unknown)
    return copy as T
  }
  const copy: Record<string, unknown> = {}
  for (const key in value) {
    const member: unknown = value[key]
    if (member !== undefined) copy[key] = clone(member)
  }
  return copy as T
}

/** Deep equality; a member that is undefined equals a missing one. */
export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false
    return left.every((item, index) => equal(item, right[index]))
  }
  if (Array.isArray(right)) return false
  const a = left as Record<string, unknown>
  const b = right as Record<string, unknown>
  for (const key in a) if (!equal(a[key], b[key])) return false
  for (const key in b) if (b[key] !== undefined && a[key] === undefined) return false
  return true
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object itself, with its members by name: those that the type of its kind does not list are among them. */
export function fieldsOf(object: object): Record<string, unknown> {
  if (!isObject(object)) throw new TypeError('a list has no members by name')
  return object
}

/** The member at a path, or undefined where the path ends early. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  let here = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = (here as Record<string | number, unknown>)[step]
  }
  return here
}

/** The string at a path, or ''. */
export function textAt(value: unknown, ...path: (string | number)[]): string {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : ''
}

/** A scalar as text, anything else as JSON; '' for null and undefined. */
export function plainText(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}
