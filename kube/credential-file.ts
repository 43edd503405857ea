/** Files with tokens and certificates that others rotate while we run: read again after a minute, as client-go does. */
import { readFile } from 'node:fs/promises'
import { type Clock, systemClock } from './clock.ts'

const maxAgeMs = 60_000

/** Reads the file now and then. A failing re-read keeps the last text: rotation may be replacing the file right now. */
export function fileText(path: string, clock: Clock = systemClock): (refresh: boolean) => Promise<string> {
  let last: { text: string; at: number } | undefined
  return async (refresh) => {
    if (last && !refresh && clock.now() - last.at < maxAgeMs) return last.text
    try {
      last = { text: (await readFile(path, 'utf8')).trim(), at: clock.now() }
    } catch (error) {
      if (!last) throw error
    }
    return last.text
  }
}

/** The `-data` fields of a kubeconfig: base64 of a PEM text. */
export function fromBase64(data: string): string {
  return Buffer.from(data, 'base64').toString('utf8')
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
