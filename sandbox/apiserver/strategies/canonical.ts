/**
 * The form in which the API server stores and answers an object: what decoding into the Go type and encoding again makes of it.
 * Unset and empty members go (`nodePort: 0`, `finalizers: []`), members that Go always writes come (`status: {}`), times are in UTC.
 * go-shapes.json says which is which; scripts/go-shapes.go makes it from k8s.io/api. Members it does not know are left alone.
 */
import { canonicalQuantity } from './quantity.ts'
import shapes from './go-shapes.json' with { type: 'json' }

type Shape = Readonly<Record<string, string>>
const byName: ReadonlyMap<string, Shape> = new Map(Object.entries(shapes as Record<string, Shape>))

/** Changes `object` in place; `kind` as in `Service`. */
export function canonicalise(kind: string, object: object): void {
  const shape = byName.get(kind)
  if (shape !== undefined) canonicaliseStruct(shape, object as Record<string, unknown>)
}

function canonicaliseStruct(shape: Shape, struct: Record<string, unknown>): void {
  for (const [name, notation] of Object.entries(shape)) {
    const optional = notation.endsWith('?')
    const type = optional ? notation.slice(0, -1) : notation
    const value = canonicalValue(type, struct[name])
    if (value === undefined || (optional && !type.startsWith('*') && isEmpty(type, value))) delete struct[name]
    else struct[name] = value
  }
}

/** `undefined`: to be left out, also where it is not optional. */
function canonicalValue(type: string, value: unknown): unknown {
  if (type.startsWith('*'))
    return value === null || value === undefined ? undefined : canonicalValue(type.slice(1), value)
  if (type.startsWith('[]')) {
    // Stored as protobuf, an empty list is no list.
    if (!Array.isArray(value)) return value ?? null
    return value.length === 0 ? null : value.map((item) => canonicalValue(type.slice(2), item))
  }
  if (type.startsWith('{}')) return canonicalMap(type.slice(2), value)
  const shape = byName.get(type)
  if (shape !== undefined) {
    const struct = value ?? {}
    if (typeof struct === 'object' && !Array.isArray(struct)) {
      canonicaliseStruct(shape, struct as Record<string, unknown>)
    }
    return struct
  }
  if (type === 'any') return value ?? undefined
  if (value === null || value === undefined) return zeroOf(type)
  if (type === 'quantity' && typeof value === 'number') return canonicalQuantity(String(value))
  if (typeof value !== 'string') return value
  if (type === 'quantity') return canonicalQuantity(value)
  return type === 'time' || type === 'microtime' ? canonicalTime(value, type === 'microtime') : value
}

function canonicalMap(type: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value ?? null
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, canonicalValue(type, item)]))
}

function zeroOf(type: string): unknown {
  if (type === 'string') return ''
  if (type === 'bool') return false
  if (type === 'time' || type === 'microtime') return null
  return type === 'quantity' ? '0' : 0
}

function isEmpty(type: string, value: unknown): boolean {
  if (value === null || value === '' || value === false) return true
  if (value === 0) return type === 'number'
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}

/** metav1.Time keeps seconds, metav1.MicroTime six digits. Text that is no time is left for validation. */
function canonicalTime(text: string, micro: boolean): string | null {
  if (text === '') return null
  const match = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(text)
  if (match === null) return text
  const [, day = '', clock = '', fraction = '', zone = ''] = match
  const ms = Date.parse(`${day}T${clock}${zone.toUpperCase()}`)
  if (Number.isNaN(ms)) return text
  const seconds = new Date(ms).toISOString().slice(0, 19)
  return micro ? `${seconds}.${fraction.slice(1, 7).padEnd(6, '0')}Z` : `${seconds}Z`
}
