/** Writes a Pod's status, one write at a time, always the latest; equal ones are not written. Stops by itself when the Pod is gone. */
import { isApiError, type KubeClient } from '../../../kube/client.ts'
import { type Clock, sleep } from '../../../kube/clock.ts'
import type { Log } from '../../../kube/log.ts'
import type { Pod } from '../../../kube/objects.ts'
import { pods } from '../../../kube/resources.ts'

export interface StatusWriter {
  write(status: NonNullable<Pod['status']>): void
  /** Resolves when the latest status is written, or the Pod is gone, or the writer was stopped. */
  flush(): Promise<void>
  stop(): void
}

export function createStatusWriter(options: { client: KubeClient; pod: Pod; clock: Clock; log: Log }): StatusWriter {
  const { client, clock, log } = options
  const { namespace = '', name = '', uid } = options.pod.metadata
  const stopping = new AbortController()
  let wanted: NonNullable<Pod['status']> | undefined
  let written = ''
  let writing: Promise<void> | undefined

  const run = async () => {
    let failures = 0
    while (wanted !== undefined && !stopping.signal.aborted) {
      const status = wanted
      const text = JSON.stringify(status)
      if (text !== written) {
        try {
          const body = { metadata: { uid }, status: asPatch(status) }
          await client.patch(
            pods,
            { namespace, name },
            { type: 'strategic', body },
            { subresource: 'status' },
            stopping.signal,
          )
          written = text
          failures = 0
        } catch (error) {
          if (isApiError(error, 404) || isApiError(error, 409)) return stopping.abort()
          if (stopping.signal.aborted) return
          log.warn({ pod: `${namespace}/${name}`, error: String(error) }, 'Pod status not written, trying again')
          failures += 1
          await sleep(clock, Math.min(100 * 2 ** failures, 5000), stopping.signal)
          continue
        }
      }
      if (wanted === status) wanted = undefined
    }
  }

  const kick = () => {
    writing ??= run().finally(() => {
      writing = undefined
      // Asked for between the last look and here.
      if (wanted !== undefined && !stopping.signal.aborted) kick()
    })
  }

  return {
    write(status) {
      wanted = status
      kick()
    },
    async flush() {
      for (let run = writing; run !== undefined; run = writing) await run
    },
    stop: () => stopping.abort(),
  }
}

/** Conditions are merged by type: a reason or message that is not said any more has to be taken away by name. */
function asPatch(status: NonNullable<Pod['status']>): object {
  const conditions = status.conditions?.map((condition) => ({ reason: null, message: null, ...condition }))
  return { ...status, ...(conditions ? { conditions } : {}) }
}
