/**
 * Where ClusterIPs come from: ServiceCIDR objects (KEP-1880, networking.k8s.io/v1 since Kubernetes 1.33), where the API server has them and lets
 * us read them. The proxy works without: then only addresses that Services have are known to be ClusterIPs.
 */
import { isApiError, type KubeClient } from '../kube/client.ts'
import { type Clock, sleep } from '../kube/clock.ts'
import { type Informer, startInformer } from '../kube/informer.ts'
import type { Log } from '../kube/log.ts'
import type { ServiceCidr } from '../kube/objects.ts'
import { serviceCidrs } from '../kube/resources.ts'
import { type Cidr, parseCidr } from './addresses.ts'

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
  /** Resolves when all objects are known, or it is known that there are none to be had. */
  readonly known: Promise<void>
  stop(): Promise<void>
}

const retryMs = 1000
const mostRetryMs = 30_000

export function followServiceCidrs(options: ServiceCidrsOptions): ServiceCidrs {
  const { client, clock, log, given, onChange } = options
  const stopping = new AbortController()
  let informer: Informer<ServiceCidr> | undefined

  const begin = async () => {
    const lack = await whyNot()
    if (stopping.signal.aborted) return
    if (lack !== undefined) {
      log.info(
        { reason: lack },
        'ServiceCIDR objects are not read: unallocated ClusterIPs are known from --service-cidrs only',
      )
      return
    }
    informer = startInformer({ ...options, type: serviceCidrs, signal: stopping.signal })
    informer.cache.onChange(onChange)
    await informer.synced
  }
  const whyNot = async (): Promise<string | undefined> => {
    for (let waitMs = retryMs; !stopping.signal.aborted; waitMs = Math.min(waitMs * 2, mostRetryMs)) {
      try {
        await client.list(serviceCidrs, undefined, { limit: 1 }, stopping.signal)
        return undefined
      } catch (error) {
        if (isApiError(error, 404)) return 'the API server has none'
        if (isApiError(error, 403)) return 'not allowed to list servicecidrs.networking.k8s.io'
        await sleep(clock, waitMs, stopping.signal)
      }
    }
    return 'stopped'
  }
  const known = begin()
  known.catch(() => {})

  return {
    current() {
      const cidrs =
        informer === undefined ? [] : [...informer.cache.values()].flatMap((object) => object.spec.cidrs ?? [])
      return [...given, ...cidrs.flatMap((text) => parseCidr(text) ?? [])]
    },
    known,
    async stop() {
      stopping.abort()
      await informer?.stop()
    },
  }
}
