import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isApiError } from '../../kube/client.ts'
import { listAll } from '../../kube/list-all.ts'
import type { EndpointSlice, KubeObject } from '../../kube/objects.ts'
import * as types from '../../kube/resources.ts'
import { customResourceDefinitions } from './cleanup/tracked-kinds.ts'
import { type Cluster, deployment, node, pod, service, startCluster } from './testing.ts'

/** Runs `story` in a cluster of its own; the controllers must leave nothing running behind. */
async function inCluster(story: (cluster: Cluster) => Promise<void>, nodes = 3): Promise<void> {
  const cluster = await startCluster(nodes)
  try {
    await story(cluster)
  } finally {
    await cluster.stop()
  }
  assert.equal(cluster.clock.pending, 0, 'a timer was left behind')
}

const all = async <T extends KubeObject>({ client }: Cluster, type: types.ResourceType<T>) =>
  (await listAll(client, type)).objects

const slicesOf = async (cluster: Cluster, name = 'web'): Promise<EndpointSlice[]> =>
  (await all(cluster, types.endpointSlices)).filter(
    ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name,
  )

const addresses = (slices: readonly EndpointSlice[]) =>
  slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap((endpoint) => endpoint.addresses)).toSorted()

const at = (name: string) => ({ namespace: 'default', name })

describe('scheduling', () => {
  test('Pods of a Deployment spread over the nodes', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 6))
      await cluster.run()
      const names = (await cluster.pods()).map(({ spec }) => spec.nodeName ?? '')
      assert.deepEqual(names.toSorted(), ['node-1', 'node-1', 'node-2', 'node-2', 'node-3', 'node-3'])
    }))

  test('a Pod with a node by hand is left alone', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.pods, pod('by-hand', { nodeName: 'node-2' }))
      await cluster.run(2)
      assert.equal((await cluster.pods())[0]?.spec.nodeName, 'node-2')
    }))

  test('a Pod that fits nowhere says why, and goes as soon as a node takes it', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.pods, pod('picky', { nodeSelector: { disk: 'ssd' } }))
      await cluster.run(2)
      const [waiting] = await cluster.pods()
      const condition = waiting?.status?.conditions?.find(({ type }) => type === 'PodScheduled')
      assert.deepEqual(
        [condition?.status, condition?.reason, condition?.message],
        ['False', 'Unschedulable', "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."],
      )
      await cluster.client.patch(
        types.nodes,
        { name: 'node-1' },
        { type: 'merge', body: { metadata: { labels: { disk: 'ssd' } } } },
      )
      await cluster.run(2)
      assert.equal((await cluster.pods())[0]?.spec.nodeName, 'node-1')
    }, 1))
})

