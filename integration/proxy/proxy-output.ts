/** What a proxy process prints, and when its rules are in place. */
import type { ChildProcess } from 'node:child_process'

export interface ProxyOutput {
  /** Rejects when the process ends before. */
  readonly ready: Promise<void>
  readonly log: () => string
}

/** @param before printed by what ran for it earlier */
export function followProxy(child: ChildProcess, before = ''): ProxyOutput {
  let log = before
  const ready = new Promise<void>((resolve, reject) => {
    const read = (part: Buffer) => {
      log += part.toString()
      if (log.includes('rules are in place')) resolve()
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', (code) => reject(new Error(`the proxy ended with ${code}: ${log}`)))
  })
  return { ready, log: () => log }
}
