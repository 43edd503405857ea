/** The proxy's part of the chart through the real helm: what it renders, that the proxy understands it, and what is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { parseConfig, type ProxyConfig } from '../../proxy/config/config.ts'
import { modeNames } from '../../proxy/mode-names.ts'
import { requires } from '../../scripts/requires.ts'
import { everyValue } from './every-value.ts'
import { chart, helm, leastValues, ofKind, render } from './helm.ts'
import type { Rendered } from './helm.ts'
import { ofProxy, podOfProxy, withProxy } from './proxy-pod.ts'

/** What the rendered proxy is told, as it reads it itself. */
function configIn(objects: readonly Rendered[]): { config: ProxyConfig; warnings: readonly string[] } {
  const text = ofKind(ofProxy(objects), 'ConfigMap').data?.['config.yaml'] ?? ''
  const argv = podOfProxy(objects).spec.containers[0]?.args?.slice(1) ?? []
  const parsed = parseConfig(argv, { path: '/etc/roadstead/config.yaml', text, document: parse(text) as unknown })
  assert.equal(parsed.task, 'run')
  assert.ok('config' in parsed)
  return parsed
}

describe('the proxy of the chart', { skip: requires('helm') }, () => {
  test('is off unless asked for', async () => {
    assert.deepEqual(ofProxy(await render()), [])
  })

  for (const mode of modeNames) {
    test(`mode ${mode}: one container with two capabilities, full privileges only before it starts`, async () => {
      const { spec } = podOfProxy(await render(withProxy({ mode })))
      const [init, container] = [spec.initContainers?.[0], spec.containers[0]]
      assert.ok(init && container && spec.initContainers?.length === 1 && spec.containers.length === 1)
      assert.deepEqual(init.args, ['proxy', '--config=/etc/roadstead/config.yaml', '--init-only'])
      assert.deepEqual(init.securityContext, { privileged: true, readOnlyRootFilesystem: true })
      assert.deepEqual(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        seccompProfile: { type: 'RuntimeDefault' },
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      })
      const paths = (spec.volumes ?? []).flatMap(
        ({ hostPath }) => (hostPath as { path: string } | undefined)?.path ?? [],
      )
      assert.deepEqual(paths, ['/run/xtables.lock', ...(mode === 'nftables' ? [] : ['/lib/modules'])])
      const mounted = ({ volumeMounts = [] }: typeof init) => volumeMounts.map(({ mountPath }) => mountPath)
      assert.ok(!mounted(container).includes('/lib/modules'))
      assert.equal(mounted(init).includes('/lib/modules'), mode !== 'nftables')
      assert.equal(configIn(await render(withProxy({ mode }))).config.mode, mode)
    })
  }

  test('runs on every node, in its network, one at a time, and is the last to go', async () => {
    const objects = await render(withProxy({}))
    const { spec } = podOfProxy(objects)
    assert.deepEqual(
      [spec.hostNetwork, spec.dnsPolicy, spec.priorityClassName, spec.tolerations],
      [true, 'Default', 'system-node-critical', [{ operator: 'Exists' }]],
    )
    const { updateStrategy } = ofKind(objects, 'DaemonSet').spec as { updateStrategy: unknown }
    assert.deepEqual(updateStrategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } })
  })

  test('is asked for its life at /livez, which does not fail while the node is removed', async () => {
    const container = podOfProxy(await render(withProxy({}))).spec.containers[0]
    assert.equal(container?.livenessProbe?.httpGet.path, '/livez')
    assert.equal(container?.readinessProbe?.httpGet.path, '/healthz')
  })

  for (const at of [undefined, '0.0.0.0:10266', '[::]:10267', '::', '10.0.0.1']) {
    test(`probes ask the port it answers at, healthzBindAddress ${at}`, async () => {
      const objects = await render(withProxy({ config: at === undefined ? {} : { healthzBindAddress: at } }))
      assert.equal(
        podOfProxy(objects).spec.containers[0]?.ports?.[0]?.containerPort,
        configIn(objects).config.healthz?.port,
      )
    })
  }

  test('is told nothing that does not count', async () => {
    for (const values of [withProxy({}), everyValue]) assert.deepEqual(configIn(await render(values)).warnings, [])
    assert.equal(configIn(await render(everyValue)).config.syncMs, 20_000)
    // What the kubelet gives a Pod of this priority: nothing to write, for which there would be no capability.
    assert.equal(configIn(await render(withProxy({}))).config.oomScoreAdj, -997)
  })

  test('finds the API server without a Service', async () => {
    const { spec } = podOfProxy(await render(withProxy({ apiServer: { host: '192.0.2.1', port: 443 } })))
    const env = Object.fromEntries(spec.containers[0]?.env?.map(({ name, value }) => [name, value]) ?? [])
    assert.deepEqual(env, {
      NODE_NAME: undefined,
      KUBERNETES_SERVICE_HOST: '192.0.2.1',
      KUBERNETES_SERVICE_PORT: '443',
    })
  })

  test('starts anew with another configuration, and only through its DaemonSet', async () => {
    const [one, other] = await Promise.all(
      ['10.0.0.0/8', '10.1.0.0/16'].map(async (clusterCIDR) =>
        podOfProxy(await render(withProxy({ config: { clusterCIDR } }))),
      ),
    )
    assert.notDeepEqual(one?.metadata.annotations, other?.metadata.annotations)
    // A mount by subPath does not follow the ConfigMap.
    const mount = one?.spec.containers[0]?.volumeMounts?.find(({ name }) => name === 'config')
    assert.equal(mount?.subPath, 'config.yaml')
  })

  test('is selected by no label of the operator, nor the other way round', async () => {
    for (const values of [withProxy({}), { ...everyValue, proxy: { ...everyValue.proxy, podLabels: bent } }]) {
      const objects = await render(values)
      const [own, other] = ['DaemonSet', 'Deployment'].map(
        (kind) =>
          ofKind(objects, kind).spec as {
            selector: { matchLabels: object }
            template: { metadata: { labels: object } }
          },
      )
      const selects = (selector: object, labels: object) =>
        Object.entries(selector).every(([key, value]) => (labels as Record<string, unknown>)[key] === value)
      assert.ok(own && other)
      assert.ok(selects(own.selector.matchLabels, own.template.metadata.labels))
      assert.ok(!selects(own.selector.matchLabels, other.template.metadata.labels))
      assert.ok(!selects(other.selector.matchLabels, own.template.metadata.labels))
    }
  })

  test('is named in the notes, with what to wait for', async () => {
    const { out } = await helm(['install', 'rs', chart, '--dry-run=client', '--namespace', 'x'], withProxy({}))
    assert.match(out, /--namespace kube-system rollout status daemonset\/rs-roadstead-proxy/)
  })
})

const bent = { 'app.kubernetes.io/component': 'operator' }

describe('values of the proxy that cannot be meant', { skip: requires('helm') }, () => {
  const wrong: [string, object, RegExp][] = [
    ['no API server', { apiServer: {} }, /proxy\.apiServer\.host: say where/],
    ['a URL for its host', { apiServer: { host: 'https://x' } }, /apiServer\/host/],
    ['a mode there is not', { mode: 'userspace' }, /mode/],
    ['a misspelt field', { config: { clusterCidr: '10.0.0.0/8' } }, /'clusterCidr' not allowed/],
    ['a misspelt field inside', { config: { conntrack: { mim: 1 } } }, /'mim' not allowed/],
    ['a field that the chart gives', { config: { mode: 'ipvs' } }, /'mode' not allowed/],
    ['a word that is no flag', { extraArgs: ['v=4'] }, /extraArgs/],
  ]
  for (const [what, proxy, message] of wrong) {
    test(`${what}: refused`, async () => {
      const values = { ...leastValues, proxy: { enabled: true, apiServer: { host: 'api.example' }, ...proxy } }
      const ran = await helm(['template', 'rs', chart], values)
      assert.notEqual(ran.code, 0)
      assert.match(ran.err, message)
    })
  }
})