describe('endpoints', () => {
  test('follow Pods that become ready, stop and go', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, service('web'))
      await cluster.client.create(types.deployments, deployment('web', 3))
      await cluster.run()
      assert.equal(addresses(await slicesOf(cluster)).length, 3)
      const [first] = await cluster.pods()
      await cluster.client.remove(types.pods, at(first?.metadata.name ?? ''))
      await cluster.settle(100)
      const going = (await slicesOf(cluster))
        .flatMap(({ endpoints }) => endpoints)
        .find(({ conditions }) => conditions?.terminating)
      assert.deepEqual(going?.conditions, { ready: false, serving: true, terminating: true })
      await cluster.run()
      assert.ok(!addresses(await slicesOf(cluster)).includes(first?.status?.podIP ?? ''))
      assert.equal(addresses(await slicesOf(cluster)).length, 3)
    }))

  test('a Service without Pods has one empty slice, and it is not written again', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, service('web'))
      await cluster.settle()
      const [slice, ...others] = await slicesOf(cluster)
      assert.deepEqual([others, addresses([slice as EndpointSlice])], [[], []])
      await cluster.client.patch(
        types.nodes,
        { name: 'node-1' },
        { type: 'merge', body: { metadata: { labels: { a: 'b' } } } },
      )
      await cluster.settle()
      assert.equal((await slicesOf(cluster))[0]?.metadata.resourceVersion, slice?.metadata.resourceVersion)
    }))

  test('of 230 Pods fill slices of at most 100', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, service('web'))
      await cluster.client.create(types.deployments, deployment('web', 230))
      await cluster.run(4)
      const slices = await slicesOf(cluster)
      assert.ok(slices.every(({ endpoints }) => endpoints.length <= 100))
      assert.equal(new Set(addresses(slices)).size, 230)
      assert.equal(addresses(slices).length, 230)
    }))

  test('slices go with their Service, Endpoints as well', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, service('web'))
      await cluster.client.create(types.pods, pod('a'))
      await cluster.run(3)
      assert.equal((await all(cluster, types.endpoints))[0]?.subsets?.[0]?.addresses?.length, 1)
      await cluster.client.remove(types.services, at('web'))
      await cluster.run(2)
      assert.deepEqual([await slicesOf(cluster), await all(cluster, types.endpoints)], [[], []])
    }))

  // The Endpoints object stays too, and is mirrored from then on, as in a real cluster.
  test('a selector taken away leaves the slices, and hand-written ones are nobody’s business', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, service('web'))
      await cluster.client.create(types.pods, pod('a'))
      await cluster.run(3)
      const own = { ...service('own'), spec: { ports: [{ port: 80 }] } }
      await cluster.client.create(types.services, own)
      await cluster.client.create(types.endpointSlices, {
        metadata: { namespace: 'default', name: 'own-1', labels: { 'kubernetes.io/service-name': 'own' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['192.0.2.1'] }],
        ports: [{ name: '', port: 80 }],
      })
      await cluster.client.patch(types.services, at('web'), { type: 'merge', body: { spec: { selector: null } } })
      await cluster.client.remove(types.pods, at('a'))
      await cluster.run(3)
      const left = (await slicesOf(cluster)).filter(
        ({ metadata }) =>
          metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === 'endpointslice-controller.k8s.io',
      )
      assert.equal(addresses(left).length, 1)
      assert.deepEqual(addresses(await slicesOf(cluster, 'own')), ['192.0.2.1'])
    }))

  test('hand-written Endpoints are mirrored, followed, and cleaned up', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, { ...service('web'), spec: { ports: [{ name: 'http', port: 80 }] } })
      const made = await cluster.client.create(types.endpoints, {
        metadata: at('web'),
        subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ name: 'http', port: 8080 }] }],
      })
      await cluster.settle()
      assert.deepEqual(addresses(await slicesOf(cluster)), ['192.0.2.1'])
      await cluster.client.replace(types.endpoints, {
        ...made,
        subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ name: 'http', port: 8080 }] }],
      })
      await cluster.settle()
      assert.deepEqual(addresses(await slicesOf(cluster)), ['192.0.2.7'])
      await cluster.client.remove(types.services, at('web'))
      await cluster.settle()
      assert.deepEqual([await slicesOf(cluster), await all(cluster, types.endpoints)], [[], []])
    }))
})

