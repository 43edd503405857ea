/**
 * What the API server has to know of a kind beyond REST: defaults, what a writer may set, validation, side allocations.
 * Named after the registry strategies of kube-apiserver. The generic code (store, HTTP, patches, watch) calls these in this order:
 *   create: defaults, prepareForCreate, allocate, validate, write, allocation.commit   (allocation.rollback when any of it failed)
 *   update: defaults, prepareForUpdate, allocate, validateUpdate, write, allocation.commit
 *   gone:   release
 */
import type { KubeObject } from '../../kube/objects.ts'

export type FieldErrorType =
  | 'Required'
  | 'Invalid'
  | 'NotSupported'
  | 'Duplicate'
  | 'Forbidden'
  | 'TooLong'
  | 'TooMany'
  | 'NotFound'
  | 'TypeInvalid'

/** One cause of a 422, as k8s.io/apimachinery/pkg/util/validation/field prints it. */
export interface FieldError {
  type: FieldErrorType
  /** JSON path, for example `spec.ports[0].nodePort`. */
  field: string
  value?: unknown
  /** The value is not shown, as for rules over a whole object. */
  omitValue?: boolean
  detail: string
}

/** What was taken from a shared space (IP addresses, ports) for one write. */
export interface Allocation {
  commit(): void
  rollback(): void
}

export interface StrategyContext {
  dryRun: boolean
  /** Objects of another kind by REST plural name, for cross-object rules. */
  list(plural: string): readonly KubeObject[]
}

export interface Strategy<T extends KubeObject = KubeObject> {
  /** 'spec': kinds with a status subresource keep it on a spec write, and the other way round. */
  readonly statusSubresource: boolean
  /** metadata.generation is kept and counts spec changes. */
  readonly countsGeneration: boolean
  /** Fills defaults in place. */
  defaults(object: T): void
  prepareForCreate(object: T): void
  /** `subresource` is '' for the object itself. */
  prepareForUpdate(object: T, old: T, subresource: string): void
  validate(object: T, context: StrategyContext): FieldError[]
  validateUpdate(object: T, old: T, subresource: string, context: StrategyContext): FieldError[]
  /** Texts for `Warning:` response headers. `subresource` is '' or left out for the object itself. */
  warnings?(object: T, old: T | undefined, subresource?: string): string[]
  /** Takes and sets allocated values in place; throws StatusFailure with the real code and message. */
  allocate?(object: T, old: T | undefined, context: StrategyContext): Allocation
  /** The object is really gone. */
  release?(object: T): void
}
