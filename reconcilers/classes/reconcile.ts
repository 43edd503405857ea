/**
 * The status of what administrators write: whether a LoadBalancerClass or a NodePortPool is understood, and how much of a pool is in use.
 * One condition and one event per change. Keys: `class/<name>`, `pool/<name>`.
 */
import { loadBalancerClasses, parseLoadBalancerClass } from '../../crds/load-balancer-class.ts'
import type { LoadBalancerClass, LoadBalancerClassSpec } from '../../crds/load-balancer-class.ts'
import { nodePortPools, parseNodePortPool } from '../../crds/node-port-pool.ts'
import type { NodePortPool, NodePortPoolSpec } from '../../crds/node-port-pool.ts'
import { isApiError } from '../../kube/client.ts'
import type { KubeClient } from '../../kube/client.ts'
import { referenceTo } from '../../kube/event-recorder.ts'
import type { Informer } from '../../kube/informer.ts'
import type { Condition, KubeObject, ObjectReference } from '../../kube/objects.ts'
import type { ResourceType } from '../../kube/resources.ts'
import type { WorkResult } from '../../kube/workers.ts'
import type { Features, Json } from '../../providers/contract.ts'
import { jsonEqual } from '../../providers/json-equal.ts'
import { conditionOf, mergeConditions } from '../conditions.ts'
import type { Finding } from '../conditions.ts'
import { didYouMean } from '../near-matches.ts'
import { defaultClassOf } from '../service/class-choice.ts'
import type { EventText } from '../service/changes.ts'
import { component } from '../words.ts'

export interface AdminDeps {
  client: KubeClient
  classes: Informer<LoadBalancerClass>
  pools: Informer<NodePortPool>
  features: (cloud: string) => Features | undefined
  cloudNames: () => Iterable<string>
  /** Use of a pool's ports over all Services. */
  use: (spec: NodePortPoolSpec) => { capacity: number; allocated: number }
  event: (reference: ObjectReference, text: EventText) => void
  measured: (pool: string, use: { capacity: number; allocated: number }) => void
  now: () => string
}

interface WithConditions extends KubeObject {
  status?: { conditions?: Condition[] }
}

export function adminReconciler(deps: AdminDeps) {
  return async (key: string, signal: AbortSignal): Promise<WorkResult> => {
    const name = key.slice(key.indexOf('/') + 1)
    if (key.startsWith('class/')) {
      const object = deps.classes.cache.at(name)
      if (object !== undefined)
        await write(deps, loadBalancerClasses, deps.classes, object, classFinding(deps, object), {}, signal)
      return undefined
    }
    const object = deps.pools.cache.at(name)
    if (object === undefined) return undefined
    const parsed = parseNodePortPool(object)
    const use = parsed.ok ? deps.use(parsed.value) : undefined
    if (use !== undefined) deps.measured(name, use)
    const finding = parsed.ok ? accepted('the pool serves Services') : refused('Invalid', parsed.mistakes)
    await write(deps, nodePortPools, deps.pools, object, finding, use ?? {}, signal)
    return undefined
  }
}

function classFinding(deps: AdminDeps, object: LoadBalancerClass): Finding {
  const parsed = parseLoadBalancerClass(object)
  if (!parsed.ok) return refused('Invalid', parsed.mistakes)
  const unknown = parsed.value.clouds.filter(({ name }) => deps.features(name) === undefined)
  if (unknown.length > 0) {
    const given = [...deps.cloudNames()].join(', ') || 'none'
    const names = unknown.map(({ name }) => name).join(', ')
    return refused('CloudNotConfigured', [`the operator was not given ${names}; it has: ${given}`])
  }
  const parameters = unknownParameters(deps, parsed.value)
  if (parameters.length > 0) return refused('UnknownParameter', parameters)
  const chosen = parsed.value.default ? defaultClassOf(deps.classes.cache.values())?.metadata.name : undefined
  if (chosen !== undefined && chosen !== object.metadata.name) {
    return accepted(`Services can use the class by name; the default class is ${chosen}, which is older`)
  }
  return accepted('Services can use the class')
}

function unknownParameters(deps: AdminDeps, spec: LoadBalancerClassSpec): string[] {
  return spec.clouds.flatMap(({ name, parameters }, index) => {
    const known = Object.keys(deps.features(name)?.parameters ?? {})
    return Object.keys(parameters)
      .filter((key) => !known.includes(key))
      .map((key) => `spec.clouds[${index}].parameters.${key}: ${name} has no such parameter${didYouMean(key, known)}`)
  })
}

function accepted(message: string): Finding {
  return { type: 'Accepted', status: 'True', reason: 'Accepted', message }
}

function refused(reason: string, mistakes: readonly string[]): Finding {
  return { type: 'Accepted', status: 'False', reason, message: mistakes.join('; ') }
}

async function write<T extends WithConditions>(
  deps: AdminDeps,
  type: ResourceType<T>,
  informer: Informer<T>,
  object: T,
  finding: Finding,
  more: Record<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const before = conditionOf(object.status?.conditions, finding.type)
  const conditions = mergeConditions(
    object.status?.conditions,
    [finding],
    [finding.type],
    deps.now(),
    object.metadata.generation,
  )
  const status = { ...object.status, ...more, conditions }
  if (jsonEqual(plain(status), plain(object.status ?? {}))) return
  const { name = '', resourceVersion } = object.metadata
  const body = { metadata: { resourceVersion }, status }
  try {
    informer.learn(
      await deps.client.patch(
        type,
        { name },
        { type: 'merge', body },
        { subresource: 'status', fieldManager: component },
        signal,
      ),
    )
  } catch (error) {
    if (isApiError(error, 404)) return
    throw error
  }
  const known =
    before?.status === finding.status && before.reason === finding.reason && before.message === finding.message
  if (finding.status === 'False' && !known) {
    deps.event(referenceTo(type, object), { type: 'Warning', reason: finding.reason, message: finding.message })
  }
}

function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}
