/** The strategy of the objects of one version of a CustomResourceDefinition. */
import type { KubeObject } from '../../../kube/objects.ts'
import { genericStrategy } from '../generic-strategy.ts'
import { at, isObject } from '../json.ts'
import type { RawSchema } from '../schema/openapi.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import type { DefinitionVersion } from './definition.ts'
import { fillDefaults } from './structural.ts'
import { ruleErrors } from './rules.ts'
import { schemaErrors } from './validation.ts'

export function customStrategy(version: DefinitionVersion, namespaced: boolean): Strategy {
  const raw = version.schema?.openAPIV3Schema ?? {}
  const generic = genericStrategy({ namespaced, kubeFinalizers: false })
  return {
    ...generic,
    statusSubresource: version.subresources?.status !== undefined,
    countsGeneration: true,
    defaults: (object) => fillDefaults(object, raw),
    warnings: ({ metadata }) => (metadata.finalizers ?? []).flatMap(finalizerWarnings),
    validate: (object, context) => [...generic.validate(object, context), ...contentErrors(object, undefined, raw)],
    validateUpdate: (object, old, subresource, context) => [
      ...generic.validateUpdate(object, old, subresource, context),
      ...(subresource === 'status' ? statusErrors(object, raw) : contentErrors(object, old, raw)),
    ],
  }
}

/** Without a domain a name may clash with another writer's. */
function finalizerWarnings(name: string): string[] {
  if (name.includes('/') || name === 'orphan' || name === 'foregroundDeletion') return []
  const text = 'prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers'
  return [`metadata.finalizers: ${JSON.stringify(name)}: ${text}`]
}

/** metadata has its own rules; the schema judges the rest. */
function contentErrors(object: KubeObject, old: KubeObject | undefined, raw: RawSchema): FieldError[] {
  const { metadata, ...content } = object
  const { metadata: rules, ...properties } = (raw['properties'] ?? {}) as Record<string, RawSchema>
  const errors = schemaErrors(content, { ...raw, required: without(raw['required'], 'metadata'), properties }, '')
  if (rules) errors.push(...schemaErrors(metadata, { ...rules, required: [] }, 'metadata'))
  return [...errors, ...ruleErrors(object, old, raw, '', errors)]
}

/** A write to /status is judged by the schema of status alone; its messages name the fields from there. */
function statusErrors(object: KubeObject, raw: RawSchema): FieldError[] {
  const rules = at(raw, 'properties', 'status')
  const status = at(object, 'status')
  if (!isObject(rules) || status === undefined) return []
  return schemaErrors(status, rules, '').map((error) => {
    if (error.field === '<nil>') return error
    return { ...error, field: error.field === '' ? 'status' : `status.${error.field}` }
  })
}

function without(list: unknown, name: string): unknown[] {
  return Array.isArray(list) ? list.filter((item) => item !== name) : []
}
