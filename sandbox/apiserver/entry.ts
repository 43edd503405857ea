/**
 * One version of one object as the store holds it. The JSON bytes are made once, on first use, and shared by every list and watch.
 * `object` is never changed after the entry is made; its first members are `kind` and `apiVersion`, so lists can cut them off.
 */
import type { KubeObject } from '../../kube/objects.ts'

export interface Entry {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly version: number
  readonly object: KubeObject
  bytes?: Buffer
}

/** Sorts as etcd does: by namespace, then name. */
export function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

/** Makes the entry; sets metadata.resourceVersion and the order of members. Takes the object over. */
export function makeEntry(object: KubeObject, version: number): Entry {
  const { kind, apiVersion, metadata, ...rest } = object
  metadata.resourceVersion = String(version)
  const namespace = metadata.namespace ?? ''
  const name = metadata.name ?? ''
  const ordered = { kind, apiVersion, metadata, ...rest } as KubeObject
  return { key: keyOf(namespace, name), namespace, name, version, object: ordered }
}

export function bytesOf(entry: Entry): Buffer {
  entry.bytes ??= Buffer.from(JSON.stringify(entry.object))
  return entry.bytes
}
