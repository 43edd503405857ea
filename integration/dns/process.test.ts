/** The DNS process against the sandbox's API server and controllers over real sockets: from objects to answers. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../kube/clock.ts'
import { plainConnection } from '../../kube/connection.ts'
import { createHttpClient } from '../../kube/http-client.ts'
import { silent } from '../../kube/log.ts'
import * as types from '../../kube/resources.ts'
import { startApiServer } from '../../sandbox/apiserver/server.ts'
import { startControllers } from '../../sandbox/controllers/controllers.ts'
import { node, pod, service } from '../../sandbox/controllers/testing.ts'
import { dnsManifests } from '../../sandbox/dns/manifests.ts'

const program = fileURLToPath(new URL('../../sandbox/dns/dns-main.ts', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Repeats until it does not throw, for at most five seconds. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const until = Date.now() + 5000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > until) throw error
      await wait(20)
    }
  }
}

function dnsProcess(...args: string[]): ChildProcess {
  return spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function output(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'exit')) as [number | null]
  return { code, stderr }
}

describe('the DNS process', () => {
  test('answers for a cluster and follows it', async () => {
    const api = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    const client = createHttpClient(plainConnection(api.url))
    const controllers = startControllers({ client, clock: systemClock, random: Math.random, log: silent })
    const [port, readyPort] = [await freePort(), await freePort()]
    const child = dnsProcess(
      `--server=${api.url}`,
      `--listen=127.0.0.1:${port}`,
      `--ready-listen=127.0.0.1:${readyPort}`,
    )
    const resolver = new Resolver({ timeout: 1000, tries: 1 })
    resolver.setServers([`127.0.0.1:${port}`])
    try {
      await controllers.synced
      const [dnsService, dnsDeployment] = dnsManifests({ address: '10.96.0.10' })
      await client.create(types.services, dnsService)
      await client.create(types.deployments, dnsDeployment)
      await eventually(async () => assert.equal((await fetch(`http://127.0.0.1:${readyPort}/ready`)).status, 200))
      assert.deepEqual(await eventually(() => resolver.resolve4('kube-dns.kube-system.svc.cluster.local')), [
        '10.96.0.10',
      ])

      await client.create(types.nodes, node(1))
      await client.create(types.services, service('db', { clusterIP: 'None' }))
      await client.create(types.pods, pod('db-0', { nodeName: 'node-1', hostname: 'db-0', subdomain: 'db' }))
      const status = {
        phase: 'Running',
        podIP: '10.244.1.9',
        podIPs: [{ ip: '10.244.1.9' }],
        conditions: [{ type: 'Ready', status: 'True' }],
      }
      const at = { namespace: 'default', name: 'db-0' }
      await client.patch(types.pods, at, { type: 'merge', body: { status } }, { subresource: 'status' })
      assert.deepEqual(await eventually(() => resolver.resolve4('db-0.db.default.svc.cluster.local')), ['10.244.1.9'])
      assert.deepEqual(await resolver.reverse('10.244.1.9'), ['db-0.db.default.svc.cluster.local'])

      await client.remove(types.pods, at, { gracePeriodSeconds: 0 })
      await eventually(() => assert.rejects(resolver.resolve4('db.default.svc.cluster.local'), { code: 'ENOTFOUND' }))
    } finally {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      const [code] = await exited
      resolver.cancel()
      await controllers.stop()
      client.close()
      await api.close()
      assert.equal(code, 0)
    }
  })

  test('says not ready until it has seen the cluster, and answers all the same', async () => {
    const [port, readyPort, nobody] = [await freePort(), await freePort(), await freePort()]
    const child = dnsProcess(
      `--server=http://127.0.0.1:${nobody}`,
      `--listen=127.0.0.1:${port}`,
      `--ready-listen=127.0.0.1:${readyPort}`,
    )
    const resolver = new Resolver({ timeout: 1000, tries: 1 })
    resolver.setServers([`127.0.0.1:${port}`])
    try {
      await eventually(async () => assert.equal((await fetch(`http://127.0.0.1:${readyPort}/health`)).status, 200))
      assert.equal((await fetch(`http://127.0.0.1:${readyPort}/ready`)).status, 503)
      await assert.rejects(resolver.resolve4('web.default.svc.cluster.local'), { code: 'ENOTFOUND' })
    } finally {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    }
  })

  test('told to stop, it answers on while its endpoint goes', async () => {
    const api = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    const [port, readyPort] = [await freePort(), await freePort()]
    const flags = [`--listen=127.0.0.1:${port}`, `--ready-listen=127.0.0.1:${readyPort}`, '--lameduck=0.5']
    const child = dnsProcess(`--server=${api.url}`, ...flags)
    const resolver = new Resolver({ timeout: 1000, tries: 1 })
    resolver.setServers([`127.0.0.1:${port}`])
    const readiness = async () => (await fetch(`http://127.0.0.1:${readyPort}/ready`)).status
    try {
      await eventually(async () => assert.equal(await readiness(), 200))
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await eventually(async () => assert.equal(await readiness(), 503))
      assert.deepEqual(await resolver.resolveNs('cluster.local'), ['ns.dns.cluster.local'])
      assert.deepEqual(await exited, [0, null])
    } finally {
      child.kill('SIGKILL')
      await api.close()
    }
  })

  const mistakes: [args: string[], message: RegExp][] = [
    [['--listen=53'], /--listen 53: want ADDRESS:PORT/],
    [['--nonsense'], /nonsense/],
    [['--lameduck=soon'], /--lameduck soon: want seconds/],
    [['--kubeconfig=/does/not/exist'], /does\/not\/exist/],
  ]
  for (const [args, message] of mistakes) {
    test(`${args.join(' ')} is one line and exit code 2`, async () => {
      const { code, stderr } = await output(dnsProcess(...args))
      assert.equal(code, 2)
      assert.match(stderr, message)
      assert.equal(stderr.trim().split('\n').length, 1)
    })
  }
})
