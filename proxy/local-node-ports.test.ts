import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { silent } from '../kube/log.ts'
import type { Service } from '../kube/objects.ts'
import { createLocalNodePorts, type LocalNodePort, localNodePorts } from './local-node-ports.ts'
import { node, service } from './rules/testing.ts'

const none = new Map<string, string>()

function planned(
  spec: Partial<Service['spec']>,
  rules: ReadonlyMap<string, string> = none,
  addresses = node.nodePortAddresses,
) {
  return localNodePorts('default/web', service(spec), ['ip', 'ip6'], addresses, rules).map(
    ({ place, to }) => `${place} -> ${to.host}:${to.port}`,
  )
}

describe('node ports on loopback addresses', () => {
  const ports = [{ port: 80, nodePort: 30_080, protocol: 'TCP' as const }]

  test('lead to the node port at the primary address, so that its policies hold', () => {
    assert.deepEqual(planned({ type: 'NodePort', ports }), ['127.0.0.1:30080 -> 172.18.0.11:30080'])
    assert.deepEqual(planned({ type: 'LoadBalancer', ports }), ['127.0.0.1:30080 -> 172.18.0.11:30080'])
  })

  test('in each family of the Service; where the kernel has no node port, to the ClusterIP', () => {
    assert.deepEqual(planned({ type: 'NodePort', ports, clusterIPs: ['10.96.0.1', 'fd00::1'] }), [
      '127.0.0.1:30080 -> 172.18.0.11:30080',
      '::1:30080 -> fd00::1:80',
    ])
  })

  test('not for UDP, ClusterIPs, Services of others, ports without endpoints', () => {
    assert.deepEqual(planned({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080, protocol: 'UDP' }] }), [])
    assert.deepEqual(planned({ ports }), [])
    assert.deepEqual(planned({ type: 'NodePort', ports: [{ port: 80 }] }), [])
    assert.deepEqual(planned({ type: 'NodePort', ports, clusterIPs: ['None'] }), [])
    assert.deepEqual(planned({ type: 'NodePort', ports }, new Map([['ip no-ep 10.96.0.1 . tcp . 80', '']])), [])
  })
})

/** A Service that is a server in this process, and its node port on the loopback address. */
async function running(serve: (socket: Socket) => void) {
  const accepted = new Set<Socket>()
  const upstream = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.add(socket)
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port: target } = upstream.address() as AddressInfo
  const port = await freePort()
  const objects = new Map([
    [
      'default/web',
      service({ type: 'NodePort', clusterIPs: ['127.0.0.1'], ports: [{ port: target, nodePort: port }] }),
    ],
  ])
  const failures: LocalNodePort[] = []
  const rules = new Map<string, string>()
  const local = createLocalNodePorts({
    families: ['ip'],
    view: { serviceKeys: () => objects.keys(), service: (key) => objects.get(key) },
    nodeAddresses: () => [],
    rules: () => rules,
    log: silent,
    onFailure: (wanted) => failures.push(wanted),
  })
  local.markAll()
  const settle = async () => {
    local.settled()
    local.written()
    await local.idle()
  }
  return {
    port,
    objects,
    rules,
    refused: `ip no-ep 127.0.0.1 . tcp . ${target}`,
    local,
    settle,
    failures,
    connect: () => connect({ host: '127.0.0.1', port, allowHalfOpen: true }),
    async [Symbol.asyncDispose]() {
      await local.close()
      const over = closed(upstream)
      // One that is paused never notices that the other side has gone.
      for (const socket of accepted) socket.destroy()
      await over
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await closed(server)
  return port
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

async function errorOf(socket: Socket): Promise<unknown> {
  const [error] = (await once(socket.on('end', () => socket.end()).resume(), 'error')) as [NodeJS.ErrnoException]
  return error.code
}

describe('a connection through a node port on the loopback address', () => {
  test('a side that has ended still hears the other one', async () => {
    await using world = await running((socket) => {
      void text(socket).then((heard) => socket.end(`heard ${heard}`))
    })
    await world.settle()
    const socket = world.connect()
    socket.end('hello')
    assert.equal(await text(socket), 'heard hello')
  })

  test('who sends faster than the other side takes has to wait', async () => {
    await using world = await running((socket) => socket.pause())
    await world.settle()
    const socket = world.connect().on('error', () => {})
    await once(socket, 'connect')
    const chunk = Buffer.alloc(1024 * 1024)
    let sent = 0
    while (socket.write(chunk) || (await drained(socket))) sent += chunk.length
    assert.ok(sent < 64 * chunk.length, `${sent} bytes are under way`)
    socket.destroy()
  })

  test('a reset is passed on', async () => {
    await using world = await running((socket) => socket.once('data', () => socket.resetAndDestroy()))
    await world.settle()
    const socket = world.connect()
    socket.write('x')
    assert.equal(await errorOf(socket), 'ECONNRESET')
  })

  test('a Service that refuses resets it', async () => {
    await using world = await running(() => {})
    world.objects.set(
      'default/web',
      service({ type: 'NodePort', clusterIPs: ['127.0.0.1'], ports: [{ port: 1, nodePort: world.port }] }),
    )
    await world.settle()
    const socket = world.connect()
    socket.write('x')
    assert.match(String(await errorOf(socket)), /ECONNRESET|EPIPE/)
  })

  test('opened when the rules for the endpoint are in the kernel, also if it came while others were being written', async () => {
    await using world = await running((socket) => socket.end('served'))
    world.rules.set(world.refused, '')
    world.local.settled()
    // While these are being written the endpoint comes; the rules for it are worked out later.
    world.local.mark('default/web')
    world.local.written()
    await world.local.idle()
    assert.equal(await errorOf(world.connect()), 'ECONNREFUSED')
    world.rules.clear()
    world.local.settled()
    await world.local.idle()
    assert.equal(await errorOf(world.connect()), 'ECONNREFUSED', 'not written yet')
    world.local.written()
    await world.local.idle()
    const socket = world.connect()
    socket.end()
    assert.equal(await text(socket), 'served')
  })

  test('closed when the Service goes; what is under way goes on', async () => {
    await using world = await running((socket) => socket.pipe(socket))
    await world.settle()
    const socket = world.connect()
    await once(socket, 'connect')
    world.objects.clear()
    world.local.markAll()
    await world.settle()
    assert.equal(await errorOf(world.connect()), 'ECONNREFUSED')
    socket.end('still here')
    assert.equal(await text(socket), 'still here')
  })

  test('a port that is taken is told once and opened when it is free', async () => {
    await using world = await running((socket) => socket.end('served'))
    const other = createServer().listen(world.port, '127.0.0.1')
    await once(other, 'listening')
    await world.settle()
    world.local.retry()
    await world.local.idle()
    assert.deepEqual(
      world.failures.map(({ place }) => place),
      [`127.0.0.1:${world.port}`],
    )
    await closed(other)
    world.local.retry()
    await world.local.idle()
    const socket = world.connect()
    socket.end()
    assert.equal(await text(socket), 'served')
  })
})

/** False when the buffers are full for good: nobody reads. */
function drained(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const stuck = setTimeout(() => resolve(false), 150)
    socket.once('drain', () => {
      clearTimeout(stuck)
      resolve(true)
    })
  })
}
