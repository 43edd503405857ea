/** A node whose proxy is started again in another mode, under load; what each mode leaves behind; --cleanup; a mode that cannot be used. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { endpointSlices } from '../../kube/resources.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { requires } from '../../scripts/requires.ts'
import { type TestedMode, testedModes } from './modes.ts'
import { startUdpSender, type UdpSender } from './udp-sender.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const needs = testedModes.flatMap((mode) => mode.needs)

describe('a change of the mode', { skip: requires('root', 'linux', 'ip', 'nsenter', ...needs) }, () => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy
  const vip = '203.0.113.1'
  const node = 'rs-test-proxy-mode-node-1'
  const run = (...argv: string[]) => world.run(node, argv)
  const senders: UdpSender[] = []
  const children: ChildProcess[] = []
  let connect = () => Promise.resolve()
  let echoed: (word: string) => Promise<void> = () => Promise.resolve()
  /** Modes whose rules are there. */
  const present = async () => {
    const found: string[] = []
    for (const mode of testedModes) if ((await run(...mode.listing)).includes(mode.trace)) found.push(mode.name)
    return found
  }

  before(async () => {
    world = await startWorld('test-proxy-mode')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    proxy = await world.startProxy('node-1', ...(testedModes.at(-1) as TestedMode).flags)
    const service = await world.service('web', { type: 'LoadBalancer' })
    await world.status('web', { loadBalancer: { ingress: [{ ip: vip }] } })
    await world.endpoints('web', pods, service.spec.ports)
    await eventually(() => world.onNode['node-1']?.spread('tcp', vip, 80) ?? Promise.resolve([]), ['a', 'b'])
    await world.routeAddress(vip, 'node-1')
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
    await beginFlows()
  })
  after(async () => {
    await Promise.all(senders.map((sender) => sender.stop()))
    for (const child of children) child.kill('SIGKILL')
    await world?.close()
  })

  /** UDP from a Pod, and a connection from outside, that go on through everything below. */
  const beginFlows = async () => {
    const [a, b] = pods as [PodInWorld, PodInWorld]
    const ports = [
      { name: 'dns', port: 53, targetPort: 8080, protocol: 'UDP' as const },
      { name: 'echo', port: 7, targetPort: 9090, nodePort: 30_007 },
    ]
    const { spec } = await world.service('flows', { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack', ports })
    await world.endpoints('flows', [a, b], ports.slice(0, 1))
    await world.endpoints('echo', [b], ports.slice(1), 9090)
    for (const suffix of ['4', '6']) {
      const labels = { 'kubernetes.io/service-name': 'flows' }
      const at = { namespace: 'default', name: `echo-${suffix}` }
      await world.client.patch(endpointSlices, at, { type: 'merge', body: { metadata: { labels } } })
    }
    for (const ip of spec.clusterIPs ?? []) {
      await eventually(() => a.agent.spread('udp', ip, 53), ['a', 'b'])
      senders.push(await startUdpSender(a.place.namespace, ip, 53))
    }
    const begin = async (namespace: string, script: string, ...argv: string[]) => {
      const child = spawnIn(namespace, [process.execPath, '-e', script, ...argv], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      children.push(child)
      await once(child.stdout as Readable, 'data')
      return child
    }
    const listening = `.listen(9090, '::', () => console.log('ready'))`
    await begin(b.place.namespace, `require('net').createServer((s) => s.on('error', () => {}).pipe(s))${listening}`)
    const talking = `const s = require('net').connect(30007, process.argv[1], () => console.log('connected'))
      s.on('error', (error) => console.log(error.code)).pipe(process.stdout); process.stdin.pipe(s)`
    connect = async () => {
      const client = await begin('rs-test-proxy-mode-client', talking, world.nodeIp('node-1'))
      let heard = ''
      client.stdout?.on('data', (part: Buffer) => (heard += part.toString()))
      echoed = async (word) => {
        client.stdin?.write(`${word}\n`)
        await eventually(() => Promise.resolve(heard.includes(word)), true)
      }
      await echoed('begun')
    }
    await connect()
  }

  for (const [index, mode] of testedModes.entries()) {
    const from = testedModes.at(index - 1) as TestedMode
    test(`from ${from.name} to ${mode.name}: 0 requests fail, and the rules of ${from.name} are gone`, async () => {
      assert.deepEqual(await present(), [from.name])
      const answers = senders.map((sender) => sender.heard.length)
      const load = world.outside.load(vip, 80, { perSecond: 200, forMs: 3000 })
      await proxy.end('SIGTERM')
      proxy = await world.startProxy('node-1', ...mode.flags)
      await eventually(present, [mode.name])
      const { sent, failures, names } = await load
      assert.deepEqual(failures, [])
      assert.ok(sent > 400, `${sent} sent`)
      assert.deepEqual(Object.keys(names).sort(), ['a', 'b'])
      const status = await world.onNode['node-1']?.http('http://127.0.0.1:10249/proxyMode')
      assert.equal(status?.body, mode.name)
      if (from.name === 'ipvs' && mode.name !== 'ipvs') {
        // What IPVS translates ends with it: datagrams get another way, connections have to begin again.
        for (const sender of senders) await sender.hears(/^[ab]$/)
        await sleep(500)
        for (const sender of senders) assert.match(sender.now(), /^[ab]$/)
        await connect()
        return
      }
      await echoed(`still there in mode ${mode.name}`)
      assert.deepEqual(
        senders.map((sender) => sender.heard.length),
        answers,
        'flows stay with their endpoint',
      )
    })
  }

  test('--cleanup removes the rules of every mode, and may be repeated', async () => {
    const cli = new URL('../../cli/main.ts', import.meta.url).pathname
    const cleanup = () => run(process.execPath, cli, 'proxy', '--cleanup')
    for (const mode of testedModes) {
      await proxy.end('SIGKILL')
      proxy = await world.startProxy('node-1', ...mode.flags)
      await eventually(present, [mode.name])
      await proxy.end('SIGKILL')
      await cleanup()
      assert.deepEqual(await present(), [])
    }
    await cleanup()
  })

  const machines: [string, Record<string, string>, string, RegExp][] = [
    [
      'nftables without nft',
      {},
      'nftables',
      /mode nftables cannot be used: there is no program nft: install nftables [^\n]*\n$/,
    ],
    [
      'iptables without iptables',
      { nft: 'nft' },
      'iptables',
      /mode iptables cannot be used: there is no iptables [^\n]*\n$/,
    ],
    [
      'iptables with iptables-nft beside a working nft',
      { nft: 'nft', iptables: 'iptables-nft', 'iptables-restore': 'iptables-nft-restore' },
      'iptables',
      /iptables here is iptables-nft, [^\n]*--proxy-mode=nftables[^\n]*install iptables-legacy\n$/,
    ],
  ]
  for (const [name, programs, mode, message] of machines) {
    test(`${name}: the proxy ends at once with one line that says what to do`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'programs-'))
      for (const [link, program] of Object.entries(programs)) await symlink(`/usr/sbin/${program}`, join(folder, link))
      const cli = new URL('../../cli/main.ts', import.meta.url).pathname
      const argv = ['env', `PATH=${folder}`, process.execPath, cli, 'proxy', '--master=http://127.0.0.1:6443']
      await assert.rejects(
        world.run('rs-test-proxy-mode-node-2', [...argv, `--proxy-mode=${mode}`]),
        (error: Error) => (assert.match(error.message, message), true),
      )
      await rm(folder, { recursive: true })
    })
  }
})
