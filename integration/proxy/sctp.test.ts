/** SCTP through every kind of frontend: this kernel needs no SCTP sockets for it, the first two packets of an association are made by hand. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { describeEachMode } from './modes.ts'
import { answerSctp, raw } from './raw.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

const targetPort = 8080

describeEachMode('SCTP', (mode, test) => {
  let world: World
  let pods: PodInWorld[]
  let client: PodInWorld
  let stops: (() => Promise<void>)[] = []
  let nextPort = 20_000

  before(async () => {
    world = await startWorld('test-proxy-sctp')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    client = await world.addPod('client', 'node-1')
    stops = await Promise.all(pods.map((pod) => answerSctp(pod.place.namespace, targetPort, pod.name)))
    await Promise.all(['node-1', 'node-2'].map((node) => world.startProxy(node, ...mode.flags)))
  })
  after(async () => {
    await Promise.all(stops.map((stop) => stop()))
    await world?.close()
  })

  /** Who answered each of as many clients, whom it saw, and from where the answer came. */
  const askOften = async (from: string, host: string, port: number, count: number) => {
    const lines = (await raw(from, 'sctp-ask', host, port, nextPort, count)).split('\n')
    nextPort += count
    return lines.map((line) => {
      const [name = '', seen = '', , address = '', answered = ''] = line.split(' ')
      return { name, seen, from: `${address} ${answered}` }
    })
  }
  const ask = async (from: string, host: string, port: number) => {
    const [answer] = await askOften(from, host, port, 1)
    assert.ok(answer)
    return answer
  }
  const spread = async (from: string, host: string, port: number) => {
    const answers = await askOften(from, host, port, 8)
    for (const answer of answers) {
      if (answer.name !== 'TIMEOUT') assert.equal(answer.from, `${host} ${port}`, 'the answer is translated back')
    }
    return [...new Set(answers.map(({ name }) => name))].sort()
  }
  const outside = 'rs-test-proxy-sctp-client'

  test('an association with a ClusterIP, a node port and a load balancer address is translated there and back', async () => {
    const service = await world.service('sctp', {
      type: 'LoadBalancer',
      ipFamilyPolicy: 'PreferDualStack',
      ports: [{ name: 's', port: 3868, targetPort, protocol: 'SCTP' }],
    })
    await world.status('sctp', { loadBalancer: { ingress: [{ ip: '203.0.113.5' }, { ip: '2001:db8:113::5' }] } })
    await world.endpoints('sctp', pods, service.spec.ports)
    for (const vip of ['203.0.113.5', '2001:db8:113::5']) await world.routeAddress(vip, 'node-1')
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
    for (const ip of service.spec.clusterIPs ?? []) {
      await eventually(() => spread(client.place.namespace, ip, 3868), ['a', 'b'])
    }
    for (const family of ['IPv4', 'IPv6'] as const) {
      await eventually(() => spread(outside, world.nodeIp('node-2', family), nodePort), ['a', 'b'])
    }
    for (const vip of ['203.0.113.5', '2001:db8:113::5']) await eventually(() => spread(outside, vip, 3868), ['a', 'b'])
    const { seen } = await ask(client.place.namespace, service.spec.clusterIP ?? '', 3868)
    assert.equal(seen, client.ip, 'a Pod is seen as itself')
    assert.notEqual((await ask(outside, '203.0.113.5', 3868)).seen, '198.51.100.10', 'policy Cluster hides the client')
  })

  test('a client keeps its SCTP endpoint, and keeps the source address under policy Local', async () => {
    const service = await world.service('sctp-sticky', {
      type: 'LoadBalancer',
      ipFamilyPolicy: 'PreferDualStack',
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      ports: [{ name: 's', port: 3868, targetPort, protocol: 'SCTP' }],
    })
    await world.endpoints('sctp-sticky', pods, service.spec.ports)
    for (const ip of service.spec.clusterIPs ?? []) {
      await eventually(async () => (await ask(client.place.namespace, ip, 3868)).name.length, 1)
      assert.equal((await spread(client.place.namespace, ip, 3868)).length, 1, ip)
    }
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
    await eventually(async () => (await ask(outside, world.nodeIp('node-2'), nodePort)).name, 'b')
    assert.equal((await ask(outside, world.nodeIp('node-2'), nodePort)).seen, '198.51.100.10')
  })
})
