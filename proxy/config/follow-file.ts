/**
 * Waits for the configuration file to say something else. A proxy does not change its configuration while it runs: like kube-proxy it ends,
 * and whoever keeps it (the kubelet, systemd) starts it with the new one. Unlike there, a content that would not start does not end it.
 * The file is read every few seconds: a ConfigMap's file changes by a symbolic link above it, which notifications of the file do not show.
 */
import { type Clock, sleep } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import type { GivenFile } from './config.ts'

export const lookEveryMs = 10_000

export interface FollowOptions {
  given: GivenFile
  clock: Clock
  log: Log
  signal: AbortSignal
  /** Throws when the content is not one a proxy would start with. */
  read: () => Promise<GivenFile>
}

/** Resolves when the file has another, valid content; never when the signal aborts. */
export async function followFile({ given, clock, log, signal, read }: FollowOptions): Promise<'changed'> {
  let refused = ''
  for (;;) {
    await sleep(clock, lookEveryMs, signal)
    if (signal.aborted) return new Promise(() => {})
    try {
      if ((await read()).text !== given.text) return 'changed'
      refused = ''
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== refused)
        log.error({ reason }, 'the configuration file has changed and cannot be used: going on with the old one')
      refused = reason
    }
  }
}
