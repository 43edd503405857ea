/** SCTP with the kernel's own sockets: whole associations with data there and back. sctp.test.ts makes packets by hand where there are none. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { after, before, describe } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runIn, spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

const main = fileURLToPath(new URL('sctp-main.ts', import.meta.url))
const targetPort = 8080
const port = 3868
/** Several packets long. */
const length = 20_000
/** A look without an answer takes some seconds. */
const within = 20_000

type Peer = Pick<PodInWorld, 'ip' | 'ip6'> & { place: { namespace: string } }

if (!existsSync('/proc/net/sctp')) {
  void describe('SCTP sockets', { skip: 'this kernel has no SCTP sockets: integration/vm runs this in one that has' })
} else {
  describeEachMode('SCTP sockets', (mode, test) => {
    let world: World
    let pods: PodInWorld[]
    let client: PodInWorld
    const children: ChildProcess[] = []
    const outside: Peer = {
      place: { namespace: 'rs-test-proxy-scs-client' },
      ip: '198.51.100.10',
      ip6: '2001:db8:64::10',
    }

    before(async () => {
      world = await startWorld('test-proxy-scs')
      pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
      client = await world.addPod('client', 'node-1')
      await Promise.all(
        pods.flatMap(({ place, name, ip, ip6 }) => [ip, ip6].map((at) => answer(place.namespace, at, name))),
      )
      await Promise.all(['node-1', 'node-2'].map((node) => world.startProxy(node, ...mode.flags)))
    })
    after(async () => {
      await Promise.all(
        children.map((child) => {
          const ended = exitOf(child)
          child.kill('SIGKILL')
          return ended
        }),
      )
      await world?.close()
    })

    const answer = async (namespace: string, address: string, name: string) => {
      const child = spawnIn(namespace, [process.execPath, main, 'answer', address, String(targetPort), name])
      children.push(child)
      await new Promise<void>((resolve, reject) => {
        child.stdout?.once('data', () => resolve())
        child.once('exit', (code) => reject(new Error(`no SCTP server: ${code}`)))
      })
    }
    /** Who answered in each of eight associations and whom it saw, or what went wrong. */
    const ask = async (from: Peer, host: string, to: number) => {
      const own = host.includes(':') ? from.ip6 : from.ip
      const argv = [process.execPath, main, 'ask', own, host, to, length, 8].map(String)
      const { code, stdout, stderr } = await runIn(from.place.namespace, argv)
      assert.equal(code, 0, stderr)
      const names = new Set<string>()
      const seen = new Set<string>()
      for (const line of stdout.trim().split('\n')) {
        const [name = '', peer = '', received = ''] = line.split(' ')
        names.add(received === String(length) ? name : line)
        seen.add(peer)
      }
      return { names: [...names].sort(), seen: [...seen] }
    }
    const spread = async (...to: Parameters<typeof ask>) => (await ask(...to)).names

    test('associations carry data through a ClusterIP and a node port, of both families', async () => {
      const service = await world.service('sctp', {
        type: 'NodePort',
        ipFamilyPolicy: 'PreferDualStack',
        ports: [{ name: 's', port, targetPort, protocol: 'SCTP' }],
      })
      await world.endpoints('sctp', pods, service.spec.ports)
      const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
      for (const ip of service.spec.clusterIPs ?? []) {
        await eventually(() => spread(client, ip, port), ['a', 'b'], within)
        const own = ip.includes(':') ? client.ip6 : client.ip
        assert.deepEqual((await ask(client, ip, port)).seen, [expanded(own)], 'a Pod is seen as itself')
      }
      for (const family of ['IPv4', 'IPv6'] as const) {
        await eventually(() => spread(outside, world.nodeIp('node-2', family), nodePort), ['a', 'b'], within)
      }
    })

    test('under policy Local a node port leads to the endpoint of the node, which sees who asks', async () => {
      const service = await world.service('sctp-local', {
        type: 'NodePort',
        ipFamilyPolicy: 'PreferDualStack',
        externalTrafficPolicy: 'Local',
        ports: [{ name: 's', port, targetPort, protocol: 'SCTP' }],
      })
      await world.endpoints('sctp-local', pods, service.spec.ports)
      const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
      for (const [family, own] of [
        ['IPv4', outside.ip],
        ['IPv6', outside.ip6],
      ] as const) {
        await eventually(() => spread(outside, world.nodeIp('node-2', family), nodePort), ['b'], within)
        assert.deepEqual((await ask(outside, world.nodeIp('node-2', family), nodePort)).seen, [expanded(own)])
      }
    })
  })
}

/** As sctp-main.ts prints addresses. */
function expanded(address: string): string {
  if (!address.includes(':')) return address
  const [left = '', right = ''] = address.split('::')
  const groups = (text: string) => text.split(':').filter((group) => group !== '')
  const zeros = Array<string>(8 - groups(left).length - groups(right).length).fill('0')
  return [...groups(left), ...zeros, ...groups(right)].join(':')
}
