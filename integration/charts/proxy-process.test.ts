/**
 * The DaemonSet of the chart as a kubelet would run it on a node: the init container with all rights, then the proxy with the capabilities, the
 * read-only root and the read-only /proc/sys of its container, and with the rights of the rendered roles only. Real kernel, real traffic.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { events, resourceType } from '../../kube/resources.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { requires } from '../../scripts/requires.ts'
import { type Agent, startAgent } from '../proxy/agent.ts'
import { followProxy } from '../proxy/proxy-output.ts'
import { eventually, type PodInWorld, startWorld, type World } from '../proxy/world.ts'
import { ofKind, render } from './helm.ts'
import type { Rendered } from './helm.ts'
import { ofProxy, podOfProxy, withProxy } from './proxy-pod.ts'
import { type Guard, guard } from './role-guard.ts'

const name = 'test-chart-proxy'
const node = `rs-${name}-node-1`
const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

/** What a container runtime does with such a container. `$1`: its capabilities, then the command. */
const container = `set -e
touch /run/xtables.lock
mount --bind /run/xtables.lock /run/xtables.lock
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind / /
mount -o remount,bind,ro /
capabilities=$1; shift
exec setpriv --no-new-privs --inh-caps=-all --bounding-set="-all$capabilities" "$@"`

