/**
 * What every object's metadata must hold, on create and on update.
 * Source: k8s.io/apimachinery/pkg/api/validation/objectmeta.go. On update kube-apiserver runs the common check and the kind's own
 * one after the other, so one fault appears more than once among the causes (the message prints it once); so it does here.
 */
import type { ObjectMeta, OwnerReference } from '../../../kube/objects.ts'
import type { FieldError } from '../strategy.ts'
import { eachInvalid, forbidden, goQuote, invalid, required, tooLong } from './field-error.ts'
import { byteLength, dns1123Label, labelValue, pathSegment, qualifiedName } from './syntax.ts'

export type NameRule = (name: string) => string[]

export interface MetaRules {
  namespaced: boolean
  name: NameRule
  /** Kinds of the built-in groups also want finalizers to be well-known or to carry a domain. */
  kubeFinalizers: boolean
  /** generateName is judged by the name rule too (newer kinds judge only the outcome). */
  judgesGenerateName: boolean
}

const maxAnnotationBytes = 256 * 1024
const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])

/** For create, after the name has been generated. */
export function metaErrors(meta: ObjectMeta, rules: MetaRules): FieldError[] {
  const errors: FieldError[] = []
  if (rules.judgesGenerateName && meta.generateName) {
    errors.push(
      ...eachInvalid('metadata.generateName', meta.generateName, rules.name(maskTrailingDash(meta.generateName))),
    )
  }
  if (!meta.name) errors.push(required('metadata.name', 'name or generateName is required'))
  else errors.push(...eachInvalid('metadata.name', meta.name, rules.name(meta.name)))
  errors.push(...commonErrors(meta, rules.namespaced))
  if (rules.kubeFinalizers) errors.push(...kubeFinalizerErrors(meta.finalizers))
  return errors
}

/** The check every update passes before the kind's own. */
export function commonUpdateErrors(meta: ObjectMeta, old: ObjectMeta, namespaced: boolean): FieldError[] {
  const rules: MetaRules = { namespaced, name: pathSegment, kubeFinalizers: false, judgesGenerateName: true }
  return [...metaErrors(meta, rules), ...metaUpdateErrors(meta, old, false)]
}

/** The kind's own check of metadata on update. */
export function metaUpdateErrors(meta: ObjectMeta, old: ObjectMeta, kubeFinalizers: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (old.deletionTimestamp !== undefined) errors.push(...newFinalizerErrors(meta, old))
  const immutable = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp'] as const
  for (const key of [...immutable, 'deletionGracePeriodSeconds'] as const) {
    if (meta[key] !== old[key]) errors.push(invalid(`metadata.${key}`, meta[key] ?? emptyOf(key), 'field is immutable'))
  }
  errors.push(
    ...labelErrors(meta.labels, 'metadata.labels'),
    ...annotationErrors(meta.annotations),
    ...ownerErrors(meta.ownerReferences),
  )
  if (kubeFinalizers) errors.push(...kubeFinalizerErrors(meta.finalizers))
  return errors
}

function emptyOf(key: string): unknown {
  return key === 'name' || key === 'namespace' || key === 'uid' ? '' : undefined
}

function commonErrors(meta: ObjectMeta, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (namespaced) {
    if (!meta.namespace) errors.push(required('metadata.namespace'))
    else errors.push(...eachInvalid('metadata.namespace', meta.namespace, dns1123Label(meta.namespace)))
  } else if (meta.namespace) {
    errors.push(forbidden('metadata.namespace', 'not allowed on this type'))
  }
  if ((meta.generation ?? 0) < 0) {
    errors.push(invalid('metadata.generation', meta.generation, 'must be greater than or equal to 0'))
  }
  return [
    ...errors,
    ...labelErrors(meta.labels, 'metadata.labels'),
    ...annotationErrors(meta.annotations),
    ...ownerErrors(meta.ownerReferences),
    ...finalizerErrors(meta.finalizers),
  ]
}

export function labelErrors(labels: Record<string, string> | undefined, field: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...eachInvalid(field, key, qualifiedName(key)),
    ...eachInvalid(field, value, labelValue(value)),
  ])
}

function annotationErrors(annotations: Record<string, string> | undefined): FieldError[] {
  const entries = Object.entries(annotations ?? {})
  const errors = entries.flatMap(([key]) => eachInvalid('metadata.annotations', key, qualifiedName(key.toLowerCase())))
  const size = entries.reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0)
  if (size > maxAnnotationBytes) errors.push(tooLong('metadata.annotations', maxAnnotationBytes))
  return errors
}

function ownerErrors(owners: readonly OwnerReference[] | undefined): FieldError[] {
  const field = 'metadata.ownerReferences'
  const errors: FieldError[] = []
  let controller: string | undefined
  for (const owner of owners ?? []) {
    if (versionOf(owner.apiVersion ?? '') === '') {
      errors.push(invalid(`${field}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'))
    }
    for (const key of ['kind', 'name', 'uid'] as const) {
      if (!owner[key]) errors.push(invalid(`${field}.${key}`, '', 'must not be empty'))
    }
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      errors.push(invalid(field, owner, '/v1, Kind=Event is disallowed from being an owner'))
    }
    if (owner.controller !== true) continue
    const name = `${owner.kind}/${owner.name}`
    if (controller === undefined) controller = name
    else {
      const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`
      errors.push(invalid(field, owners, text))
    }
  }
  return errors
}

function versionOf(apiVersion: string): string {
  const parts = apiVersion.split('/')
  return parts.length > 2 ? '' : (parts.at(-1) ?? '')
}

function finalizerErrors(finalizers: readonly string[] | undefined): FieldError[] {
  const field = 'metadata.finalizers'
  const all = finalizers ?? []
  const errors = all.flatMap((name) => eachInvalid(field, name, qualifiedName(name)))
  if (all.includes('orphan') && all.includes('foregroundDeletion')) {
    errors.push(invalid(field, all, 'finalizer orphan and foregroundDeletion cannot be both set'))
  }
  return errors
}

function kubeFinalizerErrors(finalizers: readonly string[] | undefined): FieldError[] {
  return (finalizers ?? []).flatMap((name, i) =>
    name.includes('/') || standardFinalizers.has(name)
      ? []
      : [
          invalid(
            `metadata.finalizers[${i}]`,
            name,
            'name is neither a standard finalizer name nor is it fully qualified',
          ),
        ],
  )
}

function newFinalizerErrors(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  const added = [...new Set(meta.finalizers ?? [])].filter((name) => !(old.finalizers ?? []).includes(name)).toSorted()
  if (added.length === 0) return []
  const list = `[]string{${added.map((name) => goQuote(name)).join(', ')}}`
  return [
    forbidden(
      'metadata.finalizers',
      `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`,
    ),
  ]
}

/** A name that will get a suffix may end in a dash. */
function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name
}
