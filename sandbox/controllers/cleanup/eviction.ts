/** When a Pod has to leave its node because of NoExecute taints (kube-controller-manager's taint-eviction-controller). Pure. */
import type { Node, Pod, Taint } from '../../../kube/objects.ts'
import { covers } from '../scheduler/placement.ts'

/** Milliseconds until the Pod is deleted: 0 now, undefined never. */
export function evictionDelay(pod: Pod, { spec }: Node, now: number): number | undefined {
  const delays = (spec?.taints ?? [])
    .filter(({ effect }) => effect === 'NoExecute')
    .map((taint) => delayFor(pod, taint, now))
    .filter((delay) => delay !== undefined)
  return delays.length === 0 ? undefined : Math.min(...delays)
}

/** A toleration without tolerationSeconds holds for ever; of several the shortest counts. */
function delayFor(pod: Pod, taint: Taint, now: number): number | undefined {
  const tolerations = (pod.spec.tolerations ?? []).filter((toleration) => covers(toleration, taint))
  if (tolerations.length === 0) return 0
  const seconds = tolerations.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? [])
  if (seconds.length === 0) return undefined
  const since = Date.parse(taint.timeAdded ?? '')
  return Math.max(0, (Number.isNaN(since) ? now : since) + Math.min(...seconds) * 1000 - now)
}
