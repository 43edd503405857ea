import { loadBalancers } from '../../../crds/load-balancer.ts'
import { systemClock } from '../../../kube/clock.ts'
import { found, hold, type Step, type World } from '../world.ts'

/** Step 11: a Service stops being a load balancer, and others are deleted: addresses closed, the cloud empty, finalizers gone. */
export const goodbye: Step = {
  name: 'LoadBalancer -> ClusterIP and delete: address closed, nothing left in the cloud, finalizer gone',
  async run(world) {
    const changed = await world.address('near')
    const deleted = [await world.address('web'), await world.address('direct')]
    const start = systemClock.now()
    await world.patchService('near', {
      spec: {
        type: 'ClusterIP',
        externalTrafficPolicy: null,
        loadBalancerClass: null,
        allocateLoadBalancerNodePorts: null,
      },
    })
    const near = await world.wait('the finalizer of near to go', 30, async () => {
      const service = await world.service('near')
      return service !== undefined && (service.metadata.finalizers ?? []).length === 0 ? service : undefined
    })
    hold((near.status?.loadBalancer?.ingress ?? []).length === 0, 'status still names an address')
    hold(
      (near.spec.ports ?? []).every((port) => port.nodePort === undefined),
      'node ports are still set',
    )
    const conditions = (near.status?.conditions ?? []).filter((condition) =>
      condition.type.startsWith('roadstead.dev/'),
    )
    hold(conditions.length === 0, `conditions are left: ${conditions.map((condition) => condition.type).join(', ')}`)
    for (const name of ['web', 'direct']) await world.removeService(name)
    await world.wait('both Services to be gone', 30, async () =>
      (await world.service('web')) === undefined && (await world.service('direct')) === undefined ? true : undefined,
    )
    const closedMs = systemClock.now() - start
    for (const host of [changed, ...deleted]) await closed(world, host)
    const left = await world.allCloudObjects()
    hold(left.length === 0, `left in the cloud: ${left.join(', ')}`)
    for (const name of ['near', 'web', 'direct'])
      hold(
        (await found(world.client.get(loadBalancers, { namespace: 'default', name }))) === undefined,
        `LoadBalancer object ${name} is left`,
      )
    return { closed: 1 + deleted.length, leftInCloud: 0, closedMs }
  },
}

async function closed(world: World, host: string): Promise<void> {
  const tally = await world.prober.connect({ protocol: 'http', host, port: 80 }, 1)
  hold(tally.answered === 0, `${host} still answers`)
}
