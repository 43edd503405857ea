/** metav1.LabelSelector on a set of labels. Pure. An absent selector and an empty one select everything. */
import type { LabelSelector } from '../crds/metadata.ts'

export function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean {
  const required = Object.entries(selector?.matchLabels ?? {})
  if (!required.every(([key, value]) => labels[key] === value)) return false
  return (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    if (operator === 'Exists') return value !== undefined
    if (operator === 'DoesNotExist') return value === undefined
    if (operator === 'In') return value !== undefined && values.includes(value)
    return value === undefined || !values.includes(value)
  })
}
