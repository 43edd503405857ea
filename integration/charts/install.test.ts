/**
 * From `helm install` to a Service with an address: the real helm against the sandbox's API server, then the real operator process with the
 * arguments, files and probes of the installed Deployment, as a kubelet would start it, and with the rights of the rendered roles only.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { configMaps, deployments, nodes, resourceType, services } from '../../kube/resources.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { builtinKinds } from '../../sandbox/apiserver/kind.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { startApiServer } from '../../sandbox/apiserver/server.ts'
import { requires } from '../../scripts/requires.ts'
import { startApiServer as startBalancer } from '../local/api-server.ts'
import { absent, node, webService } from '../operator/world.ts'
import { everyValue } from './every-value.ts'
import { chart, helm, leastValues, render } from './helm.ts'
import type { Rendered } from './helm.ts'
import type { PodTemplate } from './pod-security.ts'
import { guard } from './role-guard.ts'

const namespace = 'roadstead-system'
/** Kinds the sandbox's API server does not serve. */
const unserved = { rbac: { create: false }, podDisruptionBudget: { enabled: false } }
const crds = resourceType('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false)

async function cluster(context: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'roadstead-install-'))
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  context.after(async () => {
    await server.close()
    await rm(folder, { recursive: true })
  })
  const kubeconfig = join(folder, 'kubeconfig')
  await writeKubeconfig(kubeconfig, server.url, 'test')
  const run = async (args: readonly string[], values?: object) => {
    const ran = await helm([...args, '--namespace', namespace], values, kubeconfig)
    assert.equal(ran.code, 0, ran.err)
    return ran.out
  }
  return { folder, server, kubeconfig, run, client: inProcessClient(server.api, 'test') }
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await check()) return
    await pause(50)
  }
  assert.fail(`not within 20 seconds: ${what}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Starts the container of the installed Deployment as a process of this machine. */
async function startContainer(client: KubeClient, folder: string, kubeconfig: string) {
  const deployment = await client.get(deployments, { namespace, name: 'rs-roadstead' })
  const pod = (deployment as KubeObject & { spec: { template: PodTemplate } }).spec.template
  const [container] = pod.spec.containers
  const mounted = join(folder, 'classes.yaml')
  const classes = (await client.get(configMaps, { namespace, name: 'rs-roadstead-classes' })) as { data?: object }
  await writeFile(mounted, (classes.data as Record<string, string>)['classes.yaml'] ?? '')
  const args = container?.args?.map((arg) => arg.replace('/etc/roadstead/classes.yaml', mounted)) ?? []
  const main = new URL('../../cli/main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], KUBECONFIG: kubeconfig },
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const ended = once(child, 'close')
  const answers = async (probe: { httpGet: { path: string; port: string } } | undefined) => {
    const port = container?.ports?.find(({ name }) => name === probe?.httpGet.port)?.containerPort
    const answer = await fetch(`http://127.0.0.1:${port}${probe?.httpGet.path}`).catch(() => undefined)
    return answer?.status === 200
  }
  return {
    log: () => log,
    alive: () => answers(container?.livenessProbe),
    ready: () => answers(container?.readinessProbe),
    metrics: () => answers({ httpGet: { path: '/metrics', port: 'metrics' } }),
    async stop() {
      child.kill('SIGTERM')
      await ended
      return child.exitCode
    },
  }
}

/** The chart with another CustomResourceDefinition, as an earlier version might have it. */
async function olderChart(folder: string): Promise<string> {
  const older = join(folder, 'chart')
  await cp(chart, older, { recursive: true })
  const file = join(older, 'files/crds/load-balancer-class.yaml')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('shortNames: [lbclass]', 'shortNames: [old]'))
  return older
}

/** The Pods of a DaemonSet as those of a Deployment, which the sandbox's API server knows. */
function asServed(object: Rendered): Rendered {
  if (object.kind !== 'DaemonSet') return object
  const { selector, template } = object.spec as { selector: unknown; template: unknown }
  return { ...object, kind: 'Deployment', spec: { selector, template } }
}