describe('Deployments', () => {
  test('roll to a new template without losing availability', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 4))
      await cluster.run()
      const body = { spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } } } } }
      await cluster.client.patch(types.deployments, at('web'), { type: 'strategic', body })
      for (let turn = 0; turn < 12; turn++) {
        await cluster.settle(100)
        const ready = (await cluster.pods()).filter(
          ({ metadata, status }) =>
            metadata.deletionTimestamp === undefined &&
            status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
        )
        assert.ok(ready.length >= 3, `only ${ready.length} ready`)
        await cluster.kubelet()
      }
      const { status, metadata } = await cluster.client.get(types.deployments, at('web'))
      assert.deepEqual(
        [status?.updatedReplicas, status?.replicas, status?.availableReplicas, status?.observedGeneration],
        [4, 4, 4, metadata.generation],
      )
      assert.equal(new Set((await cluster.pods()).map((one) => one.metadata.labels?.['pod-template-hash'])).size, 1)
    }))

  test('scale up and down', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 2))
      await cluster.run(3)
      for (const replicas of [5, 1, 0]) {
        await cluster.client.patch(types.deployments, at('web'), { type: 'merge', body: { spec: { replicas } } })
        await cluster.run(4)
        assert.equal((await cluster.pods()).length, replicas)
      }
    }))

  test('take their Pods along when deleted, in the background and in the foreground', () =>
    inCluster(async (cluster) => {
      for (const propagationPolicy of ['Background', 'Foreground'] as const) {
        await cluster.client.create(types.deployments, deployment('web', 3))
        await cluster.run(3)
        await cluster.client.remove(types.deployments, at('web'), { propagationPolicy })
        await cluster.settle(100)
        const left = await all(cluster, types.deployments)
        assert.equal(left.length, propagationPolicy === 'Foreground' ? 1 : 0)
        await cluster.run(3)
        assert.deepEqual([await cluster.pods(), await all(cluster, types.deployments)], [[], []])
      }
    }))

  test('leave their Pods when orphaned', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 2))
      await cluster.run(3)
      await cluster.client.remove(types.deployments, at('web'), { propagationPolicy: 'Orphan' })
      await cluster.run(3)
      const pods = await cluster.pods()
      assert.deepEqual([pods.length, pods.flatMap(({ metadata }) => metadata.ownerReferences ?? [])], [2, []])
      assert.deepEqual(await all(cluster, types.deployments), [])
    }))
})

describe('what belongs to a Deployment', () => {
  const hashLabel = 'pod-template-hash'

  test('a Pod relabelled away is released and replaced', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 2))
      await cluster.run(3)
      const [first] = await cluster.pods()
      const body = { metadata: { labels: { app: 'debug' } } }
      await cluster.client.patch(types.pods, at(first?.metadata.name ?? ''), { type: 'merge', body })
      await cluster.run(3)
      const released = await cluster.client.get(types.pods, at(first?.metadata.name ?? ''))
      assert.deepEqual([released.metadata.ownerReferences ?? [], (await cluster.pods()).length], [[], 3])
    }))

  test('Pods that an orphaning deletion left are taken in again, Pods made by hand are not', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 2))
      await cluster.client.create(types.pods, pod('by-hand'))
      await cluster.run(3)
      await cluster.client.remove(types.deployments, at('web'), { propagationPolicy: 'Orphan' })
      await cluster.run(2)
      const { metadata } = await cluster.client.create(types.deployments, deployment('web', 2))
      await cluster.run(3)
      const owners = (await cluster.pods()).map((one) => [
        one.metadata.labels?.[hashLabel] !== undefined,
        one.metadata.ownerReferences?.[0]?.uid === metadata.uid,
      ])
      assert.deepEqual(
        owners.toSorted((a, b) => String(b).localeCompare(String(a))),
        [
          [true, true],
          [true, true],
          [false, false],
        ],
      )
    }))

  test('Events tell what happened', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 1))
      await cluster.client.create(types.pods, pod('picky', { nodeSelector: { disk: 'ssd' } }))
      await cluster.run(2)
      const events = await all(cluster, types.events)
      assert.deepEqual(
        events.map(({ reason, type, source }) => [source?.component, type, reason].join(' ')).toSorted(),
        [
          'default-scheduler Normal Scheduled',
          'default-scheduler Warning FailedScheduling',
          'deployment-controller Normal SuccessfulCreate',
        ],
      )
    }))
})

