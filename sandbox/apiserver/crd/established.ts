/**
 * NamesAccepted and Established: whether a definition's names clash with those of others in its group.
 * Source: k8s.io/apiextensions-apiserver/pkg/controller/{status,establish}.
 */
import type { Condition } from '../../../kube/objects.ts'
import type { Definition, DefinitionNames } from './definition.ts'

/** The status of a definition among others, as the naming and establishing controllers leave it. `at` is an RFC 3339 time. */
export function establishedStatus(
  definition: Definition,
  others: readonly Definition[],
  at: string,
): NonNullable<Definition['status']> {
  const conflict = nameConflict(definition, others)
  const before = definition.status
  const keepTime = (condition: Condition): Condition => {
    const old = before?.conditions?.find(({ type }) => type === condition.type)
    return old?.status === condition.status ? { ...condition, lastTransitionTime: old.lastTransitionTime } : condition
  }
  const accepted: Condition = conflict
    ? { type: 'NamesAccepted', status: 'False', lastTransitionTime: at, ...conflict }
    : {
        type: 'NamesAccepted',
        status: 'True',
        lastTransitionTime: at,
        reason: 'NoConflicts',
        message: 'no conflicts found',
      }
  const established: Condition = conflict
    ? {
        type: 'Established',
        status: 'False',
        lastTransitionTime: at,
        reason: 'NotAccepted',
        message: 'not all names are accepted',
      }
    : {
        type: 'Established',
        status: 'True',
        lastTransitionTime: at,
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      }
  return {
    ...before,
    conditions: [keepTime(accepted), keepTime(established)],
    acceptedNames: conflict ? (before?.acceptedNames ?? { plural: '', kind: '' }) : definition.spec.names,
  }
}

function nameConflict(
  { spec }: Definition,
  others: readonly Definition[],
): { reason: string; message: string } | undefined {
  const group = others.filter((other) => other.spec.group === spec.group)
  const taken = new Set(group.flatMap(({ status }) => allNames(status?.acceptedNames)))
  const { plural, singular, shortNames, kind, listKind } = spec.names
  const used = (name: string) => `${JSON.stringify(name)} is already in use`
  if (taken.has(plural)) return { reason: 'PluralConflict', message: used(plural) }
  if (singular && taken.has(singular)) return { reason: 'SingularConflict', message: used(singular) }
  const short = shortNames?.find((name) => taken.has(name))
  if (short !== undefined) return { reason: 'ShortNamesConflict', message: used(short) }
  const kinds = new Set(group.flatMap(({ status }) => [status?.acceptedNames?.kind, status?.acceptedNames?.listKind]))
  if (kinds.has(kind)) return { reason: 'KindConflict', message: used(kind) }
  if (kinds.has(listKind)) return { reason: 'ListKindConflict', message: used(listKind ?? '') }
  return undefined
}

function allNames(names: DefinitionNames | undefined): string[] {
  return names ? [names.plural, names.singular ?? '', ...(names.shortNames ?? [])].filter((name) => name !== '') : []
}
