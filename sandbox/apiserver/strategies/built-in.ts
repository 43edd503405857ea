/**
 * What the strategies of all built-in kinds have in common, so that a kind's file holds only what is its own:
 * canonical form before defaults, and the metadata check that every update passes first.
 */
import type { KubeObject } from '../../../kube/objects.ts'
import type { FieldError, Strategy, StrategyContext } from '../strategy.ts'
import { canonicalise } from './canonical.ts'
import { commonUpdateErrors, metaErrors, metaUpdateErrors, type NameRule } from './object-meta.ts'

export interface BuiltInKind<T extends KubeObject> {
  kind: string
  namespaced: boolean
  name: NameRule
  statusSubresource?: boolean
  countsGeneration?: boolean
  setDefaults?(object: T): void
  prepareForCreate?(object: T): void
  prepareForUpdate?(object: T, old: T, subresource: string): void
  /** The kind's own rules, metadata left out. `old` undefined on create. */
  errors(object: T, old: T | undefined, context: StrategyContext): FieldError[]
  /** Instead of `errors` for a write to a subresource. */
  subresourceErrors?(object: T, old: T, subresource: string): FieldError[]
  /** Rules between old and new, after `errors`. */
  changeErrors?(object: T, old: T): FieldError[]
  /** What the kind's own update check does with metadata: the update rules, the create rules, or first one then the other. */
  metaOnUpdate?: readonly ('update' | 'create')[]
  warnings?(object: T, old: T | undefined, subresource: string): string[]
}

export function builtIn<T extends KubeObject>(own: BuiltInKind<T>): Strategy<T> {
  const rules = { namespaced: own.namespaced, name: own.name, kubeFinalizers: true, judgesGenerateName: true }
  const metaOnUpdate = own.metaOnUpdate ?? ['update']
  return {
    statusSubresource: own.statusSubresource ?? false,
    countsGeneration: own.countsGeneration ?? false,
    defaults: (object) => {
      canonicalise(own.kind, object)
      own.setDefaults?.(object)
    },
    prepareForCreate: (object) => own.prepareForCreate?.(object),
    prepareForUpdate: (object, old, subresource) => own.prepareForUpdate?.(object, old, subresource),
    validate: (object, context) => [...metaErrors(object.metadata, rules), ...own.errors(object, undefined, context)],
    validateUpdate: (object, old, subresource, context) => {
      const common = commonUpdateErrors(object.metadata, old.metadata, own.namespaced)
      if (subresource !== '') {
        const more = own.subresourceErrors?.(object, old, subresource) ?? []
        return [...common, ...metaUpdateErrors(object.metadata, old.metadata, true), ...more]
      }
      const meta = metaOnUpdate.flatMap((when) =>
        when === 'update' ? metaUpdateErrors(object.metadata, old.metadata, true) : metaErrors(object.metadata, rules),
      )
      return [...common, ...meta, ...own.errors(object, old, context), ...(own.changeErrors?.(object, old) ?? [])]
    },
    warnings: (object, old, subresource) => own.warnings?.(object, old, subresource ?? '') ?? [],
  }
}
