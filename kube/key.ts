/** Keys of objects in caches and queues: `namespace/name`, or `name` for cluster-scoped objects, as kubectl prints them. */
import type { ObjectName } from './client.ts'
import type { KubeObject } from './objects.ts'

export function keyOf(object: KubeObject): string {
  return keyFor({ namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' })
}

export function keyFor({ namespace, name }: ObjectName): string {
  // Joined, not concatenated: V8 keeps the pieces of a concatenation as long as the whole, and keys stay.
  return namespace ? [namespace, name].join('/') : name
}

export function nameFromKey(key: string): ObjectName {
  const slash = key.indexOf('/')
  return slash === -1 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
