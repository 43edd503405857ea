/** Which Pods count, and which of them go first when there are too many (kube-controller-manager's ActivePodsWithRanks). Pure. */
import type { Pod } from '../../../kube/objects.ts'
import { isPodReady } from '../endpoint-slices/endpoint.ts'

const deletionCost = 'controller.kubernetes.io/pod-deletion-cost'
const phaseOrder = { Pending: 0, Unknown: 1, Running: 2 } as const

/** Neither finished nor on its way out. */
export function isActive({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
}

/** Milliseconds until a ready Pod counts as available; 0 when it does, undefined while it is not ready. */
export function availableIn(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  if (!isPodReady(pod)) return undefined
  if (minReadySeconds <= 0) return 0
  return Math.max(0, readySince(pod) + minReadySeconds * 1000 - now)
}

/** The `count` Pods to delete first. `siblings` are all Pods of the owner: of crowded nodes the Pods go first. */
export function firstToGo(pods: readonly Pod[], count: number, siblings: readonly Pod[]): Pod[] {
  if (count <= 0) return []
  const onNode = new Map<string, number>()
  for (const { spec } of siblings) if (spec.nodeName) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1)
  const crowd = (pod: Pod) => (pod.spec.nodeName ? (onNode.get(pod.spec.nodeName) ?? 0) : 0)
  const ranked = pods.toSorted(
    (a, b) =>
      Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)) ||
      phaseRank(a) - phaseRank(b) ||
      Number(isPodReady(a)) - Number(isPodReady(b)) ||
      costOf(a) - costOf(b) ||
      crowd(b) - crowd(a) ||
      (isPodReady(a) ? readySince(b) - readySince(a) : 0) ||
      restarts(b) - restarts(a) ||
      createdAt(b) - createdAt(a) ||
      (a.metadata.name ?? '').localeCompare(b.metadata.name ?? ''),
  )
  return ranked.slice(0, count)
}

function phaseRank({ status }: Pod): number {
  const phase = status?.phase ?? 'Pending'
  return phase === 'Running' || phase === 'Unknown' ? phaseOrder[phase] : phaseOrder.Pending
}

function readySince(pod: Pod): number {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
  return Date.parse(ready?.lastTransitionTime ?? '') || 0
}

function costOf({ metadata }: Pod): number {
  return Number.parseInt(metadata.annotations?.[deletionCost] ?? '0', 10) || 0
}

function restarts({ status }: Pod): number {
  return Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount))
}

function createdAt({ metadata }: Pod): number {
  return Date.parse(metadata.creationTimestamp ?? '') || 0
}
