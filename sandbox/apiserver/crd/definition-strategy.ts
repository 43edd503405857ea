/**
 * The strategy of CustomResourceDefinitions: names and schemas are judged, and the conditions that controllers of the real server
 * set a moment later (NamesAccepted, Established) are there at once.
 * Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation, pkg/controller/{status,establish}.
 */
import type { Condition, KubeObject } from '../../../kube/objects.ts'
import { timestamp } from '../context.ts'
import { genericStrategy } from '../generic-strategy.ts'
import { equal, isObject } from '../json.ts'
import { invalid, notSupported, required } from '../strategies/field-error.ts'
import { dns1035Label, dns1123Subdomain } from '../strategies/syntax.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { completeNames, type Definition, type DefinitionNames, storageVersion } from './definition.ts'

interface Surroundings {
  now: () => number
  /** All definitions there are. */
  definitions: () => readonly KubeObject[]
}

export function definitionStrategy({ now, definitions }: Surroundings): Strategy<Definition> {
  const generic = genericStrategy({ namespaced: false, status: true, generation: true })
  const establish = (definition: Definition) => {
    const others = definitions().filter(({ metadata }) => metadata.name !== definition.metadata.name) as Definition[]
    setStatus(definition, others, timestamp(now()))
  }
  return {
    statusSubresource: true,
    countsGeneration: true,
    defaults(definition) {
      if (!isObject(definition.spec) || !isObject(definition.spec.names)) return
      definition.spec.names = completeNames(definition.spec.names)
      definition.spec.conversion ??= { strategy: 'None' }
      if (definition.spec.preserveUnknownFields === false) delete definition.spec.preserveUnknownFields
    },
    prepareForCreate(definition) {
      delete definition.status
      if (Array.isArray(definition.spec?.versions)) establish(definition)
    },
    prepareForUpdate(definition, old, subresource) {
      if (subresource === '' && !equal(definition.spec, old.spec) && Array.isArray(definition.spec?.versions)) {
        establish(definition)
      }
    },
    validate(definition, context) {
      return [...generic.validate(definition, context), ...specErrors(definition)]
    },
    validateUpdate(definition, old, subresource, context) {
      const errors = generic.validateUpdate(definition, old, subresource, context)
      if (subresource !== '') return errors
      errors.push(...specErrors(definition))
      const immutable = [
        ['spec.group', definition.spec.group, old.spec.group],
        ['spec.scope', definition.spec.scope, old.spec.scope],
        ['spec.names.kind', definition.spec.names?.kind, old.spec.names.kind],
        ['spec.names.plural', definition.spec.names?.plural, old.spec.names.plural],
      ] as const
      for (const [field, value, before] of immutable) {
        if (value !== before) errors.push(invalid(field, value, 'field is immutable'))
      }
      return errors
    },
  }
}

function setStatus(definition: Definition, others: readonly Definition[], at: string): void {
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
  const stored = new Set(before?.storedVersions)
  const storage = storageVersion(definition)?.name
  if (storage !== undefined) stored.add(storage)
  definition.status = {
    ...before,
    conditions: [keepTime(accepted), keepTime(established)],
    acceptedNames: conflict ? (before?.acceptedNames ?? { plural: '', kind: '' }) : definition.spec.names,
    storedVersions: [...stored],
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

function specErrors(definition: Definition): FieldError[] {
  const { spec, metadata } = definition
  if (!isObject(spec)) return [required('spec.group'), required('spec.names.plural'), required('spec.names.kind')]
  const errors: FieldError[] = []
  const names: Partial<DefinitionNames> = isObject(spec.names) ? spec.names : {}
  if (metadata.name !== `${names.plural ?? ''}.${spec.group ?? ''}`) {
    errors.push(invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group'))
  }
  if (!spec.group) errors.push(required('spec.group'))
  else if (!spec.group.includes('.')) {
    errors.push(invalid('spec.group', spec.group, 'should be a domain with at least one dot'))
  } else {
    errors.push(...dns1123Subdomain(spec.group).map((text) => invalid('spec.group', spec.group, text)))
  }
  if (!names.plural) errors.push(required('spec.names.plural'))
  else errors.push(...dns1035Label(names.plural).map((text) => invalid('spec.names.plural', names.plural, text)))
  if (!names.kind) errors.push(required('spec.names.kind'))
  else {
    const kind = names.kind
    errors.push(
      ...dns1035Label(kind.toLowerCase()).map((text) =>
        invalid('spec.names.kind', kind, `may have mixed case, but should otherwise match: ${text}`),
      ),
    )
  }
  if (!spec.scope) errors.push(required('spec.scope'))
  else if (spec.scope !== 'Cluster' && spec.scope !== 'Namespaced') {
    errors.push(notSupported('spec.scope', spec.scope, ['Cluster', 'Namespaced']))
  }
  errors.push(...versionErrors(definition))
  return errors
}

function versionErrors({ spec, status }: Definition): FieldError[] {
  const errors: FieldError[] = []
  const versions = Array.isArray(spec.versions) ? spec.versions : []
  const seen = new Set<string>()
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`
    if (seen.has(version.name))
      errors.push(invalid('spec.versions', spec.versions, 'must contain unique version names'))
    seen.add(version.name)
    for (const text of dns1035Label(version.name ?? '')) errors.push(invalid(`${field}.name`, version.name, text))
    const root = version.schema?.openAPIV3Schema
    if (!root) errors.push(required(`${field}.schema.openAPIV3Schema`))
    else errors.push(...structuralErrors(root, `${field}.schema.openAPIV3Schema`, true))
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    const text = 'must have exactly one version marked as storage version'
    errors.push(invalid('spec.versions', spec.versions, text))
    if ((status?.storedVersions?.length ?? 0) === 0) {
      errors.push(invalid('status.storedVersions', undefined, 'must have at least one stored version'))
    }
  }
  return errors
}

/** A structural schema says the type of every field (KEP-1693). */
function structuralErrors(schema: unknown, path: string, root: boolean): FieldError[] {
  if (!isObject(schema)) return []
  const errors: FieldError[] = []
  const free = schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true
  if (!schema['type'] && !(free && !root)) {
    errors.push(required(`${path}.type`, `must not be empty ${root ? 'at the root' : 'for specified object fields'}`))
  }
  if (root && schema['type'] !== undefined && schema['type'] !== 'object') {
    errors.push(invalid(`${path}.type`, schema['type'], 'must be object at the root'))
  }
  if (isObject(schema['properties'])) {
    for (const [field, inner] of Object.entries(schema['properties'])) {
      errors.push(...structuralErrors(inner, `${path}.properties[${field}]`, false))
    }
  }
  if (schema['items'] !== undefined) errors.push(...structuralErrors(schema['items'], `${path}.items`, false))
  const values = schema['additionalProperties']
  if (isObject(values)) errors.push(...structuralErrors(values, `${path}.additionalProperties`, false))
  return errors
}
