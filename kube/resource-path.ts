/**
 * REST paths and query strings of the Kubernetes API, and nothing else.
 * Layout: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
 */
import type { ResourceType } from './resources.ts'

export interface ResourceTarget {
  /** Absent: every namespace (lists and watches) or a cluster-scoped object. */
  namespace?: string | undefined
  name?: string | undefined
  subresource?: string | undefined
}

/** `/api/v1/...` or `/apis/<group>/<version>/...`. Throws when a single namespaced object is named without its namespace. */
export function resourcePath(type: ResourceType, target: ResourceTarget = {}): string {
  const { namespace, name, subresource } = target
  if (type.namespaced && name !== undefined && !namespace) {
    throw new TypeError(`${type.kind} ${name} is namespaced: its namespace is missing`)
  }
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  const parts = [root]
  if (type.namespaced && namespace) parts.push('namespaces', encodeURIComponent(namespace))
  parts.push(type.plural)
  if (name !== undefined) parts.push(encodeURIComponent(name))
  if (subresource) parts.push(subresource)
  return parts.join('/')
}

type QueryValue = string | number | boolean | undefined

/** `?a=b&c=d` from the values that are set, or ''. `false` and '' count as not set. */
export function queryString(values: Readonly<Record<string, QueryValue>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== '' && value !== false) query.set(name, String(value))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}
