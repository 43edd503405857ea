/**
 * Order of resource versions. Since KEP-5504 (Kubernetes 1.35) versions of one resource type are documented as comparable
 * decimal numbers; they may be longer than a double holds, so they are compared as text.
 */

/** Negative, zero or positive as `a` is older, the same or newer; undefined when one of them is not a decimal number. */
export function compareResourceVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (!isDecimal(a) || !isDecimal(b)) return undefined
  if (a.length !== b.length) return a.length - b.length
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** True only when both are comparable and `a` is older than `b`. */
export function isOlder(a: string | undefined, b: string | undefined): boolean {
  const order = compareResourceVersions(a, b)
  return order !== undefined && order < 0
}

function isDecimal(version: string | undefined): version is string {
  return version !== undefined && /^(0|[1-9]\d*)$/.test(version)
}
