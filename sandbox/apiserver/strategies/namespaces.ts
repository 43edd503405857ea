/** Namespaces: Active from the start, named by a label, held by finalizers of their own. Source: pkg/registry/core/namespace. */
import type { Namespace } from '../../../kube/objects.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { eachInvalid, invalid } from './field-error.ts'
import { dns1123Label, qualifiedName } from './syntax.ts'

const nameLabel = 'kubernetes.io/metadata.name'

export function namespaceStrategy(): Strategy<Namespace> {
  return builtIn<Namespace>({
    kind: 'Namespace',
    namespaced: false,
    name: dns1123Label,
    statusSubresource: true,
    metaOnUpdate: ['create', 'update'],
    setDefaults: ({ metadata }) => {
      if (metadata.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name }
    },
    prepareForCreate: (namespace) => {
      const finalizers = namespace.spec?.finalizers ?? []
      const held = finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes']
      namespace.spec = { ...namespace.spec, finalizers: held }
      namespace.status = { phase: 'Active' }
    },
    prepareForUpdate: (namespace, old, subresource) => {
      if (subresource !== 'status') namespace.status = structuredClone(old.status ?? {})
      if (subresource === 'finalize') return
      namespace.spec = structuredClone(old.spec ?? {})
    },
    errors: ({ spec }) => (spec?.finalizers ?? []).flatMap((name) => finalizerErrors('spec.finalizers', name)),
    subresourceErrors: (namespace, _old, subresource) => {
      if (subresource === 'status') return phaseErrors(namespace)
      return (namespace.spec?.finalizers ?? []).flatMap((name, i) => finalizerErrors(`spec.finalizers[${i}]`, name))
    },
  })
}

function finalizerErrors(field: string, name: string): FieldError[] {
  const errors = eachInvalid(field, name, qualifiedName(name))
  const isStandard = ['kubernetes', 'orphan', 'foregroundDeletion'].includes(name)
  if (!name.includes('/') && !isStandard) {
    errors.push(invalid(field, name, 'name is neither a standard finalizer name nor is it fully qualified'))
  }
  return errors
}

function phaseErrors({ metadata, status }: Namespace): FieldError[] {
  const leaving = metadata.deletionTimestamp !== undefined
  const wanted = leaving ? 'Terminating' : 'Active'
  if (status?.phase === wanted) return []
  const text = `may only be '${wanted}' if \`deletionTimestamp\` is ${leaving ? 'not ' : ''}empty`
  return [invalid('status.Phase', status?.phase ?? '', text)]
}
