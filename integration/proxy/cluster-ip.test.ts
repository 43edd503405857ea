/** ClusterIPs over real connections: from Pods, from nodes, from outside; both families; refusals; traffic policy. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

describe('ClusterIP', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let world: World
  let a: PodInWorld
  let b: PodInWorld
  let c: PodInWorld

  before(async () => {
    world = await startWorld('test-proxy-ip')
    ;[a, b, c] = [
      await world.addPod('a', 'node-1'),
      await world.addPod('b', 'node-1'),
      await world.addPod('c', 'node-2'),
    ]
    await Promise.all([world.startProxy('node-1'), world.startProxy('node-2')])
  })
  after(() => world?.close())

  const clusterIp = async (name: string, spec = {}, endpoints: PodInWorld[] = [a, b, c]) => {
    const service = await world.service(name, { ipFamilyPolicy: 'PreferDualStack', ...spec })
    await world.endpoints(name, endpoints, service.spec.ports)
    const [ip = '', ip6 = ''] = service.spec.clusterIPs ?? []
    return { ip, ip6, service }
  }

  test('a Pod reaches all ready endpoints, over IPv4 and IPv6, TCP and UDP', async () => {
    const { ip, ip6 } = await clusterIp('web', {
      ports: [
        { name: 'tcp', port: 80, targetPort: 8080 },
        { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' },
      ],
    })
    await eventually(() => c.agent.spread('tcp', ip, 80), ['a', 'b', 'c'])
    for (const address of [ip, ip6]) {
      for (const protocol of ['tcp', 'udp'] as const) {
        assert.deepEqual(await a.agent.spread(protocol, address, 80), ['a', 'b', 'c'], `${protocol} ${address}`)
      }
    }
  })
})
