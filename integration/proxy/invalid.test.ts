/** A packet that conntrack calls invalid must not end the connection it seems to belong to (kubernetes#74839). */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { after, before } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ModeName } from '../../proxy/mode-names.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { describeEachMode } from './modes.ts'
import { disturb } from './raw.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const echoPort = 9090
/** Tells who connects, then echoes. */
const echo = `require('net').createServer((s) => { s.on('error', () => {})
  s.write(s.remoteAddress.replace('::ffff:', '') + ' ' + s.remotePort + '\\n'); s.pipe(s) }).listen(${echoPort}, '::', () => console.log('ready'))`
/** Connects, sends what it gets on stdin, prints what comes back, or the error. */
const talk = `const s = require('net').connect(Number(process.argv[2]), process.argv[1])
  s.on('data', (d) => process.stdout.write(d)); s.on('error', (e) => console.log(e.code)); process.stdin.pipe(s)`

/** What takes out the rules that this is about. */
const withoutRules: Readonly<Record<ModeName, readonly string[]>> = {
  nftables: ['ip', 'ip6'].map((family) => `nft flush chain ${family} roadstead invalid`),
  iptables: ['iptables-legacy', 'ip6tables-legacy'].map(
    (program) => `$(${program} -S | grep -e 'FORWARD .*INVALID' | sed 's/^-A/${program} -D/')`,
  ),
  ipvs: ['ip', 'ip6'].map((family) => `nft flush chain ${family} roadstead-ipvs invalid`),
}

describeEachMode('invalid packets', (mode, test) => {
  const node = 'rs-test-proxy-inv-node-1'
  let world: World
  let server: PodInWorld
  let client: PodInWorld
  let proxy: RunningProxy
  let ips: readonly string[] = []
  const children: ChildProcess[] = []

  before(async () => {
    world = await startWorld('test-proxy-inv')
    server = await world.addPod('server', 'node-2')
    client = await world.addPod('client', 'node-1')
    proxy = await world.startProxy('node-1', ...mode.flags)
    const child = spawnIn(server.place.namespace, [process.execPath, '-e', echo], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    await new Promise((resolve) => child.stdout?.once('data', resolve))
    const service = await world.service('long', { ipFamilyPolicy: 'PreferDualStack' })
    await world.endpoints('long', [server], service.spec.ports, echoPort)
    ips = service.spec.clusterIPs ?? []
    for (const ip of ips)
      await eventually(
        () =>
          connect(client.place.namespace, ip, 80).then(
            () => true,
            () => false,
          ),
        true,
      )
  })
  after(async () => {
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = exitOf(child)
        child.kill('SIGKILL')
        await ended
      }),
    )
    await world?.close()
  })

  const connect = async (namespace: string, host: string, port: number) => {
    const child = spawnIn(namespace, [process.execPath, '-e', talk, host, String(port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.push(child)
    let heard = ''
    child.stdout?.on('data', (part: Buffer) => (heard += part.toString()))
    await eventually(() => Promise.resolve(/^\S+ \d+\n/.test(heard)), true, 1000)
    const [address = '', from = ''] = heard.trim().split(' ')
    return {
      /** Its address and port as the server sees them. */
      address,
      port: Number(from),
      async answers(word: string) {
        child.stdin?.write(`${word}\n`)
        for (let tries = 0; tries < 20 && !heard.includes(word) && !heard.includes('ECONNRESET'); tries++)
          await sleep(50)
        return heard.includes(word)
      },
    }
  }
  /** Whether the connection survives. */
  const disturbed = async (connection: Awaited<ReturnType<typeof connect>>) => {
    assert.equal(await connection.answers('before'), true)
    const own = connection.address.includes(':') ? server.ip6 : server.ip
    const sent = await disturb(server.place.namespace, connection, { address: own, port: echoPort })
    await connection.answers('while')
    await sent()
    await sleep(200)
    return connection.answers('after')
  }

  test('a segment out of the window does not reset the connection of a Pod or of the node', async () => {
    for (const ip of ips) {
      for (const namespace of [client.place.namespace, node]) {
        assert.equal(await disturbed(await connect(namespace, ip, 80)), true, `${ip} from ${namespace}`)
      }
    }
  })

  test('without the rules for it the same segment resets the connection', async () => {
    await proxy.end('SIGTERM')
    for (const line of withoutRules[mode.name]) await world.run(node, ['sh', '-c', line])
    // IPVS translates such a segment to a Pod by itself; who is masqueraded depends on connection tracking in every mode.
    const from = mode.name === 'ipvs' ? node : client.place.namespace
    for (const ip of ips) assert.equal(await disturbed(await connect(from, ip, 80)), false, ip)
  })
})
