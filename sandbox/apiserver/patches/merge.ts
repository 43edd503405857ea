/** JSON Merge Patch (RFC 7386). */
import { clone, isObject } from '../json.ts'

/** The patched copy; neither argument is changed. */
export function mergePatch(target: unknown, patch: Record<string, unknown>): Record<string, unknown>
export function mergePatch(target: unknown, patch: unknown): unknown
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return clone(patch)
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}
