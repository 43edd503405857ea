/** LabelSelectors inside objects: what they must hold and what they match. Source: apimachinery pkg/apis/meta/v1/validation. */
import type { LabelSelector } from '../../../kube/objects.ts'
import type { FieldError } from '../strategy.ts'
import { eachInvalid, forbidden, invalid, required } from './field-error.ts'
import { labelErrors } from './object-meta.ts'
import { labelValue, qualifiedName } from './syntax.ts'

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number]

export function labelSelectorErrors(selector: LabelSelector, field: string): FieldError[] {
  return [
    ...labelErrors(selector.matchLabels, `${field}.matchLabels`),
    ...(selector.matchExpressions ?? []).flatMap((rule, i) => ruleErrors(rule, `${field}.matchExpressions[${i}]`)),
  ]
}

function ruleErrors({ key, operator, values = [] }: Requirement, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    }
  } else errors.push(invalid(`${field}.operator`, operator, 'not a valid selector operator'))
  errors.push(...eachInvalid(`${field}.key`, key, qualifiedName(key)))
  return [...errors, ...values.flatMap((value, i) => eachInvalid(`${field}.values[${i}]`, value, labelValue(value)))]
}

/** An empty selector matches everything. */
export function matches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const fixed = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return fixed && (selector.matchExpressions ?? []).every((rule) => ruleMatches(rule, labels))
}

function ruleMatches({ key, operator, values = [] }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key]
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  const listed = value !== undefined && values.includes(value)
  return operator === 'In' ? listed : !listed
}
