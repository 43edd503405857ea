import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { services } from '../../kube/resources.ts'
import { createWorld, webService } from './world.ts'

describe('the life of a Service', () => {
  test('it is held, provisioned, published and cleaned up', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    const service = await world.service('web')
    assert.deepEqual(service?.metadata.finalizers, ['roadstead.dev/load-balancer'])
    assert.deepEqual(
      service?.status?.loadBalancer?.ingress?.map(({ ip }) => ip),
      ['198.18.0.1'],
    )
    assert.deepEqual(
      service?.status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
      [
        'roadstead.dev/Accepted True Accepted',
        'roadstead.dev/Programmed True Programmed',
        'roadstead.dev/Ready True Ready',
        'roadstead.dev/ExternalTrafficPolicy True Cluster',
      ],
    )
    await world.client.remove(services, { namespace: 'default', name: 'web' })
    await world.quiet()
    assert.equal(await world.service('web'), undefined)
    assert.deepEqual(world.clouds['memory']?.inventory(), [])
    assert.deepEqual(
      (await world.eventsOf('web')).map(({ type, reason, count }) => `${type} ${reason} ${count}`),
      [
        'Normal EnsuringLoadBalancer 1',
        'Normal EnsuredLoadBalancer 1',
        'Normal DeletingLoadBalancer 1',
        'Normal DeletedLoadBalancer 1',
      ],
    )
    await operator.stop()
    assert.equal(world.clock.pending, 0)
  })
})
