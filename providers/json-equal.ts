/** Equality of plain data: the order of object keys does not matter, the order of arrays does. */
import type { Json } from './contract.ts'

/** Deep equality of two JSON values; a key with the value undefined counts as absent. */
export function jsonEqual(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false
    return left.every((item, index) => jsonEqual(item, right[index]))
  }
  const a = left as { readonly [key: string]: Json | undefined }
  const b = right as { readonly [key: string]: Json | undefined }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const key of keys) if (!jsonEqual(a[key], b[key])) return false
  return true
}
