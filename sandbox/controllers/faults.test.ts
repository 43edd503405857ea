import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { listAll } from '../../kube/list-all.ts'
import { silent } from '../../kube/log.ts'
import * as types from '../../kube/resources.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { createApi } from '../apiserver/api.ts'
import { inProcessClient } from '../apiserver/in-process-client.ts'
import { startControllers } from './controllers.ts'
import { type Cluster, deployment, service, startCluster } from './testing.ts'

type Action =
  | { kind: 'scale'; replicas: number }
  | { kind: 'restart'; at: number }
  | { kind: 'lose a Pod'; which: number }
  | { kind: 'cut watches'; how: 'graceful' | 'reset' }
  | { kind: 'forget history' }
  | { kind: 'refuse'; code: 429 | 500 | 503; times: number }
  | { kind: 'lose replies'; path: string; times: number }
  | { kind: 'old views'; path: string; ms: number }
  | { kind: 'time'; ms: number }

const paths = fc.constantFrom('/pods', '/endpointslices', '/deployments', '/endpoints')
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant('scale' as const), replicas: fc.nat(8) }),
  fc.record({ kind: fc.constant('restart' as const), at: fc.nat(1000) }),
  fc.record({ kind: fc.constant('lose a Pod' as const), which: fc.nat(7) }),
  fc.record({ kind: fc.constant('cut watches' as const), how: fc.constantFrom('graceful' as const, 'reset' as const) }),
  fc.record({ kind: fc.constant('forget history' as const) }),
  fc.record({
    kind: fc.constant('refuse' as const),
    code: fc.constantFrom(429 as const, 500 as const, 503 as const),
    times: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({ kind: fc.constant('lose replies' as const), path: paths, times: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('old views' as const), path: paths, ms: fc.integer({ min: 10, max: 3000 }) }),
  fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 2000 }) }),
)

const web = { namespace: 'default', name: 'web' }

/** What a test does to the cluster is not what it wants to see fail. */
async function quietly(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined)
}

async function act(cluster: Cluster, step: Action): Promise<void> {
  const { client, faults, clock } = cluster
  if (step.kind === 'scale') {
    await quietly(client.patch(types.deployments, web, { type: 'merge', body: { spec: { replicas: step.replicas } } }))
  } else if (step.kind === 'restart') {
    const annotations = { 'kubectl.kubernetes.io/restartedAt': String(step.at) }
    const body = { spec: { template: { metadata: { annotations } } } }
    await quietly(client.patch(types.deployments, web, { type: 'merge', body }))
  } else if (step.kind === 'lose a Pod') {
    const pods = await cluster.pods().catch(() => [])
    const name = pods[step.which % Math.max(1, pods.length)]?.metadata.name
    if (name !== undefined) await quietly(client.remove(types.pods, { ...web, name }, { gracePeriodSeconds: 0 }))
  } else if (step.kind === 'cut watches') faults.cutWatches(step.how)
  else if (step.kind === 'forget history') faults.expireHistory()
  else if (step.kind === 'refuse') faults.add({ kind: 'refuse', code: step.code }, {}, step.times)
  else if (step.kind === 'lose replies')
    faults.add({ kind: 'drop-reply' }, { method: 'POST', path: step.path }, step.times)
  else if (step.kind === 'old views') clock.after(step.ms, faults.holdWatches({ path: step.path, watch: true }))
  else await cluster.settle(step.ms)
}

describe('the controllers on a bad day', () => {
  test('whatever fails in between, they arrive where they would have anyway', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), fc.integer(), async (actions, seed) => {
        const cluster = await startCluster(2, seed)
        try {
          await cluster.client.create(types.services, service('web'))
          await cluster.client.create(types.deployments, deployment('web', 3))
          for (const step of actions) {
            await act(cluster, step)
            await quietly(cluster.kubelet())
          }
          cluster.faults.clear()
          await cluster.settle(60_000)
          await cluster.run(20)
          await cluster.settle(60_000)

          const { spec, status, metadata } = await cluster.client.get(types.deployments, web)
          const pods = await cluster.pods()
          assert.equal(pods.length, spec.replicas)
          assert.deepEqual(
            [status?.updatedReplicas ?? 0, status?.availableReplicas ?? 0, status?.observedGeneration],
            [spec.replicas, spec.replicas, metadata.generation],
          )
          const { objects: slices } = await listAll(cluster.client, types.endpointSlices)
          const addresses = slices.flatMap(({ endpoints }) =>
            (endpoints ?? []).flatMap((endpoint) => endpoint.addresses),
          )
          assert.deepEqual(addresses.toSorted(), pods.map((one) => one.status?.podIP ?? '').toSorted())
          const before = await versions(cluster)
          await cluster.settle(60_000)
          assert.deepEqual(await versions(cluster), before, 'nothing is written when nothing changes')
        } finally {
          await cluster.stop()
        }
        assert.equal(cluster.clock.pending, 0, 'a timer was left behind')
      }),
      { numRuns: 15 },
    )
  })
})

test('stopped before they have seen anything, they leave nothing behind', async () => {
  const clock = createVirtualClock()
  const api = createApi({ clock, random: () => 0.5 })
  api.faults.add({ kind: 'hang' })
  const client = inProcessClient(api)
  const controllers = startControllers({ client, clock, random: () => 0.5, log: silent })
  await clock.advance(5000)
  await controllers.stop()
  assert.equal(clock.pending, 0)
})

async function versions({ client }: Cluster): Promise<string[]> {
  const kinds = [
    types.pods,
    types.endpointSlices,
    types.endpoints,
    types.deployments,
    types.services,
  ] as types.ResourceType[]
  const lists = await Promise.all(kinds.map((type) => listAll(client, type)))
  return lists.flatMap(({ objects }) => objects.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`))
}
