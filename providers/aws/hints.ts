/**
 * What annotations of aws-load-balancer-controller and of the AWS cloud provider on one of our Services are called here. Pure. The table is
 * foreign-annotations.ts, which `roadstead analyze` reads as well.
 */
import type { Reason } from '../contract.ts'
import { foreignAnnotation, foreignPrefix, looksForeign } from './foreign-annotations.ts'
import type { Equivalent } from './foreign-annotations.ts'

type Annotations = Readonly<Record<string, string>>

const ours = 'roadstead.dev/'
/** Kubernetes' own, which is read here too. */
const read = `${foreignPrefix}load-balancer-source-ranges`

/** One for all of them; none where each has its equivalent beside it already. */
export function hints(annotations: Annotations): Reason[] {
  const found = Object.entries(annotations)
    .filter(([key]) => key !== read)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, value]) => {
      const told = hint(key, value.trim(), annotations)
      return told === undefined ? [] : [`${key}: ${told}`]
    })
  if (found.length === 0) return []
  const message = `annotations of other controllers have no effect on a Service of Roadstead; ${found.join('; ')}`
  return [{ reason: 'ForeignAnnotations', message }]
}

/** undefined: nothing to say. */
function hint(key: string, value: string, annotations: Annotations): string | undefined {
  const row = foreignAnnotation(key)
  if (row === undefined) return looksForeign(key) ? 'neither of the two AWS controllers reads it' : undefined
  const equivalent = row.translate(value, (name) => annotations[foreignPrefix + name]?.trim())
  return words(equivalent, annotations)
}

function words(equivalent: Equivalent, annotations: Annotations): string | undefined {
  switch (equivalent.kind) {
    case 'annotations': {
      if (Object.keys(equivalent.annotations).length === 0) return 'its value says nothing'
      const missing = Object.entries(equivalent.annotations).filter(([key]) => annotations[ours + key] === undefined)
      if (missing.length === 0) return undefined
      const named = missing.map(([key, value]) => `${ours}${key}: ${JSON.stringify(value)}`).join(' and ')
      return `use ${named}${equivalent.note === undefined ? '' : ` (${equivalent.note})`}`
    }
    case 'field':
      return `use ${equivalent.field}: ${equivalent.value}`
    case 'class':
      return `spec.loadBalancerClass decides, and is ${ours}${equivalent.scheme} for this`
    case 'unneeded':
      return `not needed: ${equivalent.why}`
    default:
      return `no equivalent: ${equivalent.why}`
  }
}
