import { loadBalancerService } from '../manifests.ts'
import { hold, type Step } from '../world.ts'

const pool = `
apiVersion: roadstead.dev/v1alpha1
kind: NodePortPool
metadata: { name: tour }
spec: { ranges: [{ from: 31900, to: 31931 }] }
`

/** Step 10: no node ports: passthrough; a pool that covers the Service: node ports from it, the address stays. */
export const withoutNodePorts: Step = {
  name: 'without node ports (passthrough), then ports from a pool, address unchanged',
  async run(world) {
    await world.apply(
      loadBalancerService({ name: 'direct', app: 'web', spec: { allocateLoadBalancerNodePorts: 'false' } }),
    )
    const host = await world.address('direct')
    const before = await world.service('direct')
    hold(
      (before?.spec.ports ?? []).every((port) => (port.nodePort ?? 0) === 0),
      'node ports although none were asked for',
    )
    const mode = before?.status?.loadBalancer?.ingress?.[0]?.ipMode
    hold(mode === 'VIP', `ipMode is ${mode} instead of VIP`)
    const passthrough = await world.wait('passthrough to answer', 20, async () => {
      const tally = await world.prober.connect({ protocol: 'http', host, port: 80 }, 30)
      return tally.failed === 0 ? tally : undefined
    })
    const udp = await world.prober.connect({ protocol: 'udp', host, port: 9001 }, 30)
    hold(udp.failed === 0, `UDP: ${udp.failed} of 30 failed: ${JSON.stringify(udp.failures)}`)

    await world.apply(pool)
    const ports = await world.wait('node ports from the pool', 20, async () => {
      const given = ((await world.service('direct'))?.spec.ports ?? []).map((port) => port.nodePort ?? 0)
      return given.every((port) => port >= 31900 && port <= 31931) ? given : undefined
    })
    await world.wait('the load balancer to use them', 20, async () => {
      const ingress = (await world.service('direct'))?.status?.loadBalancer?.ingress?.[0]
      return ingress?.ipMode === 'Proxy' ? true : undefined
    })
    const after = await world.address('direct')
    hold(after === host, `the address changed from ${host} to ${after}`)
    const tally = await world.prober.connect({ protocol: 'http', host, port: 80 }, 30)
    hold(tally.failed === 0, `${tally.failed} of 30 failed with node ports: ${JSON.stringify(tally.failures)}`)
    return { passthroughPods: Object.keys(passthrough.pods).length, nodePorts: ports.join(','), address: host }
  },
}
