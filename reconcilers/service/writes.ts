/**
 * The writes to a Service and to its LoadBalancer object. Each one compares first and is conditional on the version that was read: a
 * conflict means that somebody else was quicker, and the key comes again with the newer object. What was written is learnt at once.
 */
import { apiVersion, group } from '../../crds/metadata.ts'
import { loadBalancers } from '../../crds/load-balancer.ts'
import type { LoadBalancer, LoadBalancerStatus } from '../../crds/load-balancer.ts'
import { isApiError } from '../../kube/client.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { LoadBalancerIngress, Service } from '../../kube/objects.ts'
import { services } from '../../kube/resources.ts'
import type { Json } from '../../providers/contract.ts'
import { jsonEqual } from '../../providers/json-equal.ts'
import { mergeConditions } from '../conditions.ts'
import type { Finding } from '../conditions.ts'
import { component, conditionTypes } from '../words.ts'

export interface WriteDeps {
  client: KubeClient
  learnService: (service: Service) => void
  learnLoadBalancer: (object: LoadBalancer) => void
  /** RFC 3339, whole seconds. */
  now: () => string
}

const ours = Object.values(conditionTypes)
const by = { fieldManager: component }

export function serviceWrites({ client, learnService, learnLoadBalancer, now }: WriteDeps) {
  async function patchService(
    service: Service,
    body: object,
    signal: AbortSignal,
    subresource?: string,
  ): Promise<Service> {
    const { namespace = '', name = '', resourceVersion } = service.metadata
    const metadata = { resourceVersion, ...('metadata' in body ? (body.metadata as object) : {}) }
    const patch = { type: 'merge' as const, body: { ...body, metadata } }
    const options = subresource === undefined ? by : { ...by, subresource }
    const written = await client.patch(services, { namespace, name }, patch, options, signal)
    learnService(written)
    return written
  }

  return {
    /** Puts the finalizer on when it is missing; `added` tells. */
    async hold(
      service: Service,
      finalizer: string,
      signal: AbortSignal,
    ): Promise<{ service: Service; added: boolean }> {
      const finalizers = service.metadata.finalizers ?? []
      if (finalizers.includes(finalizer)) return { service, added: false }
      const body = { metadata: { finalizers: [...finalizers, finalizer] } }
      return { service: await patchService(service, body, signal), added: true }
    },

    /** Takes the finalizer off; a Service that is gone already counts as done. */
    async letGo(service: Service, finalizer: string, signal: AbortSignal): Promise<void> {
      const finalizers = (service.metadata.finalizers ?? []).filter((one) => one !== finalizer)
      await patchService(service, { metadata: { finalizers } }, signal).catch(ignoreGone)
    },

    /** Writes our conditions, and the addresses when `ingress` is given. False when everything stood already. */
    async status(
      service: Service,
      findings: readonly Finding[],
      ingress: readonly LoadBalancerIngress[] | undefined,
      signal: AbortSignal,
    ): Promise<boolean> {
      const current = service.status?.conditions
      const conditions = mergeConditions(current, findings, ours, now(), service.metadata.generation)
      const sameIngress =
        ingress === undefined || jsonEqual(plain(ingress), plain(service.status?.loadBalancer?.ingress ?? []))
      const sameConditions = jsonEqual(byType(conditions), byType(current ?? []))
      if (sameIngress && sameConditions) return false
      const status = {
        ...(sameConditions ? {} : { conditions }),
        ...(sameIngress ? {} : { loadBalancer: { ingress } }),
      }
      await patchService(service, { status }, signal, 'status')
      return true
    },

    /** Creates or changes the LoadBalancer object of a Service. False when it stood already. */
    async loadBalancer(
      service: Service,
      standing: LoadBalancer | undefined,
      wanted: Omit<LoadBalancerStatus, 'lastChangeTime'>,
      signal: AbortSignal,
    ): Promise<boolean> {
      const { namespace = '', name = '', uid = '' } = service.metadata
      const before: Partial<LoadBalancerStatus> = { ...standing?.status }
      delete before.lastChangeTime
      const owned = standing?.metadata.ownerReferences?.some((reference) => reference.uid === uid) === true
      if (standing !== undefined && owned && jsonEqual(plain(before), plain(wanted))) return false
      const object: LoadBalancer = {
        apiVersion,
        kind: loadBalancers.kind,
        metadata: {
          namespace,
          name,
          labels: { [`${group}/class`]: wanted.className },
          ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid }],
        },
        status: { ...wanted, lastChangeTime: now() },
      }
      learnLoadBalancer(await createOrPatch(client, object, standing !== undefined, signal))
      return true
    },

    async removeLoadBalancer(standing: LoadBalancer, signal: AbortSignal): Promise<void> {
      const { namespace = '', name = '', uid } = standing.metadata
      await client
        .remove(loadBalancers, { namespace, name }, uid === undefined ? {} : { uid }, signal)
        .catch(ignoreGone)
    },
  }
}

async function createOrPatch(client: KubeClient, object: LoadBalancer, exists: boolean, signal: AbortSignal) {
  const { namespace = '', name = '' } = object.metadata
  if (!exists) {
    try {
      return await client.create(loadBalancers, object, by, signal)
    } catch (error) {
      if (!isApiError(error, 409)) throw error
    }
  }
  const { labels, ownerReferences } = object.metadata
  const body = { metadata: { labels, ownerReferences }, status: object.status }
  return client.patch(loadBalancers, { namespace, name }, { type: 'merge', body }, by, signal)
}

/** 404, and the 409 of a UID that is no longer the one we mean. */
function ignoreGone(error: unknown): void {
  if (!isApiError(error, 404) && !(isApiError(error, 409) && error.message.includes('UID'))) throw error
}

function byType(conditions: readonly { type: string }[]): Json {
  return plain(Object.fromEntries(conditions.map((condition) => [condition.type, condition])))
}

/** As JSON carries it: undefined members are gone. */
function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}
