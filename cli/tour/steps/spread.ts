import { hold, type Step } from '../world.ts'

const connections = 200

/** Step 2: 200 connections of each protocol reach every ready Pod. */
export const spread: Step = {
  name: '200 connections spread over all ready Pods, TCP and UDP',
  async run(world) {
    const host = await world.address('web')
    const ready = (await world.readyPods('web')).map((pod) => pod.metadata.name ?? '').sort()
    const http = await world.prober.connect({ protocol: 'http', host, port: 80 }, connections)
    const udp = await world.prober.connect({ protocol: 'udp', host, port: 9001 }, connections)
    for (const [protocol, tally] of Object.entries({ TCP: http, UDP: udp })) {
      hold(tally.answered === connections, `${protocol}: ${tally.failed} failed: ${JSON.stringify(tally.failures)}`)
      const reached = Object.keys(tally.pods).sort()
      hold(
        reached.join() === ready.join(),
        `${protocol} reached ${reached.length} of ${ready.length} Pods: ${reached.join(', ')}`,
      )
    }
    return {
      pods: ready.length,
      tcpLeast: Math.min(...Object.values(http.pods)),
      udpLeast: Math.min(...Object.values(udp.pods)),
      p50Ms: http.p50Ms,
      p99Ms: http.p99Ms,
    }
  },
}
