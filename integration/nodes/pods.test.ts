import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { EnvVar } from '../../kube/objects.ts'
import { events, leases, nodes, pods, services } from '../../kube/resources.ts'
import { listNamespaces, pidsIn, runIn } from '../../sandbox/nodes/netns.ts'
import { namespaceOf } from '../../sandbox/nodes/topology.ts'
import { execCommand } from '../../sandbox/nodes/exec.ts'
import { command } from '../../sandbox/nodes/command.ts'
import { UsageError } from '../../kube/flags.ts'
import { requires } from '../../scripts/requires.ts'
import { base, isReady, type World, withPods } from './testing.ts'

const skip = requires('linux', 'root', 'ip', 'nsenter')
const name = 'it-pods'
const readinessProbe = { httpGet: { path: '/readyz', port: 8080 }, periodSeconds: 1 }
const client = namespaceOf(name, 'client')

describe('Pod runtime', { skip, timeout: 120_000 }, () => {
  let world: World
  let finish: () => void
  let done: Promise<void>

  before(async () => {
    const started = Promise.withResolvers<void>()
    const finished = Promise.withResolvers<void>()
    finish = finished.resolve
    done = withPods(name, 3, async (made) => {
      world = made
      started.resolve()
      await finished.promise
    })
    await Promise.race([started.promise, done])
  })
  after(async () => {
    finish()
    await done
  })

  test('every node is registered Ready, with a Lease', async () => {
    const registered = (await world.client.list(nodes, undefined)).items
    assert.deepEqual(
      registered.map((node) => node.status?.conditions?.find(({ type }) => type === 'Ready')?.status),
      ['True', 'True', 'True'],
    )
    assert.equal((await world.client.list(leases, 'kube-node-lease')).items.length, 3)
  })

  test('a Pod becomes ready and answers with what the Pod is', async () => {
    await world.client.create(services, {
      metadata: { name: 'db', namespace: 'default' },
      spec: { ports: [{ name: 'sql', port: 5432 }] },
    })
    const env = [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'DATABASE', value: '$(DB_SERVICE_HOST):$(DB_SERVICE_PORT_SQL)' },
    ]
    await world.create('facts', { nodeName: 'node-2', container: { env, readinessProbe } })
    const pod = await world.until('facts', isReady)
    assert.equal(pod.status?.phase, 'Running')
    assert.equal(pod.status?.hostIP, '172.18.0.12')
    assert.equal(pod.status?.podIPs?.length, 2)
    const seen = await getJson(`${pod.status?.podIP}:8080/env`)
    const db = await world.client.get(services, { namespace: 'default', name: 'db' })
    assert.equal(seen['DATABASE'], `${db.spec.clusterIP}:5432`)
    assert.equal(seen['POD_IP'], pod.status?.podIP)
    assert.equal(seen['HOSTNAME'], 'facts')
    assert.equal(seen['NODE_COMPILE_CACHE'], undefined)
  })

  test('readiness follows the probe in both directions', async () => {
    await world.create('switch', { container: { readinessProbe: { ...readinessProbe, failureThreshold: 1 } } })
    const pod = await world.until('switch', isReady)
    await post(`${pod.status?.podIP}:8080/ready?value=false`)
    const unready = await world.until('switch', (now) => !isReady(now))
    const condition = unready.status?.conditions?.find(({ type }) => type === 'Ready')
    assert.equal(condition?.message, 'containers with unready status: [main]')
    await post(`${pod.status?.podIP}:8080/ready?value=true`)
    const again = await world.until('switch', isReady)
    assert.equal(again.status?.conditions?.find(({ type }) => type === 'Ready')?.message, undefined)
  })

  test('a deleted Pod goes on serving until its drain is over, then its object, address and namespace go', async () => {
    const env = [{ name: 'TERMINATION_DELAY', value: '1' }]
    await world.create('drain', { container: { env, readinessProbe } })
    const pod = await world.until('drain', isReady)
    const slow = getJson(`${pod.status?.podIP}:8080/slow?ms=1500`)
    await world.client.remove(pods, { namespace: 'default', name: 'drain' })
    const terminating = await world.until('drain', (now) => now?.metadata.deletionTimestamp !== undefined)
    assert.ok(isReady(terminating))
    assert.equal((await getJson(`${pod.status?.podIP}:8080/`))['pod'], 'drain')
    assert.equal((await slow)['protocol'], 'HTTP')
    await world.until('drain', (now) => now === undefined)
    assert.ok(!namespaces().some((held) => pidsIn([held]).length === 0))
  })

  test('a process that ignores SIGTERM is killed after the grace period', async () => {
    const script = 'process.on("SIGTERM", () => {}); require("http").createServer((q, r) => r.end()).listen(8080)'
    const command = [process.execPath, '-e', script]
    await world.create('stubborn', { terminationGracePeriodSeconds: 1, container: { command, readinessProbe } })
    await world.until('stubborn', isReady)
    const began = Date.now()
    await world.client.remove(pods, { namespace: 'default', name: 'stubborn' })
    await world.until('stubborn', (now) => now === undefined, 5)
    assert.ok(Date.now() - began >= 900)
  })

  test('a forced deletion ends the processes', async () => {
    await world.create('forced', { container: { image: 'client' } })
    await world.until('forced', isReady)
    const before = namespaces().length
    await world.client.remove(pods, { namespace: 'default', name: 'forced' }, { gracePeriodSeconds: 0 })
    await eventually(() => namespaces().length < before)
  })

  test('an unknown image is said with the images there are; other Pods start beside it', async () => {
    await world.create('nginx', { container: { image: 'nginx:1.27' } })
    await world.create('neighbour', {})
    await world.until('neighbour', isReady)
    const pod = await world.until(
      'nginx',
      (now) =>
        now?.status?.containerStatuses?.[0]?.state?.['waiting'] !== undefined &&
        JSON.stringify(now.status).includes('ErrImagePull'),
    )
    assert.equal(pod.status?.phase, 'Pending')
    assert.match(JSON.stringify(pod.status?.containerStatuses), /roadstead\.dev\/echo/)
    const said = (await world.client.list(events, 'default')).items.filter(
      ({ involvedObject }) => involvedObject.name === 'nginx',
    )
    assert.ok(said.some(({ reason, type }) => reason === 'Failed' && type === 'Warning'))
  })

  test('a variable from a source that the sandbox has not is said in the status', async () => {
    const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } } as EnvVar]
    await world.create('secret', { container: { env } })
    const pod = await world.until('secret', (now) => JSON.stringify(now?.status).includes('CreateContainerConfigError'))
    assert.match(
      JSON.stringify(pod.status?.containerStatuses),
      /env TOKEN: the sandbox reads valueFrom\.fieldRef, not secretKeyRef/,
    )
  })

  test('a process that ends is started again, later and later', async () => {
    await world.create('crash', { container: { image: 'client', command: ['false'] } })
    const pod = await world.until('crash', (now) => (now?.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 3)
    assert.equal(pod.status?.phase, 'Running')
    await world.until('crash', (now) => JSON.stringify(now?.status).includes('CrashLoopBackOff'))
  })

  test('a job runs once', async () => {
    await world.create('job', {
      restartPolicy: 'Never',
      container: { image: 'client', command: ['sh', '-c', 'exit 3'] },
    })
    const pod = await world.until('job', (now) => now?.status?.phase === 'Failed')
    assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 0)
  })

  test("a Pod on the host network has its node's address", async () => {
    const env = [
      { name: 'HTTP_PORT', value: '18080' },
      { name: 'TCP_PORT', value: '' },
      { name: 'UDP_PORT', value: '' },
    ]
    const probe = { httpGet: { path: '/readyz', port: 18_080 }, periodSeconds: 1 }
    await world.create('host', { nodeName: 'node-3', hostNetwork: true, container: { env, readinessProbe: probe } })
    const pod = await world.until('host', isReady)
    assert.equal(pod.status?.podIP, '172.18.0.13')
    await world.client.remove(pods, { namespace: 'default', name: 'host' }, { gracePeriodSeconds: 1 })
    await world.until('host', (now) => now === undefined)
  })

  test('a new Pod may take the name of one that is still ending', async () => {
    await world.create('same', { terminationGracePeriodSeconds: 1, container: { readinessProbe } })
    const first = await world.until('same', isReady)
    await world.client.remove(pods, { namespace: 'default', name: 'same' }, { gracePeriodSeconds: 0 })
    await world.create('same', { container: { readinessProbe } })
    const second = await world.until('same', isReady)
    assert.notEqual(second.status?.podIP, first.status?.podIP)
  })

  test('exec finds the client, nodes and Pods by name', async () => {
    const place = { base: base(), instance: name, env: {}, argv: ['hostname'] }
    const run = (target: string, argv = ['hostname']) => command(execCommand({ ...place, target, argv }))
    await world.until('neighbour', isReady)
    assert.equal(await run('neighbour'), 'neighbour\n')
    assert.match(await run('pod/default/neighbour', ['cat', '/etc/resolv.conf']), /search default\.svc\.cluster\.local/)
    assert.match(await run('node-2', ['ip', 'addr']), /172\.18\.0\.12/)
    assert.match(await run('client', ['ip', 'addr']), /198\.51\.100\.10/)
    assert.throws(() => execCommand({ ...place, target: 'nobody' }), UsageError)
    assert.throws(() => execCommand({ ...place, instance: 'nothing', target: 'client' }), UsageError)
  })

  test('thirty Pods become ready', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `many-${i}`)
    for (const [i, pod] of names.entries())
      await world.create(pod, { nodeName: `node-${1 + (i % 3)}`, container: { readinessProbe } })
    for (const pod of names) await world.until(pod, isReady, 60)
  })

  test("a node that is removed takes its Pods' processes along and leaves their objects", async () => {
    const held = namespaces().length
    await world.runtime.removeNode('node-2')
    await world.network.removeNode('node-2')
    assert.ok(namespaces().length <= held - 10)
    assert.ok(await world.client.get(pods, { namespace: 'default', name: 'many-1' }))
  })
})

function namespaces(): string[] {
  return listNamespaces().filter((held) => held.startsWith(`rs-${name}-pod-`))
}

async function getJson(at: string): Promise<Record<string, string>> {
  const script = `fetch(process.argv[1]).then((r) => r.text()).then(console.log)`
  return JSON.parse((await runIn(client, [process.execPath, '-e', script, `http://${at}`])).stdout) as Record<
    string,
    string
  >
}

async function post(at: string): Promise<void> {
  const script = `fetch(process.argv[1], { method: 'POST' }).then((r) => r.text()).then(console.log)`
  await runIn(client, [process.execPath, '-e', script, `http://${at}`])
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  assert.fail('never happened')
}
