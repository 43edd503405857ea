/** Strategic merge patch. */
import { mergePatch } from './merge.ts'

export function strategicPatch(current: unknown, patch: Record<string, unknown>, _kind: string): unknown {
  return mergePatch(current, patch)
}
