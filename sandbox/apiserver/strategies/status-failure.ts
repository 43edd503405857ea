/**
 * A refusal that carries the whole metav1.Status to answer with. Strategies throw it where a list of field errors does not do:
 * a full range (500), a failed allocation in the middle of a write (422).
 */
import type { FieldError } from '../strategy.ts'
import type { Status } from '../../../kube/objects.ts'
import { invalidStatus, type GroupKind } from './field-error.ts'

export class StatusFailure extends Error {
  override readonly name = 'StatusFailure'
  readonly status: Status
  readonly code: number
  readonly reason: string
  /** Texts for `Warning:` headers that go with the refusal. */
  readonly warnings: readonly string[]

  constructor(status: Status, warnings: readonly string[] = []) {
    super(status.message ?? 'failure')
    this.status = status
    this.code = status.code ?? 500
    this.reason = status.reason ?? 'InternalError'
    this.warnings = warnings
  }
}

/** 422 Invalid. */
export function invalidFailure(kind: GroupKind, name: string, errors: readonly FieldError[]): StatusFailure {
  return new StatusFailure(invalidStatus(kind, name, errors))
}

/** 500 InternalError, worded as k8s.io/apimachinery/pkg/api/errors.NewInternalError does. */
export function internalFailure(text: string): StatusFailure {
  return new StatusFailure({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${text}`,
    reason: 'InternalError',
    details: { causes: [{ message: text }] },
    code: 500,
  })
}