describe('cleanup', () => {
  test('Pods of a removed node are replaced elsewhere', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.services, service('web'))
      await cluster.client.create(types.deployments, deployment('web', 3))
      await cluster.run()
      await cluster.client.remove(types.nodes, { name: 'node-3' })
      await cluster.settle(500)
      assert.equal(addresses(await slicesOf(cluster)).length, 2, 'its endpoints go first')
      await cluster.settle(3000)
      await cluster.run()
      const pods = await cluster.pods()
      assert.deepEqual([pods.length, pods.some(({ spec }) => spec.nodeName === 'node-3')], [3, false])
    }))

  test('a node that comes back in time keeps its Pods', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.pods, pod('a', { nodeName: 'node-1' }))
      await cluster.run(2)
      await cluster.client.remove(types.nodes, { name: 'node-1' })
      await cluster.settle(500)
      await cluster.client.create(types.nodes, node(1))
      await cluster.settle(10_000)
      assert.equal((await cluster.pods()).length, 1)
    }))

  test('a NoExecute taint sends Pods away', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.deployments, deployment('web', 2))
      await cluster.run(3)
      const spec = { taints: [{ key: 'maintenance', effect: 'NoExecute' }] }
      await cluster.client.patch(types.nodes, { name: 'node-1' }, { type: 'merge', body: { spec } })
      await cluster.run()
      assert.deepEqual(
        (await cluster.pods()).map((one) => one.spec.nodeName),
        ['node-2', 'node-2'],
      )
    }, 2))

  test('a namespace goes with everything in it, Pods with their grace period', () =>
    inCluster(async (cluster) => {
      await cluster.client.create(types.namespaces, { metadata: { name: 'shop' } })
      await cluster.client.create(types.configMaps, { metadata: { namespace: 'shop', name: 'a' } })
      await cluster.client.create(types.pods, { ...pod('p'), metadata: { namespace: 'shop', name: 'p' } })
      await cluster.run(2)
      await cluster.client.remove(types.namespaces, { name: 'shop' })
      await cluster.settle(2000)
      assert.equal((await cluster.client.get(types.namespaces, { name: 'shop' })).status?.phase, 'Terminating')
      await cluster.run(3)
      await cluster.settle(2000)
      await assert.rejects(cluster.client.get(types.namespaces, { name: 'shop' }), (error) => isApiError(error, 404))
    }))

  test('custom resources are followed from the day their definition is served', () =>
    inCluster(async (cluster) => {
      const owner = await cluster.client.create(types.configMaps, { metadata: at('owner') })
      const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }]
      const names = { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', listKind: 'GadgetList' }
      const definition = {
        metadata: { name: 'gadgets.example.com' },
        spec: { group: 'example.com', scope: 'Namespaced' as const, names, versions },
      }
      await cluster.client.create(customResourceDefinitions, definition)
      await cluster.settle()
      const gadgets = types.resourceType('example.com/v1', 'Gadget', 'gadgets', true)
      const owned = (name: string, uid: string) => ({
        apiVersion: 'example.com/v1',
        kind: 'Gadget',
        metadata: { ...at(name), ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }] },
      })
      await cluster.client.create(gadgets, owned('kept', owner.metadata.uid ?? ''))
      await cluster.client.create(gadgets, owned('stray', 'another-uid'))
      await cluster.settle()
      assert.deepEqual(
        (await all(cluster, gadgets)).map(({ metadata }) => metadata.name),
        ['kept'],
      )
      await cluster.client.remove(types.configMaps, at('owner'))
      await cluster.settle()
      assert.deepEqual(await all(cluster, gadgets), [])
      await cluster.client.remove(customResourceDefinitions, { name: 'gadgets.example.com' })
      await cluster.settle()
    }))

  test('an object whose owner never was is garbage, one with a living owner is not', () =>
    inCluster(async (cluster) => {
      const owner = await cluster.client.create(types.configMaps, { metadata: at('owner') })
      const owned = (name: string, uid: string) => ({
        metadata: { ...at(name), ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }] },
      })
      await cluster.client.create(types.configMaps, owned('child', owner.metadata.uid ?? ''))
      await cluster.client.create(types.configMaps, owned('stray', 'another-uid'))
      await cluster.settle()
      const names = async () =>
        (await listAll(cluster.client, types.configMaps, { namespace: 'default' })).objects.map(
          ({ metadata }) => metadata.name,
        )
      assert.deepEqual(await names(), ['child', 'owner'])
      await cluster.client.remove(types.configMaps, at('owner'))
      await cluster.settle()
      assert.deepEqual(await names(), [])
    }))
})
