import { systemClock } from '../../../kube/clock.ts'
import { echoDeployment, loadBalancerService } from '../manifests.ts'
import { hold, type Step } from '../world.ts'

/** Step 1: from the write of the Service to its address in status, while Pods start; then all nodes become healthy targets. */
export const address: Step = {
  name: 'a Service of class roadstead.dev/local gets an address',
  async run(world) {
    await world.apply(echoDeployment({ name: 'web', replicas: 6 }))
    await world.podsReady('web', 6)
    const written = systemClock.now()
    await world.apply(loadBalancerService({ name: 'web', app: 'web' }))
    const given = await world.address('web')
    const addressMs = systemClock.now() - written
    const nodes = world.cluster.network.nodes().length
    await world.wait('every node to be a healthy target', 20, async () =>
      (await world.healthyTargets('web')).length === nodes ? true : undefined,
    )
    const answer = await world.prober.connect({ protocol: 'http', host: given, port: 80 }, 1)
    hold(answer.answered === 1, `the address ${given} does not answer: ${JSON.stringify(answer.failures)}`)
    return { address: given, addressMs, servingMs: systemClock.now() - written }
  },
}
