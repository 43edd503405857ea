/**
 * The classes an installation brings along (`--classes FILE`). The leader applies them once, with server-side apply and without force:
 * fields that somebody else has set stay. It waits for the kind to be served, so CRDs and operator can be installed in any order.
 */
import { backoffMs } from '../kube/backoff.ts'
import { isApiError } from '../kube/client.ts'
import type { KubeClient } from '../kube/client.ts'
import { sleep } from '../kube/clock.ts'
import type { Clock } from '../kube/clock.ts'
import type { Log } from '../kube/log.ts'
import { loadBalancerClasses } from '../crds/load-balancer-class.ts'
import type { LoadBalancerClass } from '../crds/load-balancer-class.ts'

export interface BundledClassesDeps {
  client: KubeClient
  classes: readonly LoadBalancerClass[]
  clock: Clock
  random: () => number
  log: Log
}

/** Owns the fields it applied; another name than the operator's, which writes conditions. */
const fieldManager = 'roadstead-classes'
const backoff = { initialMs: 500, maxMs: 30_000, factor: 2, jitter: 0.5 }

/** Resolves when every class stands or was refused for good, or when the signal aborts. Never rejects. */
export async function applyBundledClasses(deps: BundledClassesDeps, signal: AbortSignal): Promise<void> {
  await Promise.all(deps.classes.map((one) => applyClass(deps, one, signal)))
}

async function applyClass(
  { client, clock, random, log }: BundledClassesDeps,
  object: LoadBalancerClass,
  signal: AbortSignal,
): Promise<void> {
  const { name = '' } = object.metadata
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      await client.patch(loadBalancerClasses, { name }, { type: 'apply', body: object }, { fieldManager }, signal)
      return
    } catch (error) {
      if (signal.aborted) return
      if (isApiError(error, 409)) {
        log.warn({ class: name, err: error }, 'somebody else has set fields of this class; it is left as it is')
        return
      }
      if (isApiError(error, 400) || isApiError(error, 422)) {
        log.error({ class: name, err: error }, 'the API server refuses this class')
        return
      }
      if (attempt === 1)
        log.info({ class: name, err: error }, 'this class cannot be applied yet; it will be tried again')
      await sleep(clock, backoffMs(backoff, attempt, random), signal)
    }
  }
}
