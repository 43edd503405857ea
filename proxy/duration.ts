/** Durations as Kubernetes components write them (Go's time.ParseDuration): `30s`, `1m30s`, `500ms`. Pure. */
import { UsageError } from '../kube/flags.ts'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds. Throws UsageError that names the flag. */
export function parseDuration(flag: string, text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  const whole = parts.map(([part]) => part).join('')
  if (text === '0') return 0
  if (parts.length === 0 || whole !== text) {
    throw new UsageError(`--${flag}: "${text}" is not a duration such as 30s, 1m30s or 500ms`)
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitMs[unit ?? ''] ?? 0), 0)
}
