/** What people type, against the sandbox's API server and controllers: kubectl waits, rolls out and deletes as on a real cluster. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isApiError } from '../../kube/client.ts'
import { systemClock } from '../../kube/clock.ts'
import { plainConnection } from '../../kube/connection.ts'
import { createHttpClient, type HttpKubeClient } from '../../kube/http-client.ts'
import { listAll } from '../../kube/list-all.ts'
import { silent } from '../../kube/log.ts'
import type { Pod } from '../../kube/objects.ts'
import * as types from '../../kube/resources.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { type ApiServer, startApiServer } from '../../sandbox/apiserver/server.ts'
import { type Controllers, startControllers } from '../../sandbox/controllers/controllers.ts'
import { node } from '../../sandbox/controllers/testing.ts'
import { requires } from '../../scripts/requires.ts'

const run = promisify(execFile)

/** Makes scheduled Pods ready and lets deleted ones go, until told to stop. */
async function kubelet(client: HttpKubeClient, signal: AbortSignal): Promise<void> {
  for (let next = 1; !signal.aborted; ) {
    for (const pod of (await listAll(client, types.pods)).objects) {
      const at = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '' }
      try {
        if (pod.spec.nodeName === undefined) continue
        if (pod.metadata.deletionTimestamp !== undefined) {
          await client.remove(types.pods, at, { gracePeriodSeconds: 0 })
        } else if (pod.status?.podIP === undefined) {
          const ip = `10.244.1.${next++}`
          const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }]
          const body = { status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions } }
          await client.patch<Pod>(types.pods, at, { type: 'merge', body }, { subresource: 'status' })
        }
      } catch (error) {
        if (!isApiError(error)) throw error
      }
    }
    await wait(50)
  }
}

describe('kubectl with the sandbox controllers', { skip: requires('kubectl') }, () => {
  const stopping = new AbortController()
  let folder: string
  let server: ApiServer
  let client: HttpKubeClient
  let controllers: Controllers
  let kubelets: Promise<void>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rs-controllers-'))
    server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    await writeKubeconfig(join(folder, 'kubeconfig'), server.url, 'sandbox')
    client = createHttpClient(plainConnection(server.url))
    for (const index of [1, 2]) await client.create(types.nodes, node(index))
    controllers = startControllers({ client, clock: systemClock, random: Math.random, log: silent })
    await controllers.synced
    kubelets = kubelet(client, stopping.signal)
  })

  after(async () => {
    stopping.abort()
    await kubelets
    await controllers.stop()
    client.close()
    await server.close()
    await rm(folder, { recursive: true })
  })

  async function kubectl(...args: string[]): Promise<string> {
    const { stdout } = await run('kubectl', args, {
      env: { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: join(folder, 'kubeconfig') },
      timeout: 30_000,
    })
    return stdout.trim()
  }

  test('create, wait, roll out and scale', async () => {
    await kubectl('create', 'deployment', 'web', '--image=echo', '--replicas=3')
    assert.match(await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s'), /successfully rolled out/)
    await kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=20s')
    await kubectl('rollout', 'restart', 'deployment/web')
    assert.match(await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s'), /successfully rolled out/)
    await kubectl('scale', 'deployment/web', '--replicas=5')
    assert.match(await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s'), /successfully rolled out/)
    const ready = '-o=jsonpath={.status.readyReplicas}/{.status.updatedReplicas}/{.status.replicas}'
    assert.equal(await kubectl('get', 'deployment', 'web', ready), '5/5/5')
  })

  test('expose gives endpoints, describe tells what happened', async () => {
    await kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080')
    const selector = '--selector=kubernetes.io/service-name=web'
    for (let turn = 0; turn < 100; turn++) {
      const addresses = await kubectl(
        'get',
        'endpointslices',
        selector,
        '-o=jsonpath={.items[*].endpoints[*].addresses[0]}',
      )
      if (addresses.split(' ').length === 5) break
      assert.ok(turn < 99, `endpoints: ${addresses}`)
      await wait(50)
    }
    assert.match(await kubectl('describe', 'deployment', 'web'), /SuccessfulCreate/)
  })

  test('delete waits for what belongs to an object, in the foreground too', async () => {
    await kubectl('delete', 'service', 'web', '--timeout=20s')
    await kubectl('delete', 'deployment', 'web', '--cascade=foreground', '--timeout=20s')
    assert.equal(await kubectl('get', 'pods', '-o=name'), '')
  })

  test('a namespace goes with its Pods', async () => {
    await kubectl('create', 'namespace', 'shop')
    await kubectl('--namespace=shop', 'create', 'deployment', 'web', '--image=echo')
    await kubectl('--namespace=shop', 'rollout', 'status', 'deployment/web', '--timeout=20s')
    await kubectl('delete', 'namespace', 'shop', '--timeout=20s')
    await assert.rejects(kubectl('get', 'namespace', 'shop'), /not found/)
  })
})
