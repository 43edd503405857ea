/**
 * What a Pod's spec and status must hold, and what an update may change of them.
 * Source: pkg/apis/core/validation ValidatePodSpec, ValidatePodUpdate, ValidatePodStatusUpdate.
 * Volumes, security contexts, affinity and the like pass as they are: the sandbox runs no Pod that would use them.
 */
import type { Pod, Toleration } from '../../../../kube/objects.ts'
import { equal } from '../../json.ts'
import type { FieldError } from '../../strategy.ts'
import { eachInvalid, forbidden, invalid, notSupported } from '../field-error.ts'
import { addressErrors, familyOf } from '../ip.ts'
import { labelErrors } from '../object-meta.ts'
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from '../syntax.ts'
import { containersErrors } from './containers.ts'
import { type PodSpec, specOf } from './spec.ts'

const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']
const maxInt32 = 2 ** 31 - 1

/** `field` is `spec` for Pods, `spec.template.spec` for a template. */
export function podSpecErrors(spec: PodSpec, field: string): FieldError[] {
  const errors = [
    ...containersErrors(spec.containers ?? [], `${field}.containers`),
    ...(spec.initContainers?.length ? containersErrors(spec.initContainers, `${field}.initContainers`) : []),
    ...hostNetworkErrors(spec, field),
  ]
  if (!restartPolicies.includes(spec.restartPolicy ?? '')) {
    errors.push(notSupported(`${field}.restartPolicy`, spec.restartPolicy, restartPolicies))
  }
  if (!dnsPolicies.includes(spec.dnsPolicy ?? '')) {
    errors.push(notSupported(`${field}.dnsPolicy`, spec.dnsPolicy, dnsPolicies))
  }
  errors.push(...labelErrors(spec.nodeSelector, `${field}.nodeSelector`))
  const named = [
    ['serviceAccountName', dns1123Subdomain],
    ['nodeName', dns1123Subdomain],
    ['hostname', dns1123Label],
    ['subdomain', dns1123Label],
  ] as const
  for (const [key, rule] of named.slice(0, 2)) errors.push(...nameErrors(spec[key], `${field}.${key}`, rule))
  const { activeDeadlineSeconds: deadline } = spec
  if (deadline !== undefined && (deadline < 1 || deadline > maxInt32)) {
    errors.push(invalid(`${field}.activeDeadlineSeconds`, deadline, `must be between 1 and ${maxInt32}, inclusive`))
  }
  for (const [key, rule] of named.slice(2)) errors.push(...nameErrors(spec[key], `${field}.${key}`, rule))
  return [...errors, ...tolerationErrors(spec.tolerations ?? [], `${field}.tolerations`)]
}

function nameErrors(name: string | undefined, field: string, rule: (name: string) => string[]): FieldError[] {
  return name ? eachInvalid(field, name, rule(name)) : []
}

function hostNetworkErrors(spec: PodSpec, field: string): FieldError[] {
  if (!spec.hostNetwork) return []
  return (spec.containers ?? []).flatMap(({ ports = [] }, i) =>
    ports.flatMap(({ containerPort, hostPort }, j) =>
      hostPort === containerPort
        ? []
        : [
            invalid(
              `${field}.containers[${i}].ports[${j}].containerPort`,
              containerPort,
              'must match `hostPort` when `hostNetwork` is true',
            ),
          ],
    ),
  )
}

function tolerationErrors(tolerations: readonly Toleration[], field: string): FieldError[] {
  return tolerations.flatMap(({ key = '', operator = 'Equal', value = '', effect, tolerationSeconds }, i) => {
    const at = `${field}[${i}]`
    const errors = key === '' ? [] : eachInvalid(`${at}.key`, key, qualifiedName(key))
    if (key === '' && operator !== 'Exists') {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
      errors.push(invalid(`${at}.operator`, operator, text))
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    }
    if (operator === 'Equal') {
      const faults = labelValue(value)
      if (faults.length > 0) errors.push(invalid(`${at}.operator`, value, faults.join(';')))
    } else if (operator === 'Exists') {
      if (value !== '') errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    } else errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']))
    if (effect && !effects.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, effects))
    return errors
  })
}

const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
]

/** Little of a Pod's spec may change. The real message ends with a picture of the difference; ours names the fields. */
export function podUpdateErrors(pod: Pod, old: Pod): FieldError[] {
  const [spec, before] = [specOf(pod), specOf(old)]
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list]?.length ?? 0) !== (before[list]?.length ?? 0)) {
      return [forbidden(`spec.${list}`, 'pod updates may not add or remove containers')]
    }
  }
  const errors = [...deadlineErrors(spec, before), ...addedTolerationErrors(spec, before)]
  const changed = changedFields(spec, before)
  if (changed.length === 0) return errors
  const text = `pod updates may not change fields other than ${updatable.join(',')}\nchanged: ${changed.join(', ')}`
  return [...errors, forbidden('spec', text)]
}

function changedFields(spec: PodSpec, before: PodSpec): string[] {
  const comparable = (all: PodSpec) => ({
    ...without(all, 'tolerations', 'activeDeadlineSeconds', 'schedulingGates'),
    containers: all.containers.map((container) => without(container, 'image')),
    initContainers: (all.initContainers ?? []).map((container) => without(container, 'image')),
  })
  const [now, was]: Record<string, unknown>[] = [comparable(spec), comparable(before)]
  const keys = new Set([...Object.keys(now ?? {}), ...Object.keys(was ?? {})])
  return [...keys].filter((key) => !equal(now?.[key], was?.[key]))
}

function without(object: object, ...fields: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([field]) => !fields.includes(field)))
}

function deadlineErrors(spec: PodSpec, before: PodSpec): FieldError[] {
  const [now, was] = [spec.activeDeadlineSeconds, before.activeDeadlineSeconds]
  const field = 'spec.activeDeadlineSeconds'
  if (now === undefined) {
    return was === undefined ? [] : [invalid(field, now, 'must not update from a positive integer to nil value')]
  }
  if (was !== undefined && was < now) return [invalid(field, now, 'must be less than or equal to previous value')]
  return []
}

function addedTolerationErrors(spec: PodSpec, before: PodSpec): FieldError[] {
  const bare = (toleration: Toleration) => without(toleration, 'tolerationSeconds')
  const kept = (before.tolerations ?? []).every((old) =>
    (spec.tolerations ?? []).some((toleration) => equal(bare(toleration), bare(old))),
  )
  const text = 'existing toleration can not be modified except its tolerationSeconds'
  return kept ? [] : [forbidden('spec.tolerations', text)]
}

export function podStatusErrors(pod: Pod, old: Pod): FieldError[] {
  const accepted = (old.status?.podIPs ?? []).map(({ ip }) => ip)
  const all = (pod.status?.podIPs ?? []).map(({ ip }) => ip)
  const errors = all.flatMap((ip, i) => addressErrors(`status.podIPs[${i}]`, ip, accepted))
  const families = new Set(all.map((ip) => familyOf(ip)))
  if (all.length > 2 || (all.length === 2 && families.size < 2)) {
    const shown = all.map((ip) => ({ IP: ip }))
    errors.push(invalid('status.podIPs', shown, 'may specify no more than one IP for each IP family'))
  }
  return errors
}
