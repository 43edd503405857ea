/**
 * Texts that Go decodes into something else: times, quantities, bytes. Each check gives Go's words for a text that does not fit.
 * Of a time only the first part that fails is named, as package time does.
 */
import type { Schema } from './schema.ts'

const quantityPattern = /^[+-]?(\d+\.?\d*|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$/
const secondsLayout = '2006-01-02T15:04:05Z07:00'
const microLayout = '2006-01-02T15:04:05.000000Z07:00'

/** `undefined` when the text fits. */
export function textFault(text: string, { kind, type, struct }: Schema): string | undefined {
  if (kind === 'quantity') {
    return quantityPattern.test(text)
      ? undefined
      : "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
  }
  if (kind === 'time') return timeFault(text, struct === 'MicroTime')
  return kind === 'string' && type === '[]uint8' ? base64Fault(text) : undefined
}

/** Parts of a time: what they look like, and how the layout spells them. */
const timeParts: readonly (readonly [RegExp, string])[] = [
  [/^\d{4}/, '2006'],
  [/^-/, '-'],
  [/^(0[1-9]|1[0-2])/, '01'],
  [/^-/, '-'],
  [/^(0[1-9]|[12]\d|3[01])/, '02'],
  [/^T/, 'T'],
  [/^([01]\d|2[0-3])/, '15'],
  [/^:/, ':'],
  [/^[0-5]\d/, '04'],
  [/^:/, ':'],
  [/^[0-5]\d/, '05'],
]

function timeFault(text: string, micro: boolean): string | undefined {
  const fraction: [RegExp, string] = micro ? [/^\.\d{6}/, '.000000'] : [/^(\.\d+)?/, '']
  let rest = text
  for (const [pattern, layout] of [...timeParts, fraction, [/^(Z|[+-]\d\d:\d\d)$/, 'Z07:00'] as const]) {
    const found = pattern.exec(rest)
    if (found === null) {
      const whole = JSON.stringify(micro ? microLayout : secondsLayout)
      return `parsing time ${JSON.stringify(text)} as ${whole}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(layout)}`
    }
    rest = rest.slice(found[0].length)
  }
  return undefined
}

function base64Fault(text: string): string | undefined {
  const bare = text.replaceAll(/[\r\n]/g, '')
  const body = bare.replace(/={1,2}$/, '')
  const bad = body.search(/[^A-Za-z0-9+/]/)
  if (bad >= 0) return `illegal base64 data at input byte ${bad}`
  return bare.length % 4 === 0 ? undefined : `illegal base64 data at input byte ${bare.length - (bare.length % 4)}`
}
