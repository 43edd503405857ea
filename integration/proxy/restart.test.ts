/** A proxy that is killed, stopped, started again or robbed of its rules: what traffic notices of it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { endpointSlices, nodes } from '../../kube/resources.ts'
import { verdictOfHandle } from '../../proxy/nftables/choices.ts'
import { requires } from '../../scripts/requires.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

describe('the proxy as a process', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy
  let vip = ''
  const node = 'rs-test-proxy-run-node-1'
  const nft = (...argv: string[]) => world.run(node, ['nft', ...argv])
  const fromNode = (path: string, port = 10_256, host = '127.0.0.1') =>
    world.onNode['node-1']?.http(`http://${host}:${port}${path}`) ?? Promise.reject(new Error('no node'))

  before(async () => {
    world = await startWorld('test-proxy-run')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    proxy = await world.startProxy('node-1')
    const service = await world.service('web', { type: 'LoadBalancer' })
    vip = '203.0.113.1'
    await world.status('web', { loadBalancer: { ingress: [{ ip: vip }] } })
    await world.endpoints('web', pods, service.spec.ports)
    // Only then: a client port tried before would stay without a translation for a while (see external.test.ts).
    await eventually(() => world.onNode['node-1']?.spread('tcp', vip, 80) ?? Promise.resolve([]), ['a', 'b'])
    await world.routeAddress(vip, 'node-1')
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })
  after(() => world?.close())

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`0 requests fail while it is ended by ${signal} and started again, and nothing is written`, async () => {
      const load = world.outside.load(vip, 80, { perSecond: 200, forMs: 2500 })
      await proxy.end(signal)
      assert.match(await nft('list', 'tables'), /table ip roadstead/)
      proxy = await world.startProxy('node-1')
      const { sent, failures, names } = await load
      assert.deepEqual(failures, [])
      assert.ok(sent > 400, `${sent} sent`)
      assert.deepEqual(Object.keys(names).sort(), ['a', 'b'])
      assert.doesNotMatch(proxy.log(), /rules written/)
    })
  }

  test('what changed while it was away is written when it is back', async () => {
    await proxy.end('SIGTERM')
    await world.endpoints('web', [pods[0] as PodInWorld])
    proxy = await world.startProxy('node-1')
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a'])
    await world.endpoints('web', pods)
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })

  test('other options swap the tables without a failed request', async () => {
    const load = world.outside.load(vip, 80, { perSecond: 200, forMs: 2000 })
    await proxy.end('SIGTERM')
    proxy = await world.startProxy('node-1', '--masquerade-bit=13')
    assert.deepEqual((await load).failures, [])
    assert.match(await nft('list', 'chain', 'ip', 'roadstead', 'nat-post'), /0x00002000/)
  })

  test('a second proxy on the node refuses to start in one line', async () => {
    await assert.rejects(
      world.startProxy('node-1'),
      /ended with 1: [^\n]*another Roadstead proxy runs on this node \(process \d+\)[^\n]*\n?$/,
    )
    assert.deepEqual(await world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })

  test('rules that somebody removed come back within the sync period', async () => {
    await proxy.end('SIGTERM')
    proxy = await world.startProxy('node-1', '--sync-period=1s')
    await nft('flush', 'ruleset')
    await eventually(() => world.outside.spread('tcp', vip, 80, 10), ['a', 'b'])
  })

  test('an element that somebody removed does not stop the next change', async () => {
    await nft('flush', 'map', 'ip', 'roadstead', 'ep')
    await world.endpoints('web', [pods[1] as PodInWorld])
    await eventually(() => world.outside.spread('tcp', vip, 80, 10), ['b'])
    await world.endpoints('web', pods)
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })

  test('a Service of 200 endpoints works, and shrinks again', async () => {
    const service = await world.service('big', {})
    const many = Array.from({ length: 200 }, (_, index) => ({ ...(pods[index % 2] as PodInWorld) }))
    // Different ports of the same Pods would need listeners; addresses are enough to see that each slot is written.
    const unreachable = many.map((pod, index) => ({
      ...pod,
      ip: `10.244.9.${index + 1}`,
      ip6: `fd00:244:0:9::${index + 1}`,
    }))
    await world.endpoints('big', unreachable, service.spec.ports)
    const verdict = () =>
      nft('get', 'element', 'ip', 'roadstead', 'svc', `{ ${service.spec.clusterIP} . tcp . 80 }`).then(
        (text) => verdictOfHandle(/ : ([\da-f]+:[\da-f]+)/.exec(text)?.[1] ?? ''),
        () => undefined,
      )
    await eventually(verdict, 'goto n200')
    assert.deepEqual(await world.outside.spread('tcp', vip, 80), ['a', 'b'])
    await world.endpoints('big', [pods[0] as PodInWorld], service.spec.ports)
    await eventually(() => world.onNode['node-1']?.tcp(service.spec.clusterIP ?? '', 80) ?? Promise.resolve(''), 'a')
  })

  test('health of the node: 200, 503 with the autoscaler taint, while /livez stays 200', async () => {
    const healthy = await fromNode('/healthz')
    assert.equal(healthy.status, 200)
    assert.equal(healthy.headers['content-type'], 'application/json')
    assert.deepEqual(Object.keys(JSON.parse(healthy.body)), [
      'lastUpdated',
      'currentTime',
      'nodeEligible',
      'healthy',
      'status',
    ])
    const taint = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }
    const setTaints = (taints: unknown[]) =>
      world.client.patch(nodes, { name: 'node-1' }, { type: 'merge', body: { spec: { taints } } })
    await setTaints([taint])
    await eventually(async () => (await fromNode('/healthz')).status, 503)
    assert.equal((await fromNode('/livez')).status, 200)
    await setTaints([])
    await eventually(async () => (await fromNode('/healthz')).status, 200)
    assert.equal((await fromNode('/healthz', 10_256, `[${world.nodeIp('node-1', 'IPv6')}]`)).status, 200)
    assert.equal((await fromNode('/other')).status, 404)
    const present = await world.client.get(nodes, { name: 'node-1' })
    await world.client.remove(nodes, { name: 'node-1' })
    await eventually(async () => (await fromNode('/healthz')).status, 503)
    assert.equal((await fromNode('/livez')).status, 200)
    const { name } = present.metadata
    await world.client.create(nodes, { ...present, metadata: { ...(name && { name }) } })
    await world.client.patch(
      nodes,
      { name: 'node-1' },
      { type: 'merge', body: { status: present.status } },
      { subresource: 'status' },
    )
    await eventually(async () => (await fromNode('/healthz')).status, 200)
  })

  test('metrics and mode are served on the loopback address', async () => {
    assert.equal((await fromNode('/proxyMode', 10_249)).body, 'nftables')
    const { spec } = await world.service('far', { type: 'NodePort', externalTrafficPolicy: 'Local' })
    await world.endpoints('far', [pods[1] as PodInWorld], spec.ports)
    const slice = await world.client.get(endpointSlices, { namespace: 'default', name: 'far-4' })
    const trigger = { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() }
    await world.client.replace(endpointSlices, {
      ...slice,
      metadata: { ...slice.metadata, annotations: trigger },
      endpoints: slice.endpoints.map((endpoint) => ({ ...endpoint, conditions: { ready: true, serving: true } })),
    })
    let text = ''
    const value = (name: string, labels = '') =>
      Number(text.split(`\nkubeproxy_${name}${labels === '' ? '' : `{${labels}}`} `)[1]?.split('\n')[0])
    const v4 = 'ip_family="IPv4"'
    const short = async () => {
      text = (await fromNode('/metrics', 10_249)).body
      return [
        value('sync_proxy_rules_no_local_endpoints_total', `traffic_policy="external",${v4}`),
        value('network_programming_duration_seconds_count', v4),
      ]
    }
    await eventually(short, [1, 1])
    for (const [name, labels] of [
      ['sync_proxy_rules_duration_seconds_count', v4],
      ['sync_full_proxy_rules_duration_seconds_count', v4],
      ['sync_partial_proxy_rules_duration_seconds_count', 'ip_family="IPv6"'],
      ['sync_proxy_rules_service_changes_total', ''],
      ['sync_proxy_rules_endpoint_changes_total', ''],
      ['proxy_healthz_total', 'code="200"'],
      ['proxy_healthz_total', 'code="503"'],
      ['proxy_livez_total', 'code="200"'],
      ['conntrack_reconciler_sync_duration_seconds_count', v4],
    ] as const) {
      assert.ok(value(name, labels) >= 1, `${name} ${labels}: ${value(name, labels)}`)
    }
    const seconds = value('sync_proxy_rules_last_timestamp_seconds', v4)
    assert.ok(Math.abs(seconds - Date.now() / 1000) < 60, `${seconds}`)
    assert.ok(value('sync_proxy_rules_last_queued_timestamp_seconds', v4) <= seconds)
    assert.equal(value('sync_proxy_rules_endpoint_changes_pending'), 0)
    assert.equal(value('sync_proxy_rules_nftables_sync_failures_total', v4), 0)
  })

  test('--cleanup removes the tables', async () => {
    await proxy.end('SIGTERM')
    const cli = new URL('../../cli/main.ts', import.meta.url).pathname
    await world.run(node, [process.execPath, cli, 'proxy', '--cleanup'])
    assert.equal(await nft('list', 'tables'), '')
    await world.run(node, [process.execPath, cli, 'proxy', '--cleanup'])
  })
})
