import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { UsageError } from '../../kube/flags.ts'
import { clusterIpRanges, listenAddress, nodePortRange, run } from './command.ts'

function io() {
  const stop = new AbortController()
  const out: string[] = []
  return {
    out,
    stop,
    io: { env: {}, signal: stop.signal, stdout: (text: string) => void out.push(text), stderr: () => {} },
  }
}

describe('roadstead apiserver', () => {
  test('writes a private kubeconfig when it is ready, serves, and ends with the signal', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'roadstead-command-'))
    const file = join(folder, 'kubeconfig')
    const { io: streams, out, stop } = io()
    let ready = () => {}
    const printed = new Promise<void>((resolve) => {
      ready = resolve
    })
    const stdout = (text: string) => {
      out.push(text)
      ready()
    }
    const running = run(['--kubeconfig', file, '--enable-faults'], { ...streams, stdout })
    await printed
    const written = parse(await readFile(file, 'utf8')) as { clusters: { cluster: { server: string } }[] }
    const url = written.clusters[0]?.cluster.server ?? ''
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.equal(out.length, 1)
    assert.equal(await (await fetch(`${url}/readyz`)).text(), 'ok')
    const cleared = await fetch(`${url}/_faults`, { method: 'POST', body: '{"clear":true}' })
    assert.equal(cleared.status, 200)
    stop.abort()
    assert.equal(await running, 0)
    await assert.rejects(fetch(`${url}/readyz`))
    await rm(folder, { recursive: true })
  })

  test('mistakes in flags are usage errors and start nothing', async () => {
    for (const argv of [
      [],
      ['--kubeconfig', '/nonexistent/folder/file'],
      ['--kubeconfig', '/tmp/x', '--nope'],
      ['--kubeconfig', '/tmp/x', '--listen', 'here'],
      ['--kubeconfig', '/tmp/x', '--listen', '127.0.0.1:70000'],
      ['--kubeconfig', '/tmp/x', '--service-cluster-ip-range', '10.96.0.0'],
      ['--kubeconfig', '/tmp/x', '--service-node-port-range', '5-4'],
    ]) {
      await assert.rejects(run(argv, io().io), UsageError, argv.join(' '))
    }
  })

  test('addresses and ranges are read', () => {
    assert.deepEqual(listenAddress('[::1]:80'), { host: '::1', port: 80 })
    assert.deepEqual(listenAddress('unix:/run/x.sock'), { socketPath: '/run/x.sock' })
    assert.deepEqual(clusterIpRanges('fd00::/112, 10.0.0.0/16'), ['fd00::/112', '10.0.0.0/16'])
    assert.throws(() => clusterIpRanges('10.0.0.0/16,10.1.0.0/16'), UsageError)
    assert.throws(() => clusterIpRanges('10.0.0.0/8'), UsageError)
    assert.deepEqual(nodePortRange('100-200'), { from: 100, to: 200 })
  })
})
