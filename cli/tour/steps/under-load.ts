/** Steps that change something while 300 new connections a second go through Service `web`: none may fail. */
import { systemClock } from '../../../kube/clock.ts'
import { deployments, nodes, pods } from '../../../kube/resources.ts'
import type { Figures, Step, World } from '../world.ts'
import { hold } from '../world.ts'

const perSecond = 300
const policyCondition = 'roadstead.dev/ExternalTrafficPolicy'

/** Runs `change` under load on the Service and answers the figures of both. Throws when a request failed. */
export async function underLoad(world: World, service: string, change: () => Promise<Figures>): Promise<Figures> {
  const host = await world.address(service)
  const load = await world.prober.load({ protocol: 'http', host, port: 80 }, perSecond)
  let figures: Figures
  let tally
  try {
    figures = await change()
  } finally {
    tally = await load.stop()
  }
  hold(
    tally.failed === 0,
    `${tally.failed} of ${tally.sent} requests failed: ${JSON.stringify(tally.failures)}, the first ${tally.firstFailuresMs.join(', ')} ms after the start`,
  )
  return { ...figures, requests: tally.sent, failed: tally.failed, p99Ms: tally.p99Ms }
}

/** Step 4 */
export const policyFlip: Step = {
  name: 'Cluster -> Local -> Cluster under load',
  run: (world) =>
    underLoad(world, 'web', async () => {
      const flip = async (policy: 'Local' | 'Cluster') => {
        const start = systemClock.now()
        await world.patchService('web', { spec: { externalTrafficPolicy: policy } })
        await world.wait(`the load balancer to follow policy ${policy}`, 30, async () => {
          const conditions = (await world.service('web'))?.status?.conditions ?? []
          return conditions.some((condition) => condition.type === policyCondition && condition.reason === policy)
            ? true
            : undefined
        })
        const took = systemClock.now() - start
        await pause(world, 2000)
        return took
      }
      return { toLocalMs: await flip('Local'), toClusterMs: await flip('Cluster') }
    }),
}

/** Step 5 */
export const rollout: Step = {
  name: 'all Pods replaced under load',
  run: (world) =>
    underLoad(world, 'web', async () => {
      const before = new Set((await world.readyPods('web')).map((pod) => pod.metadata.uid))
      const start = systemClock.now()
      await world.client.patch(
        deployments,
        { namespace: 'default', name: 'web' },
        {
          type: 'merge',
          body: { spec: { template: { metadata: { annotations: { 'tour/restartedAt': String(start) } } } } },
        },
      )
      const after = await world.wait('every Pod to be a new one', 60, async () => {
        const { items } = await world.client.list(pods, 'default', { labelSelector: 'app=web' })
        const fresh = items.every(
          (pod) => !before.has(pod.metadata.uid) && pod.metadata.deletionTimestamp === undefined,
        )
        const ready = await world.readyPods('web')
        return fresh && ready.length === before.size && items.length === before.size ? items : undefined
      })
      return { replaced: after.length, rolloutMs: systemClock.now() - start }
    }),
}

/** Step 6: as an autoscaler removes a node: taint, drain the balancer, move the Pods, take the machine away. */
export const nodeRemoval: Step = {
  name: 'a node tainted for removal, then gone, under load',
  run: (world) =>
    underLoad(world, 'web', async () => {
      const leaving = world.cluster.network.nodes().at(-1)?.name ?? ''
      const start = systemClock.now()
      await world.client.patch(
        nodes,
        { name: leaving },
        {
          type: 'strategic',
          body: {
            spec: {
              unschedulable: true,
              taints: [{ key: 'ToBeDeletedByClusterAutoscaler', value: String(start), effect: 'NoSchedule' }],
            },
          },
        },
      )
      await world.wait(`no traffic for ${leaving}`, 20, async () =>
        (await world.healthyTargets('web')).includes(leaving) ? undefined : true,
      )
      const drainedMs = systemClock.now() - start
      const onNode = await world.client.list(pods, 'default', { fieldSelector: `spec.nodeName=${leaving}` })
      for (const pod of onNode.items)
        await world.client.remove(pods, { namespace: 'default', name: pod.metadata.name ?? '' })
      await world.wait(`the Pods of ${leaving} to move`, 45, async () => {
        const { items } = await world.client.list(pods, 'default', { fieldSelector: `spec.nodeName=${leaving}` })
        return items.length === 0 ? true : undefined
      })
      await world.podsReady('web', 6)
      await world.cluster.removeNode(leaving)
      await pause(world, 2000)
      return { node: leaving, moved: onNode.items.length, drainedMs, goneMs: systemClock.now() - start - 2000 }
    }),
}

/** Step 8 */
export const proxyRestart: Step = {
  name: 'every proxy restarted under load',
  run: (world) =>
    underLoad(world, 'web', async () => {
      const restarted: string[] = []
      for (const place of world.cluster.network.nodes()) {
        const proxy = world.cluster.proxy(place.name)
        hold(proxy !== undefined, `${place.name} has no proxy`)
        await proxy.stop()
        proxy.start()
        await world.wait(`the proxy of ${place.name} to be healthy`, 20, async () => {
          const health = { protocol: 'http', host: place.addresses.IPv4 ?? '', port: 10256, path: '/healthz' } as const
          return (await world.prober.connect(health, 1)).answered === 1 ? true : undefined
        })
        restarted.push(place.name)
        await world.wait(`${place.name} to be a healthy target again`, 20, async () =>
          (await world.healthyTargets('web')).includes(place.name) ? true : undefined,
        )
      }
      return { restarted: restarted.length }
    }),
}

async function pause(world: World, ms: number): Promise<void> {
  const end = systemClock.now() + ms
  await world.wait('time to pass', ms / 1000 + 5, () => (systemClock.now() >= end ? true : undefined))
}
