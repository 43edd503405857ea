/**
 * The strategy of CustomResourceDefinitions: names and schemas are judged.
 * Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation, pkg/registry/customresourcedefinition.
 */
import { genericStrategy } from '../generic-strategy.ts'
import { isObject } from '../json.ts'
import { invalid, notSupported, required } from '../strategies/field-error.ts'
import { dns1035Label, dns1123Subdomain } from '../strategies/syntax.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { completeNames, type Definition, type DefinitionNames, storageVersion } from './definition.ts'

export function definitionStrategy(): Strategy<Definition> {
  const generic = genericStrategy({ namespaced: false, status: true, generation: true })
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
      definition.status = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: [] }
      rememberStorage(definition)
    },
    prepareForUpdate(definition) {
      rememberStorage(definition)
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

/** Every version that ever was the storage version. */
function rememberStorage(definition: Definition): void {
  const storage = Array.isArray(definition.spec?.versions) ? storageVersion(definition)?.name : undefined
  const stored = definition.status?.storedVersions ?? []
  if (storage === undefined || stored.includes(storage)) return
  definition.status = { ...definition.status, storedVersions: [...stored, storage] }
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
