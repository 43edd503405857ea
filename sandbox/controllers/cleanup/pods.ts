/**
 * Pods that can't stay: those of a node that is gone are removed by force (nobody is left to stop them), those that don't
 * tolerate a NoExecute taint get their grace period. Keys: node names.
 */
import { isApiError } from '../../../kube/client.ts'
import { type EventRecorder, referenceTo } from '../../../kube/event-recorder.ts'
import type { Pod } from '../../../kube/objects.ts'
import { nodes, pods as podsType } from '../../../kube/resources.ts'
import { createLoop, type Loop } from '../loop.ts'
import { byNode, type Surroundings, type World } from '../world.ts'
import { evictionDelay } from './eviction.ts'

/**
 * How long Pods outlive their Node object. Their endpoints go with the Node at once; the time lets every proxy see that
 * before connections to them break. kube-controller-manager waits 40 s, for nodes that come back.
 */
const quarantineMs = 2_000

export function podCleanup(world: World, surroundings: Surroundings, recorder: EventRecorder): Loop {
  const loop = createLoop('pod-cleanup', surroundings)
  const { client, clock } = surroundings
  const missingSince = new Map<string, number>()
  world.nodes.cache.onChange(({ key }) => loop.add(key))
  world.pods.cache.onChange(({ after }) => {
    if (after?.spec.nodeName) loop.add(after.spec.nodeName)
  })

  async function removePod({ metadata }: Pod, force: boolean, signal: AbortSignal): Promise<void> {
    const at = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
    try {
      const options = { uid: metadata.uid ?? '', ...(force && { gracePeriodSeconds: 0 }) }
      await client.remove(podsType, at, options, signal)
    } catch (error) {
      if (!isApiError(error, 404) && !isApiError(error, 409)) throw error
    }
  }

  async function evict(pod: Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name } = pod.metadata
    const message = `Marking for deletion Pod ${namespace}/${name}`
    recorder.event(referenceTo(podsType, pod), 'Normal', 'TaintManagerEviction', message)
    await removePod(pod, false, signal)
  }

  /** The cache may not have the node yet. */
  async function isGone(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await client.get(nodes, { name }, signal)
      return false
    } catch (error) {
      if (isApiError(error, 404)) return true
      throw error
    }
  }

  loop.reconcileWith(async (name, signal) => {
    const on = world.pods.cache.indexed(byNode, name)
    const node = world.nodes.cache.at(name)
    if (node !== undefined || on.length === 0) missingSince.delete(name)
    if (node === undefined && on.length > 0) {
      const since = missingSince.get(name) ?? clock.now()
      missingSince.set(name, since)
      const wait = since + quarantineMs - clock.now()
      if (wait > 0) return { afterMs: wait }
      if (!(await isGone(name, signal))) return { afterMs: quarantineMs }
      for (const pod of on) await removePod(pod, true, signal)
      return undefined
    }
    if (node === undefined) return undefined
    const delays: number[] = []
    for (const pod of on) {
      const delay = pod.metadata.deletionTimestamp === undefined ? evictionDelay(pod, node, clock.now()) : undefined
      if (delay === 0) await evict(pod, signal)
      else if (delay !== undefined) delays.push(delay)
    }
    return delays.length === 0 ? undefined : { afterMs: Math.min(...delays) }
  })
  return loop
}
