/** Health check node ports, and changes of externalTrafficPolicy with and without somebody who announces the load balancers' state. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type { Service, TrafficPolicy } from '../../kube/objects.ts'
import { events } from '../../kube/resources.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const graceMs = 2500

describeEachMode('external traffic policy', (mode, test) => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy

  before(async () => {
    world = await startWorld('test-proxy-pol')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    proxy = await startProxy()
  })
  after(() => world?.close())

  const startProxy = () => world.startProxy('node-1', ...mode.flags, `--traffic-policy-grace=${graceMs}ms`)
  const health = async (service: Service) =>
    (await world.outside.http(`http://${world.nodeIp('node-1')}:${service.spec.healthCheckNodePort}/any`)).status
  const nodePort = (service: Service) => service.spec.ports?.[0]?.nodePort ?? 0
  const answers = (service: Service) => world.outside.spread('tcp', world.nodeIp('node-1'), nodePort(service), 20)
  const create = async (name: string, policy: TrafficPolicy, spec: Partial<Service['spec']> = {}) => {
    const service = await world.service(name, { type: 'LoadBalancer', externalTrafficPolicy: policy, ...spec })
    await world.endpoints(name, pods)
    await eventually(() => answers(service), policy === 'Local' ? ['a'] : ['a', 'b'])
    return service
  }
  const ours: Partial<Service['spec']> = { loadBalancerClass: 'roadstead.dev/local' }
  const announce = (name: string, reason: TrafficPolicy) =>
    world.status(name, {
      conditions: [
        {
          type: 'roadstead.dev/ExternalTrafficPolicy',
          status: 'True',
          reason,
          message: 'health checks are in effect',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    })

  test('the health check node port says how many ready endpoints the node has', async () => {
    const service = await create('checked', 'Local')
    const answer = await world.outside.http(`http://${world.nodeIp('node-1')}:${service.spec.healthCheckNodePort}/`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['x-load-balancing-endpoint-weight'], '1')
    assert.deepEqual(JSON.parse(answer.body), {
      service: { namespace: 'default', name: 'checked' },
      localEndpoints: 1,
      serviceProxyHealthy: true,
    })
    const leaving = { ready: false, serving: true, terminating: true }
    await world.endpoints('checked', [{ pod: pods[0] as PodInWorld, conditions: leaving }, pods[1] as PodInWorld])
    await eventually(() => health(service), 503)
    assert.deepEqual(await answers(service), ['a'], 'drains while the health check already fails')
    await world.endpoints('checked', pods)
    await eventually(() => health(service), 200)
    const ipv6 = `http://[${world.nodeIp('node-1', 'IPv6')}]:${service.spec.healthCheckNodePort}/`
    assert.equal((await world.outside.http(ipv6)).status, 200)
    await world.remove('checked')
    await eventually(() => health(service), 0)
  })

  test('a health check node port that is taken gives one event', async () => {
    const port = 30_007
    const script = `require('net').createServer().listen(${port}, '::', () => console.log('ready'))`
    const child = spawnIn('rs-test-proxy-pol-node-1', [process.execPath, '-e', script])
    await new Promise((resolve) => child.stdout?.once('data', resolve))
    await create('taken', 'Local', { healthCheckNodePort: port })
    const seen = async () => {
      const list = await world.client.list(events, 'default')
      return list.items
        .filter((event) => event.reason === 'FailedToStartServiceHealthcheck')
        .map((event) => event.involvedObject.name)
    }
    await eventually(seen, ['taken'])
    child.kill()
  })

  test('without an announcer both changes take effect at once', async () => {
    const service = await create('plain', 'Cluster')
    const local = await world.edit('plain', { spec: { externalTrafficPolicy: 'Local' } })
    await eventually(() => answers(service), ['a'], 1500)
    assert.equal(await health(local), 200)
    await world.edit('plain', { spec: { externalTrafficPolicy: 'Cluster' } })
    await eventually(() => answers(service), ['a', 'b'], 1500)
    await eventually(() => health(local), 0, 1500)
  })

  test('Cluster to Local: the health check answers at once, packets go everywhere until the announcement', async () => {
    const service = await create('to-local', 'Cluster', ours)
    await announce('to-local', 'Cluster')
    const local = await world.edit('to-local', { spec: { externalTrafficPolicy: 'Local' } })
    await eventually(() => health(local), 200)
    assert.deepEqual(await answers(service), ['a', 'b'])
    await announce('to-local', 'Local')
    await eventually(() => answers(service), ['a'], 1500)
  })

  test('Local to Cluster: packets go everywhere at once, the old health check answers until the announcement', async () => {
    const service = await create('to-cluster', 'Local', ours)
    await announce('to-cluster', 'Local')
    await world.edit('to-cluster', { spec: { externalTrafficPolicy: 'Cluster' } })
    await eventually(() => answers(service), ['a', 'b'], 1500)
    assert.equal(await health(service), 200)
    await announce('to-cluster', 'Cluster')
    await eventually(() => health(service), 0, 1500)
  })

  test('a proxy that restarts in the middle of either change goes on with it', async () => {
    const opening = await create('mid-local', 'Cluster', ours)
    const closing = await create('mid-cluster', 'Local', ours)
    await announce('mid-local', 'Cluster')
    await announce('mid-cluster', 'Local')
    const local = await world.edit('mid-local', { spec: { externalTrafficPolicy: 'Local' } })
    await world.edit('mid-cluster', { spec: { externalTrafficPolicy: 'Cluster' } })
    await eventually(() => health(local), 200)
    await eventually(() => answers(closing), ['a', 'b'])
    await proxy.end('SIGKILL')
    proxy = await startProxy()
    await eventually(() => health(local), 200)
    assert.equal(await health(closing), 200, 'the old port is open again though the spec has dropped it')
    assert.deepEqual(await answers(opening), ['a', 'b'])
    await announce('mid-local', 'Local')
    await announce('mid-cluster', 'Cluster')
    await eventually(() => answers(opening), ['a'], 1500)
    await eventually(() => health(closing), 0, 1500)
  })

  test('without the announcement the grace time ends both waits', async () => {
    const opening = await create('grace-local', 'Cluster', ours)
    const closing = await create('grace-cluster', 'Local', ours)
    await announce('grace-local', 'Cluster')
    await announce('grace-cluster', 'Local')
    await world.edit('grace-local', { spec: { externalTrafficPolicy: 'Local' } })
    await world.edit('grace-cluster', { spec: { externalTrafficPolicy: 'Cluster' } })
    assert.deepEqual(await answers(opening), ['a', 'b'])
    await eventually(() => answers(opening), ['a'], graceMs + 1500)
    await eventually(() => health(closing), 0, 1500)
  })
})
