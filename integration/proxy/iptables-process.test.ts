/** A proxy in mode iptables that is killed and started again, or whose rules others change: what traffic and others' rules notice of it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { requires } from '../../scripts/requires.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const flag = '--proxy-mode=iptables'

describe('the proxy as a process, mode iptables', {
  skip: requires('root', 'linux', 'iptables', 'ip', 'nsenter'),
}, () => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy
  const vip = '203.0.113.1'
  const node = 'rs-test-proxy-ipt-node-1'
  const iptables = (...argv: string[]) => world.run(node, ['iptables-legacy', '-w', '5', ...argv])
  const saved = async () =>
    (await Promise.all(['iptables', 'ip6tables'].map((name) => world.run(node, [`${name}-legacy-save`]))))
      .join('')
      .replaceAll(/^#.*\n| \[\d+:\d+\]$/gm, '')
  const writes = () => proxy.log().split('rules written').length - 1

  before(async () => {
    world = await startWorld('test-proxy-ipt')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    // The look every now and then must not be what finds changes by others.
    proxy = await world.startProxy('node-1', flag, '--sync-period=10m')
    const service = await world.service('web', {
      type: 'LoadBalancer',
      sessionAffinity: 'None',
      ipFamilyPolicy: 'PreferDualStack',
    })
    await world.status('web', { loadBalancer: { ingress: [{ ip: vip }] } })
    await world.endpoints('web', pods, service.spec.ports)
    await eventually(() => world.onNode['node-1']?.spread('tcp', vip, 80) ?? Promise.resolve([]), ['a', 'b'])
    await world.routeAddress(vip, 'node-1')
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })
  after(() => world?.close())

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`0 requests fail while it is ended by ${signal} and started again, and nothing is written`, async () => {
      const load = world.outside.load(vip, 80, { perSecond: 200, forMs: 2500 })
      const before = await saved()
      await proxy.end(signal)
      proxy = await world.startProxy('node-1', flag, '--sync-period=10m')
      const { sent, failures, names } = await load
      assert.deepEqual(failures, [])
      assert.ok(sent > 400, `${sent} sent`)
      assert.deepEqual(Object.keys(names).sort(), ['a', 'b'])
      assert.doesNotMatch(proxy.log(), /rules written/)
      assert.equal(await saved(), before)
    })
  }

  test('0 requests fail while endpoints come and go, and only what differs is written', async () => {
    const [a, b] = pods as [PodInWorld, PodInWorld]
    const load = world.outside.load(vip, 80, { perSecond: 200, forMs: 2500 })
    for (const endpoints of [[a], [a, b], [b], [b, a]]) {
      await world.endpoints('web', endpoints)
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
    assert.deepEqual((await load).failures, [])
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })

  const tampering: Record<string, string[][]> = {
    'a flushed table': [['-t', 'nat', '-F']],
    'a flushed chain of ours': [['-t', 'filter', '-F', 'ROADSTEAD-REFUSE']],
    'a jump that is deleted': [['-t', 'nat', '-D', 'OUTPUT', '-j', 'ROADSTEAD-SERVICES']],
    'a jump that is doubled': [['-t', 'filter', '-I', 'INPUT', '-j', 'ROADSTEAD-INPUT']],
    'a rule put into a chain of ours': [['-t', 'nat', '-I', 'ROADSTEAD-SERVICES', '-p', 'tcp', '-j', 'RETURN']],
    'a chain with our name': [['-t', 'nat', '-N', 'ROADSTEAD-STRANGER']],
    'everything deleted': [
      ['-t', 'nat', '-F'],
      ['-t', 'nat', '-X'],
      ['-t', 'filter', '-F'],
      ['-t', 'filter', '-X'],
    ],
  }
  for (const [name, commands] of Object.entries(tampering)) {
    test(`${name} is undone`, async (t) => {
      const sorted = async () => (await saved()).split('\n').sort().join('\n')
      const before = await sorted()
      for (const command of commands) await iptables(...command)
      const started = performance.now()
      await eventually(async () => (await sorted()) === before, true, 10_000)
      t.diagnostic(`${Math.round(performance.now() - started)} ms, listing included`)
      assert.match(await world.outside.tcp(vip, 80), /^[ab]$/)
    })
  }

  test('rules of others, in front of ours as well, stay where they are and cost nothing', async () => {
    await iptables('-t', 'nat', '-I', 'PREROUTING', '-p', 'tcp', '--dport', '9', '-j', 'RETURN')
    await iptables('-N', 'SOMEBODY')
    await iptables('-A', 'FORWARD', '-j', 'SOMEBODY')
    // The test before ends when the rules are back, which may be a moment before the proxy has looked at them once more.
    let seen = -1
    while (seen !== writes()) {
      seen = writes()
      await new Promise((resolve) => setTimeout(resolve, 1500))
    }
    const before = { saved: await saved(), writes: writes() }
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.deepEqual({ saved: await saved(), writes: writes() }, before)
    await iptables('-t', 'filter', '-F', 'ROADSTEAD-REFUSE')
    await eventually(saved, before.saved, 10_000)
  })

  test('metrics say how many rules there are in each table', async () => {
    const text = (await world.onNode['node-1']?.http('http://127.0.0.1:10249/metrics'))?.body ?? ''
    const count = (table: string, family: string) =>
      Number(
        new RegExp(
          `^kubeproxy_sync_proxy_rules_iptables_total\\{table="${table}",ip_family="${family}"\\} (\\d+)$`,
          'm',
        ).exec(text)?.[1],
      )
    const rules = (await world.run(node, ['iptables-legacy-save', '-t', 'nat'])).match(/^-A ROADSTEAD/gm)?.length
    assert.equal(count('nat', 'IPv4'), rules)
    assert.ok(count('filter', 'IPv6') > 5)
  })

  test('where FORWARD drops by default, what is masqueraded is let through, there and back', async () => {
    const service = await world.service('strict', { type: 'NodePort' })
    await world.endpoints('strict', pods)
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
    await iptables('-P', 'FORWARD', 'DROP')
    await eventually(() => world.outside.spread('tcp', world.nodeIp('node-1'), nodePort), ['a', 'b'])
    const [a, b] = pods as [PodInWorld, PodInWorld]
    assert.equal(await a.agent.tcp(b.ip, 8080, { timeoutMs: 300 }), 'TIMEOUT', 'nothing else is')
    await iptables('-P', 'FORWARD', 'ACCEPT')
  })

  test('where INPUT drops by default, health check node ports are answered', async () => {
    const service = await world.service('checked', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
    await world.endpoints('checked', pods)
    const port = service.spec.healthCheckNodePort ?? 0
    const status = async (at: number) => (await world.outside.http(`http://${world.nodeIp('node-1')}:${at}/`)).status
    await eventually(() => status(port), 200)
    await iptables('-A', 'INPUT', '-i', 'lo', '-j', 'ACCEPT')
    await iptables('-P', 'INPUT', 'DROP')
    assert.equal(await status(port), 200)
    assert.equal(await status(10_256), 0, 'nothing else is')
    await iptables('-P', 'INPUT', 'ACCEPT')
    await iptables('-D', 'INPUT', '-i', 'lo', '-j', 'ACCEPT')
  })

  test('where IPv6 cannot be done, /healthz says nothing of it and IPv4 works', async () => {
    const health = async () => {
      const { status, body } = (await world.onNode['node-1']?.http('http://127.0.0.1:10256/healthz')) ?? {}
      return [status, status === 200 ? Object.keys((JSON.parse(body ?? '') as { status?: object }).status ?? {}) : []]
    }
    assert.deepEqual(await health(), [200, ['IPv4', 'IPv6']])
    await proxy.end('SIGTERM')
    const folder = await mkdtemp(join(tmpdir(), 'programs-'))
    for (const name of ['iptables', 'iptables-save', 'iptables-restore']) {
      await symlink(`/usr/sbin/${name.replace('iptables', 'iptables-legacy')}`, join(folder, name))
    }
    const { spawnargs } = proxy.child
    const child = spawnIn(node, ['env', `PATH=${folder}`, ...spawnargs.slice(spawnargs.indexOf(process.execPath))])
    try {
      await eventually(health, [200, ['IPv4']], 15_000)
      assert.deepEqual(await world.outside.spread('tcp', vip, 80), ['a', 'b'])
    } finally {
      const ended = exitOf(child)
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true })
    }
  })
})
