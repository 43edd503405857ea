/** Session affinity by client address: sticks, expires, ends when switched off, and lets go of endpoints that leave. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { requires } from '../../scripts/requires.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

describe('session affinity', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let world: World
  let pods: PodInWorld[]
  let client: PodInWorld

  before(async () => {
    world = await startWorld('test-proxy-aff')
    pods = await Promise.all(['a', 'b', 'c', 'd'].map((name, index) => world.addPod(name, `node-${1 + (index % 2)}`)))
    client = await world.addPod('client', 'node-1')
    await Promise.all([world.startProxy('node-1'), world.startProxy('node-2')])
  })
  after(() => world?.close())

  const sticky = async (name: string, timeoutSeconds: number, spec = {}) => {
    const service = await world.service(name, {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
      ipFamilyPolicy: 'PreferDualStack',
      ...spec,
    })
    await world.endpoints(name, pods, service.spec.ports)
    const [ip = '', ip6 = ''] = service.spec.clusterIPs ?? []
    return { ip, ip6, service }
  }
  const answered = async (ip: string) => /^[a-d]$/.test(await client.agent.tcp(ip, 80))

  test('one client keeps one endpoint, over IPv4, IPv6 and UDP', async () => {
    const ports = [
      { name: 'tcp', port: 80, targetPort: 8080 },
      { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' as const },
    ]
    const { ip, ip6 } = await sticky('keep', 60, { ports })
    await eventually(() => answered(ip), true)
    await eventually(() => answered(ip6), true)
    // The very first packets may race each other to be remembered.
    for (const address of [ip, ip6]) {
      for (const protocol of ['tcp', 'udp'] as const) {
        await client.agent[protocol](address, 80)
        assert.equal((await client.agent.spread(protocol, address, 80, 20)).length, 1, `${protocol} ${address}`)
      }
    }
  })

  test('the memory ends after its time without connections', async () => {
    const { ip } = await sticky('expire', 1)
    await eventually(() => answered(ip), true)
    const seen = new Set<string>()
    for (let round = 0; round < 8 && seen.size < 2; round++) {
      seen.add(await client.agent.tcp(ip, 80))
      await sleep(1150)
    }
    assert.ok(seen.size > 1, 'always the same endpoint')
  })

  test('an endpoint that leaves is forgotten, one that stays is kept', async () => {
    const { ip } = await sticky('leave', 600)
    await eventually(() => answered(ip), true)
    const kept = await client.agent.tcp(ip, 80)
    const rest = pods.filter((pod) => pod.name !== kept)
    await world.endpoints('leave', rest)
    await eventually(
      async () => rest.some((pod) => pod.name === kept) || (await client.agent.tcp(ip, 80)) !== kept,
      true,
    )
    const next = await client.agent.tcp(ip, 80)
    await world.endpoints('leave', pods)
    assert.deepEqual(await client.agent.spread('tcp', ip, 80, 10), [next])
  })

  test('it can be switched off and on while the Service lives', async () => {
    const { ip } = await sticky('switch', 600)
    await eventually(() => answered(ip), true)
    await client.agent.tcp(ip, 80)
    assert.equal((await client.agent.spread('tcp', ip, 80, 20)).length, 1)
    await world.edit('switch', { spec: { sessionAffinity: 'None' } })
    await eventually(async () => (await client.agent.spread('tcp', ip, 80, 60)).length > 1, true)
    await world.edit('switch', {
      spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } },
    })
    await eventually(async () => (await client.agent.spread('tcp', ip, 80, 20)).length, 1)
  })

  test('with policy Local the client keeps an endpoint of the node', async () => {
    const { service } = await sticky('local', 600, { type: 'NodePort', externalTrafficPolicy: 'Local' })
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
    await eventually(async () => (await world.outside.tcp(world.nodeIp('node-1'), nodePort)).length, 1)
    const kept = await world.outside.tcp(world.nodeIp('node-1'), nodePort)
    assert.deepEqual(await world.outside.spread('tcp', world.nodeIp('node-1'), nodePort, 20), [kept])
    assert.ok(['a', 'c'].includes(kept), kept)
  })
})
