/**
 * The loop around claims.ts, rollout.ts and status.ts: one step of Pods, then the status when it differs.
 * A refused Pod becomes the ReplicaFailure condition and an Event, and is tried again with backoff. Keys: `namespace/deployment`.
 */
import { isApiError } from '../../../kube/client.ts'
import { type EventRecorder, referenceTo } from '../../../kube/event-recorder.ts'
import { keyFor, keyOf, nameFromKey } from '../../../kube/key.ts'
import type { Deployment, OwnerReference, Pod } from '../../../kube/objects.ts'
import { deployments, pods as podsType } from '../../../kube/resources.ts'
import { matchesSelector } from '../labels.ts'
import { createLoop, type Loop } from '../loop.ts'
import { sameJson } from '../same-json.ts'
import { byNamespace, type Surroundings, type World } from '../world.ts'
import { adoptedBy, claims, controllerOf, releasedBy } from './claims.ts'
import { type RolloutStep, rolloutStep } from './rollout.ts'
import { deploymentStatus } from './status.ts'
import { templateHashLabel } from './template.ts'

export function deploymentController(world: World, surroundings: Surroundings, recorder: EventRecorder): Loop {
  const loop = createLoop('deployments', surroundings)
  const { client, clock } = surroundings
  world.deployments.cache.onChange(({ key }) => loop.add(key))
  world.pods.cache.onChange(({ before, after }) => {
    for (const pod of [before, after]) for (const key of pod ? deploymentsOf(pod, world) : []) loop.add(key)
  })

  const podsAround = ({ metadata }: Deployment) => world.pods.cache.indexed(byNamespace, metadata.namespace ?? '')

  async function settleClaims(deployment: Deployment, signal: AbortSignal): Promise<void> {
    const { adopt, release } = claims(deployment, podsAround(deployment))
    for (const pod of adopt) await setOwners(pod, adoptedBy(deployment, pod), signal)
    for (const pod of release) await setOwners(pod, releasedBy(deployment, pod), signal)
  }

  async function setOwners(pod: Pod, ownerReferences: OwnerReference[], signal: AbortSignal): Promise<void> {
    const { uid, resourceVersion } = pod.metadata
    const patch = { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences } } } as const
    world.pods.learn(await client.patch(podsType, nameFromKey(keyOf(pod)), patch, {}, signal))
  }

  async function take(step: RolloutStep, deployment: Deployment, signal: AbortSignal): Promise<void> {
    const regarding = referenceTo(deployments, deployment)
    for (const pod of step.create) {
      const created = await client.create(podsType, pod, {}, signal)
      world.pods.learn(created)
      recorder.event(regarding, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`)
    }
    for (const pod of step.remove) {
      const removed = await removePod(pod, signal)
      if (removed) recorder.event(regarding, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
    }
  }

  /** False when somebody else was faster. */
  async function removePod(pod: Pod, signal: AbortSignal): Promise<boolean> {
    try {
      const at = nameFromKey(keyOf(pod))
      const left = await client.remove(podsType, at, { uid: pod.metadata.uid ?? '' }, signal)
      if (isPod(left)) world.pods.learn(left)
      return true
    } catch (error) {
      if (isApiError(error, 404) || isApiError(error, 409)) return false
      throw error
    }
  }

  async function show(deployment: Deployment, failure: string | undefined, signal: AbortSignal) {
    const { owned } = claims(deployment, podsAround(deployment))
    const { status, againMs } = deploymentStatus(deployment, owned, clock.now(), failure)
    if (!sameStatus(deployment, status)) {
      const written = await client.replace(deployments, { ...deployment, status }, { subresource: 'status' }, signal)
      world.deployments.learn(written)
    }
    return againMs === undefined ? undefined : { afterMs: againMs }
  }

  loop.reconcileWith(async (key, signal) => {
    const deployment = world.deployments.cache.at(key)
    if (deployment === undefined) return undefined
    // A Deployment on its way out (foreground deletion) only counts what is left of it.
    if (deployment.metadata.deletionTimestamp === undefined) {
      try {
        await settleClaims(deployment, signal)
        const { owned } = claims(deployment, podsAround(deployment))
        await take(rolloutStep(deployment, owned, clock.now()), deployment, signal)
      } catch (error) {
        if (isRefusal(error)) {
          const message = error.message
          recorder.event(referenceTo(deployments, deployment), 'Warning', 'FailedCreate', `Error creating: ${message}`)
          await show(deployment, message, signal)
        }
        throw error
      }
    }
    return show(deployment, undefined, signal)
  })
  return loop
}

/** Keys of the Deployments a Pod concerns: its controller, or, without one, all that would adopt it. */
function deploymentsOf(pod: Pod, world: World): string[] {
  const namespace = pod.metadata.namespace ?? ''
  const controller = controllerOf(pod)
  if (controller !== undefined) {
    return controller.kind === 'Deployment' ? [keyFor({ namespace, name: controller.name })] : []
  }
  if (pod.metadata.labels?.[templateHashLabel] === undefined) return []
  return world.deployments.cache
    .indexed(byNamespace, namespace)
    .filter(({ spec }) => matchesSelector(spec.selector, pod.metadata.labels))
    .map(keyOf)
}

/** The API server does not want such a Pod: invalid, forbidden, over quota. */
function isRefusal(error: unknown): error is Error {
  return isApiError(error, 422) || isApiError(error, 403) || isApiError(error, 400)
}

function isPod(answer: { kind?: string }): answer is Pod {
  return answer.kind === 'Pod'
}

/** Counts of zero are left out by the API server as by a real one. */
function sameStatus({ status = {} }: Deployment, wanted: Deployment['status'] = {}): boolean {
  const shown = (value: object) => Object.fromEntries(Object.entries(value).filter(([, member]) => member !== 0))
  return sameJson(shown(status), shown(wanted))
}
