/** What only mode ipvs has: virtual servers, a dummy interface, targets that finish what they have. The common behaviour is in modes.ts. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import type { TrafficPolicy } from '../../kube/objects.ts'
import { endpointSlices } from '../../kube/resources.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { requires } from '../../scripts/requires.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const skip = existsSync('/proc/net/ip_vs')
  ? requires('root', 'linux', 'nft', 'ip', 'nsenter', 'ipvsadm')
  : 'this kernel has no IPVS: integration/vm runs these tests in one that has'

/** A server that answers each line with it, and a client that sends one every 50 ms and prints what comes back. */
const echo = `require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(8081, '::', () => console.log('ready'))`
const talk = (host: string, port: number) =>
  `const s = require('net').connect(${port}, '${host}'); let n = 0; setInterval(() => s.write(++n + '\\n'), 50); s.on('data', (d) => process.stdout.write(d)); s.on('close', () => process.exit(1))`

/** Looks come every second, but take no more than a thirtieth of the time: seconds apart where the processor is emulated. */
const mendedMs = 10_000

describe('mode ipvs on a node', { skip }, () => {
  let world: World
  let pods: PodInWorld[]
  let client: PodInWorld
  let proxy: RunningProxy
  let ip = ''
  const vip = '203.0.113.1'
  const node = 'rs-test-proxy-ipvs-node-1'
  const run = (...argv: string[]) => world.run(node, argv)
  const servers = async () => (await run('ipvsadm', '-Sn')).split('\n').map((line) => line.trim())
  const targets = async (name: string) =>
    (await servers())
      .filter((line) => line.startsWith(`-a ${name} `))
      .map((line) => line.slice(`-a ${name} -r `.length))
  const start = () => world.startProxy('node-1', '--proxy-mode=ipvs', '--sync-period=10m')
  const stranger = ['-t', '192.0.2.77:99']

  before(async () => {
    world = await startWorld('test-proxy-ipvs')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    client = await world.addPod('client', 'node-1')
    proxy = await start()
    const service = await world.service('web', { type: 'LoadBalancer', ipFamilyPolicy: 'PreferDualStack' })
    ip = service.spec.clusterIP ?? ''
    await world.status('web', { loadBalancer: { ingress: [{ ip: vip }] } })
    await world.endpoints('web', pods, service.spec.ports)
    await eventually(() => client.agent.spread('tcp', vip, 80), ['a', 'b'])
    await run('ipvsadm', '-A', ...stranger, '-s', 'rr')
  })
  after(() => world?.close())

  test('what listens on the node is not reached by the addresses of Services', async () => {
    assert.equal((await client.agent.http(`http://${world.nodeIp('node-1')}:10256/livez`)).status, 200)
    for (const address of [ip, vip]) assert.equal(await client.agent.tcp(address, 10_256), 'ECONNREFUSED')
  })

  test('a proxy that starts again takes over what is there: 0 requests fail and nothing is written', async () => {
    const load = client.agent.load(vip, 80, { perSecond: 50, forMs: 4000 })
    await proxy.end('SIGKILL')
    proxy = await start()
    const { sent, failures } = await load
    assert.deepEqual(failures, [])
    assert.ok(sent > 100, `${sent} sent`)
    assert.doesNotMatch(proxy.log(), /rules written/)
  })

  for (const [what, commands] of Object.entries({
    'a virtual server': () => [['ipvsadm', '-D', '-t', `${ip}:80`]],
    'all virtual servers': () => [
      ['ipvsadm', '-C'],
      ['ipvsadm', '-A', ...stranger, '-s', 'rr'],
    ],
    'the dummy interface': () => [['ip', 'link', 'delete', 'roadstead-ipvs0']],
    'the table': () => [['nft', 'delete', 'table', 'ip', 'roadstead-ipvs']],
  })) {
    test(`${what} that somebody takes away comes back`, async () => {
      for (const command of commands()) await run(...command)
      await eventually(() => client.agent.spread('tcp', ip, 80, 10), ['a', 'b'], mendedMs)
      await eventually(() => client.agent.spread('tcp', vip, 80, 10), ['a', 'b'])
      await eventually(() => client.agent.tcp(ip, 10_256), 'ECONNREFUSED', mendedMs)
      assert.ok((await servers()).includes(`-A ${stranger.join(' ')} -s rr`))
    })
  }

  test('a connection goes on when its endpoint leaves, while new ones are refused', async () => {
    const ports = [{ name: '', port: 7000, targetPort: 8081 }]
    const service = await world.service('echo', { ports })
    const [pod] = pods as [PodInWorld]
    const server = spawnIn(pod.place.namespace, [process.execPath, '-e', echo])
    await new Promise((resolve) => server.stdout?.once('data', resolve))
    const host = service.spec.clusterIP ?? ''
    const slice = { namespace: 'default', name: 'echo-4' }
    const endpoint = { addresses: [pod.ip], nodeName: pod.node, conditions: { ready: true } }
    await world.client.create(endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...slice, labels: { 'kubernetes.io/service-name': 'echo' } },
      addressType: 'IPv4',
      ports: [{ name: '', protocol: 'TCP', port: 8081 }],
      endpoints: [endpoint],
    })
    const at = `-t ${host}:7000`
    await eventually(async () => (await targets(at)).length, 1)
    const [target = ''] = await targets(at)
    const talking = spawnIn(client.place.namespace, [process.execPath, '-e', talk(host, 7000)])
    let last = 0
    if (talking.stdout) createInterface({ input: talking.stdout }).on('line', (line) => (last = Number(line)))
    await eventually(() => Promise.resolve(last > 3), true)
    await world.client.patch(endpointSlices, slice, { type: 'merge', body: { endpoints: [] } })
    await eventually(() => targets(at), [target.replace(/-w 1$/, '-w 0')])
    const then = last
    await eventually(() => Promise.resolve(last > then + 10), true)
    assert.equal(await client.agent.tcp(host, 7000), 'ECONNREFUSED')
    talking.kill('SIGKILL')
    server.kill('SIGKILL')
    await world.remove('echo')
    await eventually(async () => (await servers()).some((line) => line.includes(`${host}:7000`)), false)
  })

  test('a change of the external policy ends no connection of a Pod and is held for new ones', async () => {
    const address = '203.0.113.3'
    const ports = [{ name: '', port: 7001, targetPort: 8081 }]
    const policy = (externalTrafficPolicy: TrafficPolicy) => ({ spec: { externalTrafficPolicy } })
    const echoing = pods.map(({ place }) => spawnIn(place.namespace, [process.execPath, '-e', echo]))
    for (const { stdout } of echoing) await new Promise((resolve) => stdout?.once('data', resolve))
    await world.service('flip', { type: 'LoadBalancer', ports, ...policy('Local').spec })
    await world.status('flip', { loadBalancer: { ingress: [{ ip: address }] } })
    await world.endpoints('flip', pods, ports, 8081)
    await eventually(async () => (await targets(`-t ${address}:7001`)).length, 1)
    await world.edit('web', policy('Local'))
    await eventually(() => client.agent.seen('tcp', vip, 80), client.ip)
    const talking = spawnIn(client.place.namespace, [process.execPath, '-e', talk(address, 7001)])
    let last = 0
    if (talking.stdout) createInterface({ input: talking.stdout }).on('line', (line) => (last = Number(line)))
    await eventually(() => Promise.resolve(last > 3), true)
    for (const name of ['flip', 'web']) await world.edit(name, policy('Cluster'))
    await eventually(async () => (await targets(`-t ${address}:7001`)).length, 2)
    await eventually(async () => (await client.agent.seen('tcp', vip, 80)) === client.ip, false)
    const then = last
    await eventually(() => Promise.resolve(last > then + 10), true)
    for (const child of [talking, ...echoing]) child.kill('SIGKILL')
    await world.remove('flip')
  })

  test('a Pod whose endpoint leaves is sent to another one at once, also where a hash of its address chooses', async () => {
    const address = '203.0.113.2'
    const all = [...pods, await world.addPod('c', 'node-1'), await world.addPod('d', 'node-2')]
    const service = await world.service('sticky', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
    })
    await world.status('sticky', { loadBalancer: { ingress: [{ ip: address }] } })
    await world.endpoints('sticky', all, service.spec.ports)
    const names = all.map(({ name }) => name)
    await eventually(async () => names.includes(await client.agent.tcp(address, 80, { timeoutMs: 300 })), true)
    const chosen = await client.agent.tcp(address, 80)
    assert.deepEqual(await client.agent.spread('tcp', address, 80, 10), [chosen])
    const left = all.filter(({ name }) => name !== chosen)
    await world.endpoints('sticky', left, service.spec.ports)
    // What it has had is not over for IPVS yet.
    await eventually(async () => (await servers()).some((line) => /^-a -f .* -w 0$/.test(line)), true)
    const [another = ''] = await client.agent.spread('tcp', address, 80, 10)
    assert.ok(
      left.some(({ name }) => name === another),
      another,
    )
    await world.remove('sticky')
  })

  test('--cleanup removes what is ours and nothing else', async () => {
    await proxy.end('SIGKILL')
    const cli = new URL('../../cli/main.ts', import.meta.url).pathname
    await run(process.execPath, cli, 'proxy', '--cleanup')
    assert.deepEqual(
      (await servers()).filter((line) => line !== ''),
      [`-A ${stranger.join(' ')} -s rr`],
    )
    assert.doesNotMatch(await run('ip', '-oneline', 'link'), /roadstead-ipvs0/)
    assert.doesNotMatch(await run('nft', 'list', 'tables'), /roadstead/)
    proxy = await start()
    await eventually(() => client.agent.spread('tcp', vip, 80), ['a', 'b'])
  })
})
