/**
 * Random edits, good and bad, under an operator that is dropped at random calls and started again, from seeds that replay. Whatever
 * happened: in the end the clouds hold exactly what the Services ask for, and another operator has nothing to write.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeClient } from '../../kube/client.ts'
import { isApiError } from '../../kube/client.ts'
import { services } from '../../kube/resources.ts'
import { CloudError } from '../../providers/contract.ts'
import { seededRandom } from './seeded-random.ts'
import { createWorld, webService } from './world.ts'

const names = ['a', 'b', 'c']
type Edit = (client: KubeClient, name: string, random: () => number) => Promise<unknown>

const merge =
  (body: (random: () => number) => object): Edit =>
  (client, name, random) =>
    client.patch(services, { namespace: 'default', name }, { type: 'merge', body: body(random) })
const annotate = (key: string, value: string | null) =>
  merge(() => ({ metadata: { annotations: { [`roadstead.dev/${key}`]: value } } }))

const edits: Edit[] = [
  (client, name) => client.create(services, webService(name)),
  (client, name) => client.remove(services, { namespace: 'default', name }),
  merge((random) => ({ spec: { ports: [{ name: 'p', port: 80 + Math.floor(random() * 3) }] } })),
  merge(() => ({
    spec: {
      ports: [
        { name: 'p', port: 80 },
        { name: 'q', port: 53, protocol: 'UDP' },
      ],
    },
  })),
  merge(() => ({ spec: { ports: [{ name: 'p', port: 9, protocol: 'SCTP' }] } })),
  merge((random) => ({ spec: { externalTrafficPolicy: random() < 0.5 ? 'Local' : 'Cluster' } })),
  merge(() => ({ spec: { type: 'ClusterIP', externalTrafficPolicy: null } })),
  merge(() => ({ spec: { type: 'LoadBalancer', loadBalancerClass: 'roadstead.dev/memory' } })),
  annotate('drain-seconds', 'never'),
  annotate('drain-seconds', '5'),
  annotate('shared-document', 'rules'),
  annotate('shared-document', null),
]

for (let seed = 1; seed <= 40; seed++) {
  test(`seed ${seed}: the clouds end with what the Services ask for`, async () => {
    const random = seededRandom(seed)
    const world = await createWorld({ seed })
    const cloud = world.clouds['memory']
    assert.ok(cloud)
    const start = () =>
      world.start(
        random() < 0.7 ? { at: 1 + Math.floor(random() * 40), when: random() < 0.5 ? 'before' : 'after' } : undefined,
      )
    let operator = start()
    for (let step = 0; step < 25; step++) {
      const edit = edits[Math.floor(random() * edits.length)]
      const name = names[Math.floor(random() * names.length)] ?? 'a'
      await edit?.(world.client, name, random).catch(refused)
      if (random() < 0.2)
        cloud.failures.push({ error: new CloudError('unavailable', 'lost'), times: 1, afterwards: random() < 0.5 })
      await world.clock.advance(Math.floor(random() * 3) * 400)
      if (operator.crashed) {
        await operator.stop()
        operator = start()
      }
    }
    await operator.stop()
    cloud.failures.splice(0)
    for (const name of names) {
      await annotate('drain-seconds', null)(world.client, name, random).catch(refused)
      await merge(() => ({ spec: { ports: [{ name: 'p', port: 80 }] } }))(world.client, name, random).catch(refused)
    }
    const last = world.start()
    await world.clock.advance(30_000)
    await world.quiet()
    await last.stop()

    const { items } = await world.client.list(services, 'default')
    const wanted = items.filter(({ spec }) => spec.type === 'LoadBalancer').map(({ metadata }) => metadata.uid)
    const balancers = cloud.inventory().filter((line) => line.includes('"kind":"load-balancer"'))
    assert.equal(balancers.length, wanted.length)
    assert.ok(wanted.every((uid) => balancers.some((line) => line.includes(uid ?? '?'))))
    assert.equal(cloud.inventory().filter((line) => line.includes('"kind":"listener"')).length, wanted.length)
    for (const { spec, status, metadata } of items) {
      const isOurs = spec.type === 'LoadBalancer'
      assert.equal((status?.loadBalancer?.ingress ?? []).length, isOurs ? 1 : 0, metadata.name)
      assert.deepEqual(metadata.finalizers ?? [], isOurs ? ['roadstead.dev/load-balancer'] : [], metadata.name)
    }
    world.writes()
    const another = world.start()
    await world.quiet()
    assert.deepEqual(world.writes(), { api: 0, cloud: 0 })
    await another.stop()
  })
}

/** Edits that do not fit the moment are refused by the API server; that is part of the game. */
function refused(error: unknown): void {
  if (!isApiError(error)) throw error
}
