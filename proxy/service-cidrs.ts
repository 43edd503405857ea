/**
 * Where ClusterIPs come from: ServiceCIDR objects (KEP-1880, networking.k8s.io/v1 since Kubernetes 1.33), where the API server has them and lets
 * us read them. The proxy works without: then only addresses that Services have are known to be ClusterIPs. An API server that is upgraded, or
 * lets us read them later, is noticed within minutes.
 */
import { type Backoff, backoffMs } from '../kube/backoff.ts'
import { isApiError, type KubeClient } from '../kube/client.ts'
import { type Clock, sleep } from '../kube/clock.ts'
import { type Informer, startInformer } from '../kube/informer.ts'
import type { Log } from '../kube/log.ts'
import type { ServiceCidr } from '../kube/objects.ts'
import { serviceCidrs } from '../kube/resources.ts'
import { type Cidr, parseCidr } from './rules/addresses.ts'
import { apiBackoff } from './api-backoff.ts'

export interface ServiceCidrsOptions {
  client: KubeClient
  clock: Clock
  random: () => number
  log: Log
  /** `--service-cidrs` */
  given: readonly Cidr[]
  onChange: () => void
}

export interface ServiceCidrs {
  /** Given ones first. */
  current(): readonly Cidr[]
  /** Resolves when all objects are known, or it is known that there are none to be had; stays pending when stopped before. */
  readonly known: Promise<void>
  stop(): Promise<void>
}

/** What an upgrade or an administrator changes; of a thousand nodes three ask in a second. */
const lackBackoff: Backoff = { initialMs: 300_000, maxMs: 300_000, factor: 1, jitter: 1 }

export function followServiceCidrs(options: ServiceCidrsOptions): ServiceCidrs {
  const { client, clock, random, log, given, onChange } = options
  const stopping = new AbortController()
  const known = Promise.withResolvers<void>()
  let informer: Informer<ServiceCidr> | undefined

  const follow = async () => {
    if (!(await readable())) return
    informer = startInformer({
      ...options,
      type: serviceCidrs,
      tuning: { backoff: apiBackoff },
      signal: stopping.signal,
    })
    informer.cache.onChange(onChange)
    await informer.synced
    known.resolve()
  }
  /** Asks until they can be read; false: stopped before. */
  const readable = async (): Promise<boolean> => {
    let lack: string | undefined
    for (let attempt = 1; !stopping.signal.aborted; attempt++) {
      try {
        await client.list(serviceCidrs, undefined, { limit: 1 }, stopping.signal)
        if (lack !== undefined) log.info({}, 'ServiceCIDR objects can be read now')
        return !stopping.signal.aborted
      } catch (error) {
        const found = lackIn(error)
        if (found !== undefined && found !== lack) log.info({ reason: found }, lacking)
        lack = found ?? lack
        if (lack !== undefined) known.resolve()
        await sleep(clock, backoffMs(lack === undefined ? apiBackoff : lackBackoff, attempt, random), stopping.signal)
      }
    }
    return false
  }
  void follow()

  return {
    current() {
      const cidrs =
        informer === undefined ? [] : [...informer.cache.values()].flatMap((object) => object.spec.cidrs ?? [])
      return [...given, ...cidrs.flatMap((text) => parseCidr(text) ?? [])]
    },
    known: known.promise,
    async stop() {
      stopping.abort()
      await informer?.stop()
    },
  }
}

const lacking = 'ServiceCIDR objects are not read: unallocated ClusterIPs are known from --service-cidrs only'

/** Undefined: the API server has said nothing about it. */
function lackIn(error: unknown): string | undefined {
  if (isApiError(error, 404)) return 'the API server has none'
  return isApiError(error, 403) ? 'not allowed to list servicecidrs.networking.k8s.io' : undefined
}
