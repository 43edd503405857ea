/**
 * Resource quantities in canonical form: `0.5Gi` is `512Mi`, `1000m` is `1`, `0.5` is `500m`.
 * Source: k8s.io/apimachinery/pkg/api/resource (suffixes, CanonicalizeBytes). Finer parts than nano are rounded up.
 */
const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const decimal: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const suffixOf = new Map(Object.entries(decimal).map(([suffix, exponent]) => [exponent, suffix]))
const nano = 1_000_000_000n

/** Text that is no quantity comes back as it is. */
export function canonicalQuantity(text: string): string {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$/.exec(text)
  if (match === null) return text
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match
  if (whole === '' && fraction === '') return text
  const power = binary.indexOf(suffix)
  const scale = power > 0 ? 1024n ** BigInt(power) : 1n
  const exponent = power > 0 ? 0 : (decimal[suffix] ?? Number(suffix.slice(1)))
  const inNano = toNano(BigInt(whole + fraction) * scale, exponent - fraction.length)
  if (inNano === 0n) return '0'
  const minus = sign === '-' ? '-' : ''
  // Below 1024 and for fractions the binary form would have to round.
  const isBinary = power > 0 && inNano % nano === 0n && inNano / nano >= 1024n
  if (isBinary) return minus + binaryText(inNano / nano)
  const exponentForm = /^[eE]/.test(suffix)
  return minus + decimalText(inNano, exponentForm)
}

function toNano(digits: bigint, exponent: number): bigint {
  const shift = exponent + 9
  if (shift >= 0) return digits * 10n ** BigInt(shift)
  const divisor = 10n ** BigInt(-shift)
  return (digits + divisor - 1n) / divisor
}

function binaryText(value: bigint): string {
  let power = 0
  let rest = value
  while (power < binary.length - 1 && rest % 1024n === 0n) {
    rest /= 1024n
    power += 1
  }
  return `${rest}${binary[power]}`
}

function decimalText(inNano: bigint, exponentForm: boolean): string {
  let exponent = -9
  let rest = inNano
  while (exponent < 18 && rest % 1000n === 0n) {
    rest /= 1000n
    exponent += 3
  }
  if (!exponentForm) return `${rest}${suffixOf.get(exponent) ?? ''}`
  return exponent === 0 ? `${rest}` : `${rest}e${exponent}`
}
