import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { listAll } from '../../kube/list-all.ts'
import * as types from '../../kube/resources.ts'
import { deployment, service, startCluster } from './testing.ts'

describe('the controllers together', () => {
  test('a Deployment becomes ready Pods spread over the nodes, behind a Service', async () => {
    const cluster = await startCluster(3)
    await cluster.client.create(types.deployments, deployment('web', 3))
    await cluster.client.create(types.services, service('web'))
    await cluster.run()
    const pods = await cluster.pods()
    assert.deepEqual(pods.map(({ spec }) => spec.nodeName ?? '').toSorted(), ['node-1', 'node-2', 'node-3'])
    const { objects } = await listAll(cluster.client, types.endpointSlices)
    assert.deepEqual(
      objects.map(({ endpoints }) => endpoints.length),
      [3],
    )
    await cluster.stop()
    assert.equal(cluster.clock.pending, 0)
  })
})
