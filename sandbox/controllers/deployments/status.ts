/**
 * The status of a Deployment from its Pods: what `kubectl rollout status` and `kubectl wait` read. Pure.
 * Conditions, reasons and messages as in pkg/controller/deployment (sync.go, progress.go); the progress deadline counts
 * from the last sign of progress, and a Deployment that was complete once never times out for a lost Pod.
 */
import type { Deployment, DeploymentCondition, DeploymentStatus, Pod } from '../../../kube/objects.ts'
import { isPodReady } from '../endpoint-slices/endpoint.ts'
import { availableIn } from './availability.ts'
import { limitsOf, revisionsOf, wantedReplicas } from './rollout.ts'

const defaultDeadlineSeconds = 600

export interface StatusView {
  status: DeploymentStatus
  /** When to look again for a Pod that becomes available or a deadline that passes. */
  againMs: number | undefined
}

/** `failure`: why the API server refused Pods of this Deployment at the last try. */
export function deploymentStatus(
  deployment: Deployment,
  pods: readonly Pod[],
  now: number,
  failure?: string,
): StatusView {
  const { current, old, terminating } = revisionsOf(deployment, pods)
  const active = [...current, ...old]
  const waits = active.map((pod) => availableIn(pod, deployment.spec.minReadySeconds ?? 0, now))
  const available = waits.filter((wait) => wait === 0).length
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: active.length,
    updatedReplicas: current.length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: available,
    unavailableReplicas: Math.max(0, active.length - available),
    terminatingReplicas: terminating.length,
  }
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  const progressing = progressCondition(deployment, counts, now, time)
  const conditions = [availableCondition(deployment, available, time)]
  if (progressing !== undefined) conditions.push(progressing)
  if (failure !== undefined) conditions.push(failureCondition(deployment, failure, time))
  const next = waits.filter((wait) => wait !== undefined && wait > 0) as number[]
  const deadline = untilDeadline(deployment, counts, progressing, now)
  if (deadline !== undefined) next.push(deadline)
  return { status: { ...counts, conditions }, againMs: next.length === 0 ? undefined : Math.min(...next) + 1 }
}

function conditionOf(deployment: Deployment, type: DeploymentCondition['type']): DeploymentCondition | undefined {
  return deployment.status?.conditions?.find((condition) => condition.type === type)
}

/** Times move only when something moved: otherwise every look would be a write. */
function dated(
  known: DeploymentCondition | undefined,
  wanted: Pick<DeploymentCondition, 'type' | 'status'> & { reason: string; message: string },
  time: string,
): DeploymentCondition {
  if (known?.status === wanted.status && known.reason === wanted.reason && known.message === wanted.message)
    return known
  const lastTransitionTime = known?.status === wanted.status ? (known.lastTransitionTime ?? time) : time
  return { ...wanted, lastUpdateTime: time, lastTransitionTime }
}

function availableCondition(deployment: Deployment, available: number, time: string): DeploymentCondition {
  const enough = available >= wantedReplicas(deployment) - limitsOf(deployment).maxUnavailable
  return dated(
    conditionOf(deployment, 'Available'),
    enough
      ? {
          type: 'Available',
          status: 'True',
          reason: 'MinimumReplicasAvailable',
          message: 'Deployment has minimum availability.',
        }
      : {
          type: 'Available',
          status: 'False',
          reason: 'MinimumReplicasUnavailable',
          message: 'Deployment does not have minimum availability.',
        },
    time,
  )
}

function failureCondition(deployment: Deployment, message: string, time: string): DeploymentCondition {
  const wanted = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message } as const
  return dated(conditionOf(deployment, 'ReplicaFailure'), wanted, time)
}

type Counts = Required<Omit<DeploymentStatus, 'conditions'>>

function progressCondition(
  deployment: Deployment,
  counts: Counts,
  now: number,
  time: string,
): DeploymentCondition | undefined {
  const known = conditionOf(deployment, 'Progressing')
  const name = deployment.metadata.name ?? ''
  const says = (status: 'True' | 'False' | 'Unknown', reason: string, message: string) =>
    dated(known, { type: 'Progressing', status, reason, message }, time)
  if (deployment.spec.paused === true) return says('Unknown', 'DeploymentPaused', 'Deployment is paused')
  if (isComplete(deployment, counts)) {
    return says('True', 'NewReplicaSetAvailable', `Deployment "${name}" has successfully progressed.`)
  }
  if (known === undefined || known.reason === 'DeploymentPaused' || hasProgressed(deployment, counts)) {
    const condition = says('True', 'ReplicaSetUpdated', `Deployment "${name}" is progressing.`)
    return { ...condition, lastUpdateTime: time }
  }
  if (known.reason === 'NewReplicaSetAvailable' || known.reason === 'ProgressDeadlineExceeded') return known
  const since = Date.parse(known.lastUpdateTime ?? '') || now
  if (now - since < deadlineMs(deployment)) return known
  return says('False', 'ProgressDeadlineExceeded', `Deployment "${name}" has timed out progressing.`)
}

function isComplete(deployment: Deployment, { replicas, updatedReplicas, availableReplicas }: Counts): boolean {
  const wanted = wantedReplicas(deployment)
  return updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted
}

/** A new template, more new Pods, fewer old ones, or more of them ready or available than at the last look. */
function hasProgressed({ status = {}, metadata }: Deployment, counts: Counts): boolean {
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status
  return (
    (status.observedGeneration ?? 0) < (metadata.generation ?? 0) ||
    counts.updatedReplicas > updatedReplicas ||
    counts.replicas - counts.updatedReplicas < replicas - updatedReplicas ||
    counts.readyReplicas > readyReplicas ||
    counts.availableReplicas > availableReplicas
  )
}

function deadlineMs({ spec }: Deployment): number {
  return (spec.progressDeadlineSeconds ?? defaultDeadlineSeconds) * 1000
}

function untilDeadline(
  deployment: Deployment,
  counts: Counts,
  progressing: DeploymentCondition | undefined,
  now: number,
): number | undefined {
  if (progressing?.reason !== 'ReplicaSetUpdated' || isComplete(deployment, counts)) return undefined
  const since = Date.parse(progressing.lastUpdateTime ?? '') || now
  return Math.max(0, since + deadlineMs(deployment) - now)
}
