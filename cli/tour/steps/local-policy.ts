import { outsideAddress } from '../../../sandbox/nodes/topology.ts'
import { echoDeployment, loadBalancerService } from '../manifests.ts'
import { hold, type Step } from '../world.ts'

/** Step 3: externalTrafficPolicy Local keeps the client's address, and only nodes with a ready Pod get traffic. */
export const localPolicy: Step = {
  name: 'externalTrafficPolicy Local: client address kept, only nodes with a Pod get traffic',
  async run(world) {
    await world.apply(echoDeployment({ name: 'near', replicas: 2 }))
    const near = await world.podsReady('near', 2)
    const withPod = new Set(near.map((pod) => pod.spec.nodeName ?? ''))
    await world.apply(loadBalancerService({ name: 'near', app: 'near', spec: { externalTrafficPolicy: 'Local' } }))
    const host = await world.address('near')
    const healthPort = (await world.service('near'))?.spec.healthCheckNodePort ?? 0
    hold(healthPort > 0, 'the Service has no health check node port')
    const targets = await world.wait('the targets to be the nodes with a Pod', 20, async () => {
      const healthy = await world.healthyTargets('near')
      return healthy.length === withPod.size && healthy.every((node) => withPod.has(node)) ? healthy : undefined
    })
    for (const place of world.cluster.network.nodes()) {
      const answer = await world.prober.connect(
        { protocol: 'http', host: place.addresses.IPv4 ?? '', port: healthPort, path: '/healthz' },
        1,
      )
      const healthy = answer.answered === 1
      hold(
        healthy === withPod.has(place.name),
        `health check node port of ${place.name}: ${healthy ? 'healthy' : JSON.stringify(answer.failures)}, Pods on ${[...withPod].join(', ')}`,
      )
    }
    const client = outsideAddress('client', 'IPv4')
    const tally = await world.prober.connect({ protocol: 'http', host, port: 80 }, 60)
    hold(tally.failed === 0, `${tally.failed} of 60 failed: ${JSON.stringify(tally.failures)}`)
    hold(
      Object.keys(tally.clients).join() === client,
      `Pods saw ${Object.keys(tally.clients).join(', ')} instead of ${client}`,
    )
    hold(
      Object.keys(tally.nodes).every((node) => withPod.has(node)),
      `traffic on ${Object.keys(tally.nodes).join(', ')}`,
    )
    return { targets: targets.length, nodes: world.cluster.network.nodes().length, clientSeen: client }
  },
}