describe('an installation', { skip: requires('helm') }, () => {
  test('gives a Service its address, with the rights of the chart and no others', async (context) => {
    const { folder, server, kubeconfig, run, client } = await cluster(context)
    const balancer = await startBalancer()
    context.after(() => balancer.close())
    const values = {
      clusterId: 'test',
      providers: { local: { enabled: true, settings: { endpoint: `unix:${balancer.socketPath}` } } },
      metrics: { port: await freePort() },
      health: { port: await freePort() },
    }
    await run(['install', 'rs', chart, '--create-namespace'], { ...values, ...unserved })
    const guarded = guard(server.api, 'roadstead', await render(values))
    const operator = await startContainer(client, folder, kubeconfig)
    try {
      await until('ready', operator.ready)
      assert.deepEqual([await operator.alive(), await operator.metrics()], [true, true])
      const accepted = async (name: string) =>
        (await absent(client.get(loadBalancerClasses, { name })))?.status?.conditions?.[0]?.status
      await until(
        'classes',
        async () => (await accepted('public')) === 'True' && (await accepted('internal')) === 'True',
      )
      await client.create(nodes, node('n1', 'local', { spec: { providerID: 'roadstead-local://sandbox/n1' } }))
      await client.create(services, webService('web', { loadBalancerClass: 'roadstead.dev/public' }))
      await until('an address', async () => {
        await balancer.settle()
        const { status } = await client.get(services, { namespace: 'default', name: 'web' })
        return status?.loadBalancer?.ingress?.[0]?.ip !== undefined
      })
      await client.remove(services, { namespace: 'default', name: 'web' })
      await until('the end of the Service', async () => {
        await balancer.settle()
        return (await absent(client.get(services, { namespace: 'default', name: 'web' }))) === undefined
      })
      assert.equal(await operator.stop(), 0, operator.log())
    } finally {
      await operator.stop()
    }
    assert.deepEqual([...guarded.denied], [])
  })

  test('is upgraded with its CustomResourceDefinitions; removed, it leaves them and the classes', async (context) => {
    const { folder, run, client } = await cluster(context)
    const values = { ...leastValues, ...unserved }
    await run(['install', 'rs', await olderChart(folder), '--create-namespace'], values)
    const shortNames = async () => {
      const crd = await client.get(crds, { name: 'loadbalancerclasses.roadstead.dev' })
      return (crd as KubeObject & { spec: { names: { shortNames: string[] } } }).spec.names.shortNames
    }
    assert.deepEqual(await shortNames(), ['old'])
    await client.create(loadBalancerClasses, {
      apiVersion: 'roadstead.dev/v1alpha1',
      kind: 'LoadBalancerClass',
      metadata: { name: 'mine' },
      spec: { clouds: [{ name: 'aws' }] },
    })
    await run(['upgrade', 'rs', chart], { ...values, replicaCount: 3 })
    assert.deepEqual(await shortNames(), ['lbclass'])
    assert.equal((await client.get(deployments, { namespace, name: 'rs-roadstead' })).spec.replicas, 3)
    await run(['uninstall', 'rs'])
    assert.equal(await absent(client.get(deployments, { namespace, name: 'rs-roadstead' })), undefined)
    assert.equal((await client.get(loadBalancerClasses, { name: 'mine' })).metadata.name, 'mine')
  })

  test('every object of a kind the API server serves is accepted by it under strict field validation', async (context) => {
    const { server, client } = await cluster(context)
    const request = (path: string, object: unknown) =>
      server.api.handle({
        method: 'POST',
        path,
        query: new URLSearchParams({ fieldValidation: 'Strict' }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(object),
      })
    const spaces = [namespace, 'monitoring']
    for (const name of spaces)
      await client.create(resourceType('v1', 'Namespace', 'namespaces', false), { metadata: { name } })
    const other = new Set<string>()
    for (const values of [leastValues, everyValue]) {
      for (const object of (await render(values)).map(asServed)) {
        const [group, version] = (object.apiVersion ?? '').includes('/')
          ? (object.apiVersion ?? '').split('/')
          : ['', 'v1']
        const served = builtinKinds.find(({ type }) => type.kind === object.kind && type.group === group)
        if (served === undefined) {
          other.add(object.kind ?? '')
          continue
        }
        const { metadata } = object
        const space = served.type.namespaced ? `/namespaces/${metadata.namespace ?? namespace}` : ''
        const path = `${group === '' ? '/api' : `/apis/${group}`}/${version}${space}/${served.type.plural}`
        const answer = await request(path, object)
        const again = answer.code === 409 && object.kind === 'CustomResourceDefinition'
        assert.ok(answer.code === 201 || again, `${object.kind}: ${JSON.stringify(answer.body)}`)
      }
    }
    const rest = ['ClusterRole', 'ClusterRoleBinding', 'PodDisruptionBudget', 'Role', 'RoleBinding', 'ServiceMonitor']
    assert.deepEqual([...other].sort(), rest)
  })
})
