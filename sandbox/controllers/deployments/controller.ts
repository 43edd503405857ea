/** The loop around rollout.ts and status.ts: one step of Pods, then the status when it differs. Keys: `namespace/deployment`. */
import { isApiError } from '../../../kube/client.ts'
import { keyFor } from '../../../kube/key.ts'
import type { Deployment, Pod } from '../../../kube/objects.ts'
import { deployments, pods as podsType } from '../../../kube/resources.ts'
import { createLoop, type Loop } from '../loop.ts'
import { sameJson } from '../same-json.ts'
import { byOwner, type Surroundings, type World } from '../world.ts'
import { type RolloutStep, rolloutStep } from './rollout.ts'
import { deploymentStatus } from './status.ts'

export function deploymentController(world: World, surroundings: Surroundings): Loop {
  const loop = createLoop('deployments', surroundings)
  const { client, clock } = surroundings
  world.deployments.cache.onChange(({ key }) => loop.add(key))
  world.pods.cache.onChange(({ before, after }) => {
    for (const pod of [before, after]) {
      const owner = pod?.metadata.ownerReferences?.find(({ kind, controller }) => kind === 'Deployment' && controller)
      if (owner !== undefined) loop.add(keyFor({ namespace: pod?.metadata.namespace ?? '', name: owner.name }))
    }
  })
  loop.reconcileWith(async (key, signal) => {
    const deployment = world.deployments.cache.at(key)
    if (deployment === undefined) return undefined
    const owned = () => world.pods.cache.indexed(byOwner, deployment.metadata.uid ?? '')
    // A Deployment on its way out (foreground deletion) only counts what is left of it.
    if (deployment.metadata.deletionTimestamp === undefined) {
      await apply(rolloutStep(deployment, owned(), clock.now()), world, surroundings, signal)
    }
    const { status, againMs } = deploymentStatus(deployment, owned(), clock.now())
    if (!sameStatus(deployment, status)) {
      const written = await client.replace(deployments, { ...deployment, status }, { subresource: 'status' }, signal)
      world.deployments.learn(written)
    }
    return againMs === undefined ? undefined : { afterMs: againMs }
  })
  return loop
}

async function apply(step: RolloutStep, world: World, { client }: Surroundings, signal: AbortSignal): Promise<void> {
  for (const pod of step.create) world.pods.learn(await client.create(podsType, pod, {}, signal))
  for (const { metadata } of step.remove) {
    const at = { namespace: metadata.namespace ?? '', name: metadata.name ?? '' }
    try {
      const left = await client.remove(podsType, at, { uid: metadata.uid ?? '' }, signal)
      if (isPod(left)) world.pods.learn(left)
    } catch (error) {
      if (!isApiError(error, 404) && !isApiError(error, 409)) throw error
    }
  }
}

function isPod(answer: { kind?: string }): answer is Pod {
  return answer.kind === 'Pod'
}

/** Counts of zero are left out by the API server as by a real one. */
function sameStatus({ status = {} }: Deployment, wanted: Deployment['status'] = {}): boolean {
  const shown = (value: object) => Object.fromEntries(Object.entries(value).filter(([, member]) => member !== 0))
  return sameJson(shown(status), shown(wanted))
}
