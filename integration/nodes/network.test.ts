import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { listNamespaces, runIn, spawnIn } from '../../sandbox/nodes/netns.ts'
import type { Network } from '../../sandbox/nodes/network.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { bridgeAddress, namespaceOf, outsideAddress, type PodPlace } from '../../sandbox/nodes/topology.ts'
import { requires } from '../../scripts/requires.ts'
import { withNetwork } from './testing.ts'

const skip = requires('linux', 'root', 'ip', 'nsenter')
const images = join(import.meta.dirname, '../../sandbox/nodes/images')
const name = 'it-net'

describe('network', { skip, timeout: 60_000 }, () => {
  let network: Network
  let pods: PodPlace[]
  let untouched: string
  let finish: () => void
  let done: Promise<void>

  before(async () => {
    untouched = ownNetwork()
    const started = Promise.withResolvers<void>()
    const finished = Promise.withResolvers<void>()
    finish = finished.resolve
    done = withNetwork(name, 2, async (made) => {
      network = made
      pods = [await made.addPod('node-1', '00000000a1'), await made.addPod('node-2', '00000000a2')]
      for (const pod of pods) await echoIn(pod.namespace, pod.node)
      started.resolve()
      await finished.promise
    })
    await Promise.race([started.promise, done])
  })
  after(async () => {
    finish()
    await done
  })

  const client = namespaceOf(name, 'client')
  for (const family of ['IPv4', 'IPv6'] as const) {
    const pod = (index: number) => pods[index]?.addresses[family] ?? ''
    test(`${family}: the client reaches a Pod through balancer, router and node, and is seen as itself`, async () =>
      assert.deepEqual(await ask(client, pod(1)), { pod: 'node-2', client: outsideAddress('client', family) }))

    test(`${family}: a Pod reaches a Pod of another node with its own address`, async () =>
      assert.deepEqual(await ask(pods[0]?.namespace ?? '', pod(1)), { pod: 'node-2', client: pod(0) }))

    test(`${family}: a node reaches its own Pod from its gateway address`, async () =>
      assert.equal((await ask(namespaceOf(name, 'node-1'), pod(0))).client, network.node('node-1')?.gateways[family]))

    test(`${family}: a Pod reaches the control plane's address`, async () =>
      assert.match(await failure(pods[0]?.namespace ?? '', bridgeAddress('cp', family)), /ECONNREFUSED/))

    test(`${family}: an address of the pool that nobody serves is unreachable`, async () =>
      assert.match(
        await failure(client, family === 'IPv4' ? '203.0.113.9' : '2001:db8:113::9'),
        /EHOSTUNREACH|ENETUNREACH/,
      ))
  }

  test('a relay in a namespace carries TCP to a unix socket of the machine, another one the other way', async () => {
    const api = createServer((socket) => socket.end('machine'))
    const apiSocket = join(network.instance.folder, 'api.sock')
    await new Promise<void>((resolve) => api.listen(apiSocket, resolve))
    const inward = await relayIn('cp', [`tcp:${bridgeAddress('cp', 'IPv4')}:6443`, `unix:${apiSocket}`])
    const publishSocket = join(network.instance.folder, 'publish.sock')
    const outward = await relayIn('client', [`unix:${publishSocket}`, `tcp:${bridgeAddress('cp', 'IPv4')}:6443`])
    try {
      assert.equal(await readAll(publishSocket), 'machine')
    } finally {
      for (const relay of [inward, outward]) {
        relay.kill('SIGTERM')
        assert.deepEqual(await exitOf(relay), { code: 0, signal: null })
      }
      await new Promise((resolve) => api.close(resolve))
    }
  })

  test('a Pod sees the files that were bound for it, and its host name', async () => {
    const result = await runIn(pods[0]?.namespace ?? '', ['sh', '-c', 'hostname; cat /etc/resolv.conf'], {
      binds: { '/etc/resolv.conf': '/etc/hostname' },
      hostname: 'web-1',
    })
    assert.equal(result.stdout, `web-1\n${readFileSync('/etc/hostname', 'utf8')}`)
  })

  test("the machine's own interfaces and forwarding are as before", () => assert.equal(ownNetwork(), untouched))

  test('a Pod that is removed takes its address and its processes along', async () => {
    const pod = await network.addPod('node-1', '00000000b1')
    const process = spawnIn(pod.namespace, ['sleep', '60'])
    await network.removePod(pod)
    assert.equal((await exitOf(process)).signal, 'SIGKILL')
    assert.ok(!listNamespaces().includes(pod.namespace))
    await network.removePod(pod)
    const next = await network.addPod('node-1', '00000000b2')
    assert.notEqual(next.addresses.IPv4, pod.addresses.IPv4)
    await network.removePod(next)
  })

  test('nodes that come and go do not cut off the others', async () => {
    for (let round = 0; round < 4; round += 1) {
      const node = await network.addNode()
      assert.equal((await ask(client, pods[1]?.addresses.IPv4 ?? '')).pod, 'node-2')
      await network.removeNode(node.name)
      assert.equal((await ask(client, pods[1]?.addresses.IPv6 ?? '')).pod, 'node-2')
    }
  })

  test('a node that joins is reachable, one that left is not', async () => {
    const node = await network.addNode()
    assert.equal(node.name, 'node-3')
    const pod = await network.addPod('node-3', '00000000c1')
    await echoIn(pod.namespace, 'node-3')
    assert.equal((await ask(client, pod.addresses.IPv4 ?? '')).pod, 'node-3')
    await network.removeNode('node-3')
    assert.deepEqual(
      listNamespaces().filter((other) => other.includes(`${name}-node-3`) || other === pod.namespace),
      [],
    )
    assert.match(await failure(client, pod.addresses.IPv4 ?? ''), /EHOSTUNREACH|ENETUNREACH/)
  })
})

