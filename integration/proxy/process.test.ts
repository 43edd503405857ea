/** The proxy as a process of its node: configuration file, one at a time, loopback node ports, health checks over a kill, an API server that is away. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { events } from '../../kube/resources.ts'
import { requires } from '../../scripts/requires.ts'
import { startAgent } from './agent.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

describe('the process', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy
  let file = ''
  const node = 'rs-test-proxy-process-node-1'
  const nft = (...argv: string[]) => world.run(node, ['nft', ...argv])
  const onNode = () => {
    const agent = world.onNode['node-1']
    assert.ok(agent)
    return agent
  }
  const http = (port: number, path: string, host = '127.0.0.1') => onNode().http(`http://${host}:${port}${path}`)
  const cli = new URL('../../cli/main.ts', import.meta.url).pathname

  before(async () => {
    world = await startWorld('test-proxy-process')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    const first = await world.startProxy('node-1')
    const { spawnargs } = first.child
    const kubeconfig = spawnargs[spawnargs.indexOf('--kubeconfig') + 1] ?? ''
    await first.end('SIGTERM')
    file = `${kubeconfig}-proxy.yaml`
    await writeFile(
      file,
      JSON.stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        clientConnection: { kubeconfig, qps: 0 },
        clusterCIDR: '10.244.0.0/16,fd00:244::/48',
        nodePortAddresses: ['primary', 'localhost'],
        conntrack: { tcpCloseWaitTimeout: '1h0m0s', udpTimeout: '0s' },
        future: true,
      }),
    )
    proxy = await world.startProxy('node-1', `--config=${file}`, '--healthz-bind-address=1.2.3.4:5')
  })
  after(() => world?.close())

  test('a configuration file takes the place of flags, and what does not count is named', async () => {
    const shown = JSON.parse((await http(10_249, '/configz')).body) as Record<string, { nodePortAddresses: string[] }>
    assert.deepEqual(shown['kubeproxy.config.k8s.io']?.nodePortAddresses, ['primary', 'localhost'])
    assert.match(proxy.log(), /unknown field future/)
    assert.match(proxy.log(), /--healthz-bind-address does not count beside --config/)
    assert.equal((await http(10_256, '/healthz')).status, 200)
    assert.equal(
      (await world.run(node, ['cat', '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait'])).trim(),
      '3600',
    )
  })

  test('node ports on 127.0.0.1 and ::1 lead to endpoints on every node and go with the Service', async () => {
    const service = await world.service('local', { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack' })
    const port = service.spec.ports?.[0]?.nodePort ?? 0
    await world.endpoints('local', pods, service.spec.ports)
    await eventually(() => onNode().spread('tcp', '127.0.0.1', port), ['a', 'b'])
    assert.deepEqual(await onNode().spread('tcp', '::1', port), ['a', 'b'])
    await world.endpoints('local', [], service.spec.ports)
    await eventually(() => onNode().tcp('127.0.0.1', port), 'ECONNREFUSED')
    await world.endpoints('local', pods, service.spec.ports)
    await eventually(() => onNode().spread('tcp', '127.0.0.1', port), ['a', 'b'])
    await world.remove('local')
    await eventually(() => onNode().tcp('127.0.0.1', port), 'ECONNREFUSED')
    assert.equal(await onNode().tcp('::1', port), 'ECONNREFUSED')
  })

  test('ports that another program has are told by Events, and opened when they are free', async () => {
    const stranger = await startAgent(node, 'stranger', [31_990, 31_991])
    const service = await world.service('taken', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31_990,
      ports: [{ port: 80, targetPort: 8080, nodePort: 31_991 }],
    })
    await world.endpoints('taken', pods, service.spec.ports)
    const reasons = async () => {
      const { items } = await world.client.list(events, 'default')
      return items.flatMap((event) => (event.involvedObject.name === 'taken' ? (event.reason ?? '') : [])).sort()
    }
    await eventually(reasons, ['FailedToOpenLocalhostNodePort', 'FailedToStartServiceHealthcheck'])
    await stranger.stop()
    await world.endpoints('taken', [pods[0] as PodInWorld], service.spec.ports)
    await eventually(async () => (await http(31_990, '/')).status, 200)
    await eventually(() => onNode().tcp('127.0.0.1', 31_991), 'a')
    await world.remove('taken')
  })

  test('a second one is refused whatever ports it was given', async () => {
    for (const flags of [
      ['--healthz-bind-address=', '--metrics-bind-address='],
      ['--healthz-bind-address=127.0.0.1:0'],
    ]) {
      await assert.rejects(world.startProxy('node-1', ...flags), /another Roadstead proxy runs on this node/)
    }
    await assert.rejects(world.run(node, [process.execPath, cli, 'proxy', '--cleanup']), /another Roadstead proxy/)
    assert.match(await nft('list', 'tables'), /roadstead/)
  })

  test('killed and started again, health check node ports answer before the lists have come', async (t) => {
    const service = await world.service('checked', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
    const port = service.spec.healthCheckNodePort ?? 0
    await world.endpoints('checked', [pods[0] as PodInWorld], service.spec.ports)
    await eventually(async () => (await http(port, '/')).status, 200)
    assert.equal((await http(port, '/')).headers['x-load-balancing-endpoint-weight'], '1')
    await proxy.end('SIGKILL')
    const started = performance.now()
    let open = 0
    const back = world.startProxy('node-1', `--config=${file}`)
    while (open === 0 && performance.now() - started < 15_000) {
      const answer = await http(port, '/')
      if (answer.status === 0) continue
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['x-load-balancing-endpoint-weight'], '1')
      open = performance.now() - started
    }
    proxy = await back
    const ready = performance.now() - started
    t.diagnostic(`answers after ${Math.round(open)} ms, rules compared after ${Math.round(ready)} ms`)
    assert.ok(open > 0 && open <= ready)
    await eventually(
      async () => (JSON.parse((await http(port, '/')).body) as { service: { name: string } }).service.name,
      'checked',
    )
  })

  /** From now on nothing reaches the API server; ends with what it gives back. */
  const outage = async () => {
    await nft('add', 'table', 'inet', 'outage')
    await nft('add', 'chain', 'inet', 'outage', 'in', '{ type filter hook input priority 0 ; }')
    await nft('add', 'rule', 'inet', 'outage', 'in', 'tcp', 'dport', '6443', 'drop')
    await nft('add', 'rule', 'inet', 'outage', 'in', 'tcp', 'sport', '6443', 'drop')
    return () => nft('delete', 'table', 'inet', 'outage')
  }

  test('restarted while the API server is away, it forwards by what it finds and its node stays with load balancers', async () => {
    const service = await world.service('kept', {})
    await world.endpoints('kept', pods, service.spec.ports)
    const answers = () => onNode().spread('tcp', service.spec.clusterIP ?? '', 80)
    await eventually(answers, ['a', 'b'])
    await proxy.end('SIGTERM')
    const end = await outage()
    const back = world.startProxy('node-1', `--config=${file}`)
    await eventually(async () => (await http(10_256, '/healthz')).status, 200, 15_000)
    const { nodeEligible, status } = JSON.parse((await http(10_256, '/healthz')).body) as Record<string, unknown>
    assert.deepEqual([nodeEligible, status], [true, undefined], 'nothing is written yet')
    assert.deepEqual(await answers(), ['a', 'b'])
    await end()
    proxy = await back
    await world.remove('kept')
  })

  test('an API server that nothing reaches for a minute: forwarding goes on, and news work within 3 s after it is back', async (t) => {
    const before = await world.service('before', {})
    await world.endpoints('before', pods, before.spec.ports)
    const known = () => onNode().spread('tcp', before.spec.clusterIP ?? '', 80, 10)
    await eventually(known, ['a', 'b'])
    const end = await outage()
    const service = await world.service('late', {})
    await world.endpoints('late', pods, service.spec.ports)
    await world.endpoints('before', [pods[1] as PodInWorld], before.spec.ports)
    const clusterIp = service.spec.clusterIP ?? ''
    await new Promise((resolve) => setTimeout(resolve, 60_000))
    assert.deepEqual(await known(), ['a', 'b'])
    assert.notEqual(await onNode().tcp(clusterIp, 80, { timeoutMs: 300 }), 'a')
    await end()
    const back = performance.now()
    await eventually(() => pods[0]?.agent.spread('tcp', clusterIp, 80, 10) ?? Promise.resolve([]), ['a', 'b'], 10_000)
    await eventually(known, ['b'], 10_000)
    const took = performance.now() - back
    t.diagnostic(`${Math.round(took)} ms`)
    assert.ok(took <= 3000, `${took} ms`)
    await world.remove('before')
  })

  test('another content of the file ends the process, one that would not start does not', async () => {
    await writeFile(file, '{}')
    await eventually(() => Promise.resolve(/cannot be used: going on with the old one/.test(proxy.log())), true, 15_000)
    const ended = new Promise((resolve) => proxy.child.once('exit', resolve))
    const { kubeconfig } = { kubeconfig: file.replace(/-proxy.yaml$/, '') }
    const content = {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      clientConnection: { kubeconfig },
    }
    await writeFile(file, JSON.stringify(content))
    assert.equal(await ended, 1)
    assert.match(await nft('list', 'tables'), /roadstead/)
  })

  test('--init-only sets the kernel and ends; --cleanup removes the rules', async () => {
    await world.run(node, ['sh', '-c', 'echo 60 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait'])
    await world.run(node, [process.execPath, cli, 'proxy', '--init-only', '--oom-score-adj=0'])
    assert.equal(
      (await world.run(node, ['cat', '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait'])).trim(),
      '3600',
    )
    await world.run(node, [process.execPath, cli, 'proxy', '--cleanup'])
    assert.equal(await nft('list', 'tables'), '')
  })
})
