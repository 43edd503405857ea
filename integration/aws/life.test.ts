/** A Service's life in AWS, over the real SDK: what stands after each edit, in which order it came, and that nothing is left. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { needsEmulator } from './account.ts'
import { awsClass, hostnameOf } from './cluster.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const sceneOf = scenes()

describe('a Service in AWS', { skip: needsEmulator() }, () => {
  test('it gets a load balancer with listener, targets and rules, then an address, and leaves nothing behind', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    const before = (await account.inventory()).lines
    operator()
    await cluster.create('web', { ports: [{ name: 'http', port: 80, nodePort: 30080 }] })
    const hostname = await cluster.served('web')
    const done = account.record().filter(({ status, code }) => status === 200 && code === undefined)
    const inventory = await account.inventory()
    assert.deepEqual(
      inventory.loadBalancers.map(({ dnsName }) => dnsName),
      [hostname],
    )
    assert.match(hostname, /\.elb\..*amazonaws\.com$/)
    const [balancer] = inventory.loadBalancers
    assert.equal(balancer?.type, 'network')
    assert.equal(balancer?.scheme, 'internet-facing')
    assert.equal(balancer?.availabilityZones.length, 3)
    assert.equal(balancer?.securityGroups.length, 2, 'its own, and the one the nodes let in')
    for (const action of ['RegisterTargets', 'CreateListener'])
      assert.ok(
        done.some((call) => call.action === action),
        `${action} before the address`,
      )
    assert.deepEqual(await account.nodeGroupPorts(), ['tcp 10256-10256', 'tcp 30080-30080'])
    await cluster.reason('web', 'Ready', 'Ready')
    await quiet()

    await cluster.remove('web')
    await cluster.gone('web')
    assert.deepEqual((await account.inventory()).lines, before)
    const reasons = (await cluster.eventsOf('web')).map(({ reason }) => reason)
    for (const reason of ['EnsuringLoadBalancer', 'EnsuredLoadBalancer', 'DeletedLoadBalancer'])
      assert.equal(reasons.filter((one) => one === reason).length, 1, reason)
  })

  test('TCP, UDP, and both on one port: every port has its listener and all targets', async (context) => {
    const { account, cluster, operator } = await sceneOf(context)
    operator()
    await cluster.create('dns', {
      ports: [
        { name: 'web', port: 80 },
        { name: 'dns', port: 53 },
        { name: 'dns-udp', port: 53, protocol: 'UDP' },
        { name: 'syslog', port: 514, protocol: 'UDP' },
      ],
    })
    await cluster.served('dns')
    const { lines } = await account.inventory()
    const listeners = lines
      .filter((line) => line.startsWith('listener'))
      .map((line) => line.split(' ').slice(2, 4).join(' '))
    assert.deepEqual(listeners.sort(), ['TCP 80', 'TCP_UDP 53', 'UDP 514'])
    const targets = lines.filter((line) => / targets /.test(line))
    assert.ok(
      targets.every((line) => line.split(',').length === account.machines.length),
      targets.join('\n'),
    )
  })

  test('an edit is carried out with differences only, and the hostname stays', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context, { nodes: 2 })
    operator()
    await cluster.create('web', { ports: [{ name: 'http', port: 80, nodePort: 30080 }] })
    const hostname = await cluster.served('web')
    const settled = async (what: string, check: (lines: readonly string[]) => boolean) => {
      let lines: readonly string[] = []
      await until(what, async () => check((lines = (await account.inventory()).lines)), {
        seen: () => lines.join('\n'),
      })
      await quiet()
      assert.equal(hostnameOf(await cluster.service('web')), hostname)
      return lines
    }
    await quiet()

    account.forget()
    await cluster.patch('web', { spec: { ports: [{ name: 'http', port: 8443, nodePort: 30080 }] } })
    await settled(
      'the listener on 8443',
      (lines) => lines.some((line) => / TCP 8443 /.test(line)) && !lines.some((line) => / TCP 80 /.test(line)),
    )
    const order = account.record().map(({ action }) => action)
    assert.ok(order.indexOf('CreateListener') < order.indexOf('DeleteListener'), 'make before break')

    account.forget()
    await cluster.patch('web', { spec: { externalTrafficPolicy: 'Local' } })
    const local =
      (await until('a health check node port', async () => (await cluster.service('web'))?.spec.healthCheckNodePort)) ??
      0
    await settled('the health check of policy Local', (lines) =>
      lines.some((line) => line.includes(` HTTP ${local} /healthz`)),
    )
    await cluster.reason('web', 'ExternalTrafficPolicy', 'Local')

    await cluster.patch('web', { spec: { externalTrafficPolicy: 'Cluster' } })
    await settled('the health check of policy Cluster', (lines) =>
      lines.some((line) => line.includes(' HTTP 10256 /healthz')),
    )
    assert.deepEqual(await account.nodeGroupPorts(), ['tcp 10256-10256', 'tcp 30080-30080'])

    await cluster.patch('web', { spec: { loadBalancerSourceRanges: ['198.51.100.0/24', '203.0.113.0/24'] } })
    // The new rules stand before the open one goes.
    await settled(
      'the source ranges, without the open rule',
      (lines) =>
        lines.filter((line) => /^rule .* from (198\.51\.100|203\.0\.113)\.0\/24/.test(line)).length >= 2 &&
        !lines.some((line) => / 8443-8443 from 0\.0\.0\.0\/0/.test(line)),
    )

    account.forget()
    const third = account.machines[2]
    assert.ok(third)
    await cluster.addNode('late', third)
    await settled('the third target', (lines) =>
      lines.some((line) => / targets /.test(line) && line.split(',').length === 3),
    )
    const mutating = account.record().filter((call) => call.mutating)
    assert.deepEqual(
      mutating.map(({ action }) => action),
      ['RegisterTargets'],
    )
  })

  test('another scheme: the new load balancer is published before the old one goes', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context, {
      classes: [awsClass('public'), awsClass('inside', { scheme: 'internal' })],
    })
    const { lines: empty } = await account.inventory()
    operator()
    await cluster.create('web')
    const first = await cluster.served('web')
    await quiet()
    account.forget()
    await cluster.client.patch(
      loadBalancerClasses,
      { name: 'public' },
      { type: 'merge', body: { spec: { scheme: 'internal' } } },
    )
    const second = await until('another hostname', async () => {
      const hostname = hostnameOf(await cluster.service('web'))
      return hostname !== first && hostname
    })
    await until('one load balancer', async () => (await account.inventory()).loadBalancers.length === 1)
    await quiet()
    const { loadBalancers } = await account.inventory()
    assert.deepEqual(
      loadBalancers.map(({ dnsName, scheme }) => `${dnsName} ${scheme}`),
      [`${second} internal`],
    )
    const order = account.record().map(({ action }) => action)
    for (const action of ['CreateLoadBalancer', 'RegisterTargets', 'CreateListener'])
      assert.ok(order.includes(action) && order.indexOf(action) < order.indexOf('DeleteLoadBalancer'), action)
    await cluster.remove('web')
    await cluster.gone('web')
    assert.deepEqual((await account.inventory()).lines, empty)
  })

  test('a Service deleted while nobody runs is cleaned up at the next start, and nothing is made for it', async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    const { lines: empty } = await account.inventory()
    const first = operator()
    await cluster.create('web')
    await cluster.create('stays')
    await cluster.served('web')
    await cluster.served('stays')
    await quiet()
    await first.stop()
    await cluster.remove('web')
    account.forget()
    const second = operator()
    await cluster.gone('web')
    await quiet()
    const created = account.record().filter(({ action }) => /^(Create|Register|Authorize)/.test(action))
    assert.deepEqual(created, [])
    assert.equal((await account.inventory()).loadBalancers.length, 1)
    await second.stop()
    await cluster.remove('stays')
    operator()
    await cluster.gone('stays')
    assert.deepEqual((await account.inventory()).lines, empty)
  })

  test('a Service that becomes a ClusterIP gives everything back', async (context) => {
    const { account, cluster, operator } = await sceneOf(context)
    const { lines: empty } = await account.inventory()
    operator()
    await cluster.create('web')
    await cluster.served('web')
    await cluster.patch('web', { spec: { type: 'ClusterIP', loadBalancerClass: null } })
    await until('no finalizer', async () => (await cluster.service('web'))?.metadata.finalizers === undefined)
    assert.deepEqual((await account.inventory()).lines, empty)
  })
})