/** Names of interfaces, forwarding and addresses of the namespace that the tests run in. */
function ownNetwork(): string {
  const interfaces = readFileSync('/proc/net/dev', 'utf8').matchAll(/^ *(\S+):/gm)
  const settings = ['/proc/sys/net/ipv4/ip_forward', '/proc/net/if_inet6', '/proc/net/route'].map((file) =>
    readFileSync(file, 'utf8'),
  )
  return JSON.stringify([[...interfaces].map(([, device]) => device), settings])
}

/** The echo image in a namespace; it dies with this process or with the namespace. */
async function echoIn(namespace: string, pod: string): Promise<void> {
  const env = { PATH: process.env['PATH'], POD_NAME: pod }
  const child = spawnIn(namespace, [process.execPath, join(images, 'echo-main.ts')], { env })
  await new Promise((resolve) =>
    child.stdout?.on('data', (text: Buffer) => text.includes('HTTP') && resolve(undefined)),
  )
}

async function relayIn(role: string, addresses: string[]): Promise<ChildProcess> {
  const argv = [process.execPath, join(images, '../relay-main.ts'), ...addresses]
  const relay = spawnIn(namespaceOf(name, role), argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    relay.stdout?.once('data', resolve)
    relay.once('exit', reject)
  })
  return relay
}

function readAll(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    connect(socketPath)
      .on('data', (chunk) => {
        text += chunk.toString()
      })
      .on('end', () => resolve(text))
      .on('error', reject)
  })
}

async function ask(from: string, address: string): Promise<{ pod: string; client: string }> {
  const report = await probe(from, address)
  assert.deepEqual(report.failures, {})
  return { pod: Object.keys(report.answers)[0] ?? '', client: Object.keys(report.clients)[0] ?? '' }
}

async function failure(from: string, address: string): Promise<string> {
  return Object.keys((await probe(from, address)).failures).join(' ')
}

async function probe(from: string, address: string) {
  const host = address.includes(':') ? `[${address}]` : address
  const argv = [process.execPath, join(images, 'probe-main.ts'), 'http', `http://${host}:8080/`, '--timeout-ms=5000']
  const { stdout } = await runIn(from, argv)
  return JSON.parse(stdout) as Record<'answers' | 'clients' | 'failures', Record<string, number>>
}
