/**
 * One step of a Deployment: which Pods to create and which to delete now. Pure; the loop comes again when Pods change.
 * Numbers as kube-controller-manager (pkg/controller/deployment/rolling.go): never more than replicas + maxSurge Pods,
 * never fewer available than replicas - maxUnavailable by our own doing; broken old Pods go before working ones.
 */
import type { Deployment, Pod } from '../../../kube/objects.ts'
import { availableIn, firstToGo, isActive } from './availability.ts'
import { podFor, podLike, templateHash, templateHashLabel } from './template.ts'

export interface RolloutStep {
  create: Pod[]
  remove: Pod[]
}

export interface Revisions {
  /** Active Pods of the present template, and of all others. */
  current: Pod[]
  old: Pod[]
  /** Of any revision, deleted but still there. */
  terminating: Pod[]
}

export function revisionsOf(deployment: Deployment, pods: readonly Pod[]): Revisions {
  const hash = templateHash(deployment.spec.template)
  const active = pods.filter(isActive)
  const isCurrent = (pod: Pod) => pod.metadata.labels?.[templateHashLabel] === hash
  return {
    current: active.filter(isCurrent),
    old: active.filter((pod) => !isCurrent(pod)),
    terminating: pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined),
  }
}

export function wantedReplicas({ spec }: Deployment): number {
  return spec.replicas ?? 1
}

/** Percentages of replicas: surge rounds up, unavailable down; both zero would never move, so then one may be unavailable. */
export function limitsOf(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const { strategy } = deployment.spec
  if (strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 }
  const replicas = wantedReplicas(deployment)
  const maxSurge = share(strategy?.rollingUpdate?.maxSurge ?? '25%', replicas, Math.ceil)
  const maxUnavailable = share(strategy?.rollingUpdate?.maxUnavailable ?? '25%', replicas, Math.floor)
  if (maxSurge === 0 && maxUnavailable === 0) return { maxSurge, maxUnavailable: 1 }
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) }
}

function share(value: number | string, replicas: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value
  return value.endsWith('%') ? round((Number.parseInt(value, 10) * replicas) / 100) : Number.parseInt(value, 10)
}

export function rolloutStep(deployment: Deployment, pods: readonly Pod[], now: number): RolloutStep {
  const revisions = revisionsOf(deployment, pods)
  if (deployment.spec.paused === true) return scaleOnly(deployment, revisions)
  if (deployment.spec.strategy?.type === 'Recreate') return recreate(deployment, revisions)
  return rollingUpdate(deployment, revisions, now)
}

function rollingUpdate(deployment: Deployment, { current, old }: Revisions, now: number): RolloutStep {
  const replicas = wantedReplicas(deployment)
  const { maxSurge, maxUnavailable } = limitsOf(deployment)
  const all = [...current, ...old]
  if (current.length > replicas) {
    return { create: [], remove: [...firstToGo(current, current.length - replicas, all)] }
  }
  const room = Math.max(0, replicas + maxSurge - all.length)
  const create = copies(podFor(deployment), Math.min(room, replicas - current.length))
  const isAvailable = (pod: Pod) => availableIn(pod, deployment.spec.minReadySeconds ?? 0, now) === 0
  const minAvailable = replicas - maxUnavailable
  const starting = current.filter((pod) => !isAvailable(pod)).length
  const mayGo = all.length - minAvailable - starting
  if (old.length === 0 || mayGo <= 0) return { create, remove: [] }
  const broken = firstToGo(
    old.filter((pod) => !isAvailable(pod)),
    mayGo,
    all,
  )
  const working = firstToGo(old.filter(isAvailable), all.filter(isAvailable).length - minAvailable, all)
  return { create, remove: [...broken, ...working] }
}

/** All old Pods first; new ones when the last old one is really gone. */
function recreate(deployment: Deployment, { current, old, terminating }: Revisions): RolloutStep {
  const replicas = wantedReplicas(deployment)
  if (old.length > 0) return { create: [], remove: old }
  if (current.length > replicas) return { create: [], remove: firstToGo(current, current.length - replicas, current) }
  const hash = templateHash(deployment.spec.template)
  if (terminating.some((pod) => pod.metadata.labels?.[templateHashLabel] !== hash)) return { create: [], remove: [] }
  return { create: copies(podFor(deployment), replicas - current.length), remove: [] }
}

/** Paused: the number of replicas is kept up, with Pods like those that are there. A Deployment born paused has none. */
function scaleOnly(deployment: Deployment, { current, old }: Revisions): RolloutStep {
  const all = [...current, ...old]
  const missing = wantedReplicas(deployment) - all.length
  if (missing < 0) {
    const first = firstToGo(old, -missing, all)
    return { create: [], remove: [...first, ...firstToGo(current, -missing - first.length, all)] }
  }
  const model = current[0] ?? old[0]
  return { create: model === undefined ? [] : copies(podLike(deployment, model), missing), remove: [] }
}

function copies(pod: Pod, count: number): Pod[] {
  return Array.from({ length: Math.max(0, count) }, () => structuredClone(pod))
}