describe('the proxy of the chart on a node', {
  skip: requires('helm', 'root', 'linux', 'nft', 'iptables', 'ip', 'nsenter', 'unshare'),
}, () => {
  let world: World
  let pods: PodInWorld[]
  let folder = ''
  let roles: Rendered[]
  let guarded: Guard
  let stranger: Agent
  let running: {
    child: ChildProcess
    log: () => string
    probe: (kind: 'livenessProbe' | 'readinessProbe') => Promise<number>
  }

  const onNode = () => {
    const agent = world.onNode['node-1']
    assert.ok(agent)
    return agent
  }

  /** Starts the Pod, the init container first; resolves when the rules are in place. */
  const start = async (values: object) => {
    const objects = await render(withProxy(values))
    roles = ofProxy(objects)
    const file = join(folder, 'config.yaml')
    await writeFile(file, ofKind(roles, 'ConfigMap').data?.['config.yaml'] ?? '')
    const { spec } = podOfProxy(objects)
    const [init, main] = [spec.initContainers?.[0], spec.containers[0]]
    assert.ok(init && main)
    const argv = ({ args = [] }: typeof init) => [
      process.execPath,
      cli,
      ...args.map((arg) => arg.replace('/etc/roadstead/config.yaml', file).replace('$(NODE_NAME)', 'node-1')),
    ]
    const prepared = await world.run(node, argv(init))
    const capabilities = (main.securityContext?.capabilities?.add ?? []).map((one) => `,+${one.toLowerCase()}`).join('')
    const child = spawnIn(
      node,
      ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', container, 'sh', capabilities, ...argv(main)],
      { env: { PATH: process.env['PATH'], KUBECONFIG: join(folder, 'kubeconfig') } },
    )
    const { ready, log } = followProxy(child, prepared)
    await ready
    running = {
      child,
      log,
      probe: async (kind) => {
        const port = main.ports?.find((each) => each.name === main[kind]?.httpGet.port)?.containerPort
        return (await onNode().http(`http://${world.nodeIp('node-1')}:${port}${main[kind]?.httpGet.path}`)).status
      },
    }
  }
  const stop = async () => {
    const ended = exitOf(running.child)
    running.child.kill('SIGTERM')
    assert.equal((await ended).code, 0, running.log())
  }
  const tables = () => world.run(node, ['nft', 'list', 'tables'])
  const legacy = () => world.run(node, ['iptables-legacy-save'])

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'roadstead-chart-proxy-'))
    world = await startWorld(name)
    await writeKubeconfig(join(folder, 'kubeconfig'), 'http://127.0.0.1:6443', name)
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    // The sandbox's API server has no kind ServiceCIDR of its own.
    await world.client.create(
      resourceType('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false),
      serviceCidrs,
    )
    guarded = guard(world.server.api, 'roadstead-proxy', ofProxy(await render(withProxy({}))))
    stranger = await startAgent(node, 'stranger', [31_990])
  })
  after(async () => {
    await stranger?.stop()
    await world?.close()
    await rm(folder, { recursive: true })
  })

  test('forwards with its two capabilities; kernel settings were made before', async () => {
    const setting = '/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait'
    await world.run(node, ['sh', '-c', `echo 60 > ${setting}`])
    await start({ config: { clusterCIDR: '10.244.0.0/16,fd00:244::/48' } })
    assert.equal((await world.run(node, ['cat', setting])).trim(), '3600')
    const service = await world.service('web', {})
    await world.endpoints('web', pods, service.spec.ports)
    await eventually(() => onNode().spread('tcp', service.spec.clusterIP ?? '', 80), ['a', 'b'])
    assert.deepEqual([await running.probe('livenessProbe'), await running.probe('readinessProbe')], [200, 200])
    const { pid } = running.child
    assert.match(await readFile(`/proc/${pid}/status`, 'utf8'), /^CapEff:\t0*3000$/m)
    assert.match(running.log(), /"writer":"netlink"/)
    assert.doesNotMatch(running.log(), /cannot be removed|could not be removed|proc.sys.net.*not changed/)
  })

  test('may do what it asks the API server for, and no more', async () => {
    const service = await world.service('taken', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31_990,
    })
    const counts = async () =>
      (await world.client.list(events, 'default')).items.map(({ reason, count = 1 }) => [reason, count > 1])
    await world.endpoints('taken', pods, service.spec.ports)
    await eventually(counts, [['FailedToStartServiceHealthcheck', false]])
    // Another proxy's for a moment: then the port is opened anew, and the same Event counts on.
    const label = 'service.kubernetes.io/service-proxy-name'
    const address = service.spec.clusterIP ?? ''
    const answers = async () => ['a', 'b'].includes(await onNode().tcp(address, 80, { timeoutMs: 300 }))
    await eventually(answers, true)
    await world.edit('taken', { metadata: { labels: { [label]: 'other' } } })
    await eventually(answers, false)
    await world.edit('taken', { metadata: { labels: null } })
    await eventually(counts, [['FailedToStartServiceHealthcheck', true]])
    await world.remove('taken')
    assert.deepEqual([...guarded.denied], [])
    assert.deepEqual(guarded.unused(), [])
  })

  test('takes the rules of another mode away with the same two, both ways', async () => {
    await stop()
    assert.match(await tables(), /roadstead/)
    await start({ mode: 'iptables', config: { clusterCIDR: '10.244.0.0/16' } })
    await eventually(tables, '')
    assert.match(await legacy(), /10\.96\./)
    await stop()
    await start({ config: { clusterCIDR: '10.244.0.0/16' } })
    await eventually(async () => /10\.96\./.test(await legacy()), false)
    assert.match(await tables(), /roadstead/)
    await stop()
  })

  test('would not without them', async () => {
    const argv = [process.execPath, cli, 'proxy', '--kubeconfig', join(folder, 'kubeconfig')]
    const only = (bounds: string, ...flags: string[]) =>
      world.run(node, ['setpriv', `--bounding-set=${bounds}`, ...argv, ...flags])
    await assert.rejects(only('-all,+net_raw'), /nft is not permitted: run as root \(CAP_NET_ADMIN\)/)
    await assert.rejects(only('-all,+net_admin', '--proxy-mode=iptables'), /mode iptables cannot be used/)
  })
})

const serviceCidrs = {
  metadata: {
    name: 'servicecidrs.networking.k8s.io',
    annotations: {
      'api-approved.kubernetes.io':
        'https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1880-multiple-service-cidrs',
    },
  },
  spec: {
    group: 'networking.k8s.io',
    scope: 'Cluster',
    names: { kind: 'ServiceCIDR', plural: 'servicecidrs', singular: 'servicecidr', listKind: 'ServiceCIDRList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}
