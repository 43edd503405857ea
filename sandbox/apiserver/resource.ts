/**
 * One served resource at run time: its Kind, its rules, its objects. The set changes when CustomResourceDefinitions come and go.
 */
import type { KubeObject } from '../../kube/objects.ts'
import type { Collection } from './store.ts'
import type { DefinitionVersion } from './crd/definition.ts'
import type { Schema } from './schema/schema.ts'
import type { Strategy } from './strategy.ts'
import type { Kind } from './kind.ts'

export interface Resource {
  readonly kind: Kind
  readonly strategy: Strategy
  readonly collection: Collection
  readonly schema: ObjectSchema
  /** The version of the CustomResourceDefinition it comes from. */
  readonly definition?: DefinitionVersion
}

/** What a body is checked against before the strategy sees it. */
export interface ObjectSchema {
  readonly schema: Schema
  /** Decodes in place, drops unknown fields and returns their paths (`spec.foo`). Throws DecodeError. */
  admit(object: KubeObject): string[]
}

export interface ResourceSet {
  find(group: string, version: string, plural: string): Resource | undefined
  all(): readonly Resource[]
  add(resource: Resource): void
  remove(group: string, version: string, plural: string): void
  /** Called after the set changed. */
  onChange(listener: () => void): void
}

export function createResourceSet(): ResourceSet {
  const byPath = new Map<string, Resource>()
  const listeners: (() => void)[] = []
  const pathOf = (group: string, version: string, plural: string) => `${group}/${version}/${plural}`
  const changed = () => {
    for (const listener of listeners) listener()
  }
  return {
    find: (group, version, plural) => byPath.get(pathOf(group, version, plural)),
    all: () => [...byPath.values()],
    add(resource) {
      const { group, version, plural } = resource.kind.type
      byPath.set(pathOf(group, version, plural), resource)
      changed()
    },
    remove(group, version, plural) {
      if (byPath.delete(pathOf(group, version, plural))) changed()
    },
    onChange(listener) {
      listeners.push(listener)
    },
  }
}
