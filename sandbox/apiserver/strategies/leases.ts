/** Leases: durations and counts that make sense. Source: pkg/apis/coordination/validation. */
import type { Lease } from '../../../kube/objects.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { forbidden, invalid } from './field-error.ts'
import { dns1123Subdomain } from './syntax.ts'

type LeaseSpec = NonNullable<Lease['spec']> & { strategy?: string; preferredHolder?: string }

export function leaseStrategy(): Strategy<Lease> {
  return builtIn<Lease>({
    kind: 'Lease',
    namespaced: true,
    name: dns1123Subdomain,
    errors: ({ spec }) => specErrors(spec ?? {}),
  })
}

function specErrors({ leaseDurationSeconds, leaseTransitions, preferredHolder, strategy }: LeaseSpec): FieldError[] {
  const errors: FieldError[] = []
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    errors.push(invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'))
  }
  if (leaseTransitions !== undefined && leaseTransitions < 0) {
    errors.push(invalid('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0'))
  }
  if (preferredHolder && !strategy) {
    errors.push(forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined'))
  }
  return errors
}
