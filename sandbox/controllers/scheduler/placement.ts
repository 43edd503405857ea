/**
 * Which node a Pod goes to. Pure: of the nodes that take it, the one with the fewest of its siblings, then the fewest
 * Pods, then the first by name; for equal Pods that is round robin, and it needs no memory over restarts.
 */
import type { Node, Pod, Taint, Toleration } from '../../../kube/objects.ts'

export interface NodeLoad {
  node: Node
  /** Pods of the same owner on it. */
  siblings: number
  pods: number
  /** Of the Pods on it, as hostPorts names them. */
  hostPorts: ReadonlySet<string>
}

export type Placement = { node: string } | { unschedulable: string }

export function place(pod: Pod, loads: readonly NodeLoad[]): Placement {
  const fitting: NodeLoad[] = []
  const reasons = new Map<string, number>()
  for (const load of loads) {
    const reason = refusal(pod, load.node) ?? portConflict(pod, load)
    if (reason === undefined) fitting.push(load)
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  const best = fitting.sort(emptierFirst)[0]
  if (best !== undefined) return { node: best.node.metadata.name ?? '' }
  return { unschedulable: summary(loads.length, reasons) }
}

/** kube-scheduler's words, so that what people search for is found. */
function summary(nodes: number, reasons: ReadonlyMap<string, number>): string {
  if (nodes === 0) return 'no nodes available to schedule pods'
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort()
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`
}

/** Why the node does not take the Pod, or undefined. */
export function refusal(pod: Pod, { metadata, spec, status }: Node): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return 'node(s) were being deleted'
  if (spec?.unschedulable === true && !tolerates(pod, unschedulableTaint)) return 'node(s) were unschedulable'
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True') return 'node(s) were not ready'
  const taint = spec?.taints?.find((one) => one.effect !== 'PreferNoSchedule' && !tolerates(pod, one))
  if (taint !== undefined) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`
  const labels = metadata.labels ?? {}
  const wanted = Object.entries(pod.spec.nodeSelector ?? {})
  if (wanted.some(([key, value]) => labels[key] !== value)) return "node(s) didn't match Pod's node affinity/selector"
  return undefined
}

/** The ports a Pod takes of its node, as `TCP/8080`; with the host's network every container port is one. */
export function hostPorts({ spec }: Pod): string[] {
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, protocol = 'TCP' }) => {
      const port = hostPort ?? (spec.hostNetwork === true ? containerPort : undefined)
      return port === undefined ? [] : [`${protocol}/${port}`]
    }),
  )
}

function portConflict(pod: Pod, load: NodeLoad): string | undefined {
  const taken = hostPorts(pod).some((port) => load.hostPorts.has(port))
  return taken ? "node(s) didn't have free ports for the requested pod ports" : undefined
}

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

export function tolerates(pod: Pod, taint: Taint): boolean {
  return (pod.spec.tolerations ?? []).some((toleration) => covers(toleration, taint))
}

export function covers({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect !== undefined && effect !== taint.effect) return false
  if (key === undefined || key === '') return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''))
}

function emptierFirst(a: NodeLoad, b: NodeLoad): number {
  if (a.siblings !== b.siblings) return a.siblings - b.siblings
  if (a.pods !== b.pods) return a.pods - b.pods
  return (a.node.metadata.name ?? '').localeCompare(b.node.metadata.name ?? '', 'en', { numeric: true })
}
