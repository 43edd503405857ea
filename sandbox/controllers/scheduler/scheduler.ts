/**
 * Gives Pods without a node one, by the Pod's `binding` subresource; Pods with a node are left alone.
 * One worker: each choice sees the ones before it. A Pod that fits nowhere gets the PodScheduled condition and comes again
 * with the next change of a node
 * or the end of another Pod. Keys: `namespace/pod`.
 */
import { type EventRecorder, referenceTo } from '../../../kube/event-recorder.ts'
import { keyOf, nameFromKey } from '../../../kube/key.ts'
import type { Pod } from '../../../kube/objects.ts'
import { pods as podsType } from '../../../kube/resources.ts'
import { controllerOf } from '../deployments/claims.ts'
import { createLoop, type Loop } from '../loop.ts'
import { byNode, type Surroundings, type World } from '../world.ts'
import { bindPod } from './binding.ts'
import { hostPorts, type NodeLoad, place } from './placement.ts'

export function scheduler(world: World, surroundings: Surroundings, recorder: EventRecorder): Loop {
  const loop = createLoop('scheduler', surroundings, 1)
  const { client, clock } = surroundings
  /** Bound by us, and the cache does not show it yet. */
  const assumed = new Map<string, string>()
  const addWaiting = () => {
    for (const pod of world.pods.cache.indexed(byNode, '')) loop.add(keyOf(pod))
  }
  world.pods.cache.onChange(({ key, before, after }) => {
    // Its ports are free.
    if (after === undefined) addWaiting()
    if (after === undefined || after.spec.nodeName) assumed.delete(before?.metadata.uid ?? after?.metadata.uid ?? '')
    if (after !== undefined && isWaiting(after)) loop.add(key)
  })
  world.nodes.cache.onChange(addWaiting)
  loop.reconcileWith(async (key, signal) => {
    const pod = world.pods.cache.at(key)
    if (pod === undefined || !isWaiting(pod) || assumed.has(pod.metadata.uid ?? '')) return
    const placement = place(pod, nodeLoads(pod, world, assumed))
    if ('unschedulable' in placement) {
      const status = unscheduled(pod, placement.unschedulable, new Date(clock.now()).toISOString())
      if (status === undefined) return
      recorder.event(referenceTo(podsType, pod), 'Warning', 'FailedScheduling', placement.unschedulable)
      const body = { metadata: { uid: pod.metadata.uid }, status }
      const patch = { type: 'strategic', body } as const
      world.pods.learn(await client.patch(podsType, nameFromKey(key), patch, { subresource: 'status' }, signal))
      return
    }
    await bindPod(client, pod, placement.node, signal)
    assumed.set(pod.metadata.uid ?? '', placement.node)
    const message = `Successfully assigned ${key} to ${placement.node}`
    recorder.event(referenceTo(podsType, pod), 'Normal', 'Scheduled', message)
  })
  return loop
}

function isWaiting(pod: Pod): boolean {
  return !pod.spec.nodeName && pod.metadata.deletionTimestamp === undefined && !isFinished(pod)
}

function isFinished({ status }: Pod): boolean {
  return status?.phase === 'Failed' || status?.phase === 'Succeeded'
}

function nodeLoads(pod: Pod, world: World, assumed: ReadonlyMap<string, string>): NodeLoad[] {
  const owner = controllerOf(pod)?.uid
  const loads = new Map<string, NodeLoad & { hostPorts: Set<string> }>()
  for (const node of world.nodes.cache.values()) {
    loads.set(node.metadata.name ?? '', { node, siblings: 0, pods: 0, hostPorts: new Set() })
  }
  for (const other of world.pods.cache.values()) {
    const load = loads.get(other.spec.nodeName || (assumed.get(other.metadata.uid ?? '') ?? ''))
    if (load === undefined) continue
    // A Pod on its way out counts no more, but its ports are taken until it is gone.
    for (const port of isFinished(other) ? [] : hostPorts(other)) load.hostPorts.add(port)
    if (other.metadata.deletionTimestamp !== undefined) continue
    load.pods++
    if (owner !== undefined && controllerOf(other)?.uid === owner) load.siblings++
  }
  return [...loads.values()]
}

/** The status patch, or undefined when the Pod says so already. */
function unscheduled(pod: Pod, message: string, now: string) {
  const known = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (known?.status === 'False' && known.message === message) return undefined
  const lastTransitionTime = known?.status === 'False' ? (known.lastTransitionTime ?? now) : now
  return {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime }],
  }
}
