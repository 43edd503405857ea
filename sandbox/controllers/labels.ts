/** Label selectors of the API (metav1.LabelSelector) and the plain maps of Services and node selectors. Pure. */
import type { LabelSelector, LabelSelectorRequirement } from '../../kube/objects.ts'

type Labels = Readonly<Record<string, string>>

/** An empty map selects nothing here: a Service without selector has no Pods. */
export function matchesMap(selector: Labels | undefined, labels: Labels = {}): boolean {
  const wanted = Object.entries(selector ?? {})
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value)
}

/** An empty selector matches everything, as metav1.LabelSelectorAsSelector has it. */
export function matchesSelector(selector: LabelSelector, labels: Labels = {}): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => meets(requirement, labels))
  )
}

function meets({ key, operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = labels[key]
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  const listed = value !== undefined && values.includes(value)
  return operator === 'In' ? listed : !listed
}
