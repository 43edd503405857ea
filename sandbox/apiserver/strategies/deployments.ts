/** Deployments of apps/v1. Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation, pkg/registry/apps/deployment/strategy.go. */
import type { Deployment, DeploymentStatus } from '../../../kube/objects.ts'
import { equal } from '../json.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { eachInvalid, forbidden, invalid, notSupported, required } from './field-error.ts'
import { labelSelectorErrors, matches } from './label-selector.ts'
import { labelErrors } from './object-meta.ts'
import { setPodSpecDefaults } from './pods/defaults.ts'
import { podSpecErrors } from './pods/validation.ts'
import { dns1123Subdomain } from './syntax.ts'

type Spec = Deployment['spec']

export function deploymentStrategy(): Strategy<Deployment> {
  return builtIn<Deployment>({
    kind: 'Deployment',
    namespaced: true,
    name: dns1123Subdomain,
    statusSubresource: true,
    countsGeneration: true,
    setDefaults: ({ spec }) => setDefaults(spec),
    prepareForCreate: (deployment) => {
      deployment.status = {}
    },
    prepareForUpdate: (deployment, old, subresource) => {
      if (subresource === 'status') {
        deployment.spec = structuredClone(old.spec)
        if (old.metadata.labels === undefined) delete deployment.metadata.labels
        else deployment.metadata.labels = { ...old.metadata.labels }
        return
      }
      deployment.status = structuredClone(old.status ?? {})
      // Annotations are copied to replica sets, so they count as a change of what is wanted.
      if (!equal(deployment.metadata.annotations ?? {}, old.metadata.annotations ?? {})) {
        deployment.metadata.generation = (old.metadata.generation ?? 0) + 1
      }
    },
    errors: ({ spec }) => specErrors(spec),
    changeErrors: ({ spec }, old) =>
      equal(spec.selector, old.spec.selector) ? [] : [invalid('spec.selector', spec.selector, 'field is immutable')],
    subresourceErrors: ({ status }, _old, subresource) => (subresource === 'status' ? statusErrors(status ?? {}) : []),
  })
}

function setDefaults(spec: Spec): void {
  spec.replicas ??= 1
  spec.strategy ??= {}
  spec.strategy.type ||= 'RollingUpdate'
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {}
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%'
    spec.strategy.rollingUpdate.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  setPodSpecDefaults(spec.template.spec)
}

function specErrors(spec: Spec): FieldError[] {
  const { selector, template } = spec
  const field = 'spec.selector'
  const errors = notNegative(spec.replicas, 'spec.replicas')
  if (selector === undefined) errors.push(required(field))
  else {
    errors.push(...labelSelectorErrors(selector, field))
    const size = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0)
    if (size === 0) errors.push(invalid(field, selector, 'empty selector is invalid for deployment'))
  }
  const labels = template.metadata?.labels ?? {}
  const isEmpty = selector !== undefined && equal(selector, {})
  if (!isEmpty && (selector === undefined || !matches(selector, labels))) {
    errors.push(
      invalid(
        'spec.template.metadata.labels',
        template.metadata?.labels,
        '`selector` does not match template `labels`',
      ),
    )
  }
  errors.push(...labelErrors(template.metadata?.labels, 'spec.template.labels'))
  errors.push(...podSpecErrors(template.spec, 'spec.template.spec'))
  if (template.spec.restartPolicy !== 'Always') {
    errors.push(notSupported('spec.template.spec.restartPolicy', template.spec.restartPolicy, ['Always']))
  }
  errors.push(...strategyErrors(spec.strategy ?? {}), ...notNegative(spec.minReadySeconds, 'spec.minReadySeconds'))
  errors.push(...notNegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit'))
  errors.push(...notNegative(spec.progressDeadlineSeconds, 'spec.progressDeadlineSeconds'))
  if ((spec.progressDeadlineSeconds ?? 0) <= (spec.minReadySeconds ?? 0)) {
    const text = 'must be greater than minReadySeconds'
    errors.push(invalid('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds, text))
  }
  return errors
}

function notNegative(value: number | undefined, field: string): FieldError[] {
  return (value ?? 0) < 0 ? [invalid(field, value, 'must be greater than or equal to 0')] : []
}

function strategyErrors({ type, rollingUpdate }: NonNullable<Spec['strategy']>): FieldError[] {
  const field = 'spec.strategy'
  if (type === 'Recreate') {
    const text = "may not be specified when strategy `type` is 'Recreate'"
    return rollingUpdate === undefined ? [] : [forbidden(`${field}.rollingUpdate`, text)]
  }
  if (type !== 'RollingUpdate') {
    const shown = { Type: type, RollingUpdate: null }
    return [notSupported(field, shown, ['Recreate', 'RollingUpdate'])]
  }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate ?? {}
  const at = `${field}.rollingUpdate`
  const errors = [...countErrors(maxUnavailable, `${at}.maxUnavailable`), ...countErrors(maxSurge, `${at}.maxSurge`)]
  if (countOf(maxUnavailable) === 0 && countOf(maxSurge) === 0) {
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
  }
  if (typeof maxUnavailable === 'string' && countOf(maxUnavailable) > 100) {
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%'))
  }
  return errors
}

function countErrors(value: number | string, field: string): FieldError[] {
  if (typeof value === 'number') return notNegative(value, field)
  if (/^[0-9]+%$/.test(value)) return []
  const text =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
  return eachInvalid(field, value, [text])
}

function countOf(value: number | string): number {
  return typeof value === 'number' ? value : Number.parseInt(value, 10) || 0
}

function statusErrors(status: DeploymentStatus): FieldError[] {
  const counts = ['replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas'] as const
  const errors = counts.flatMap((count) => notNegative(status[count], `status.${count}`))
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = status
  for (const count of ['updatedReplicas', 'readyReplicas', 'availableReplicas'] as const) {
    const value = status[count] ?? 0
    if (value > replicas) errors.push(invalid(`status.${count}`, value, 'cannot be greater than status.replicas'))
  }
  if (availableReplicas > readyReplicas) {
    errors.push(invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas'))
  }
  return errors
}
