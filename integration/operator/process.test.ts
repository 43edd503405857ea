/** The operator as a real process: what it refuses, how it takes and gives back the Lease, and that two of them are one. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { leases, services } from '../../kube/resources.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { startApiServer } from '../../sandbox/apiserver/server.ts'
import { absent, installCrds, loadBalancerClass, webService } from './world.ts'

const main = new URL('../../operator/main.ts', import.meta.url).pathname

function start(argv: readonly string[]) {
  const child = spawn(process.execPath, [main, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout.resume()
  const ended = once(child, 'close')
  return {
    child,
    stderr: () => stderr,
    async exit() {
      await ended
      return child.exitCode
    },
  }
}

async function until(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await check()) return
    await pause(50)
  }
  assert.fail(`not within 10 seconds: ${what}`)
}

describe('the operator process', () => {
  test('a mistake on the command line: one line, exit code 2', async () => {
    for (const argv of [
      ['--provider=nowhere'],
      ['--provider=local', '--local-endpoint=unix:/x', '--kubeconfig=/nonexistent'],
      ['--frob'],
    ]) {
      const operator = start(argv)
      assert.equal(await operator.exit(), 2)
      assert.match(operator.stderr(), /^roadstead operator: [^\n]+\n$/)
    }
  })

  test('one of two leads; when it is stopped the other goes on, and each gives the Lease back', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'rs-operator-'))
    const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    context.after(async () => {
      await server.close()
      await rm(folder, { recursive: true })
    })
    const client = inProcessClient(server.api, 'test')
    await installCrds(client)
    await client.create(loadBalancerClasses, loadBalancerClass('memory', ['local']))
    const kubeconfig = join(folder, 'kubeconfig')
    await writeKubeconfig(kubeconfig, server.url, 'test')
    const argv = [
      `--kubeconfig=${kubeconfig}`,
      '--provider=local',
      `--local-endpoint=unix:${join(folder, 'absent.sock')}`,
      '--cluster-id=test',
      '--metrics-bind-address=127.0.0.1:0',
      '--health-bind-address=127.0.0.1:0',
    ]
    const holder = async () =>
      (await absent(client.get(leases, { namespace: 'kube-system', name: 'roadstead-operator' })))?.spec?.holderIdentity
    const first = start(argv)
    await until('a leader', async () => Boolean(await holder()))
    const leader = await holder()
    const second = start(argv)
    await client.create(services, webService('web'))
    const reason = async () =>
      (await client.get(services, { namespace: 'default', name: 'web' })).status?.conditions?.find(({ type }) =>
        type.endsWith('Programmed'),
      )?.reason
    await until('the outage in the status', async () => (await reason()) === 'CloudUnavailable')

    first.child.kill('SIGTERM')
    assert.equal(await first.exit(), 0, first.stderr())
    await until('another leader', async () => ![leader, '', undefined].includes(await holder()))
    second.child.kill('SIGTERM')
    assert.equal(await second.exit(), 0, second.stderr())
    assert.ok(!(await holder()))
  })
})
