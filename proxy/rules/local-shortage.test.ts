import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice, Service } from '../../kube/objects.ts'
import { createLocalShortage } from './local-shortage.ts'
import { here, node, service, slice, there } from './testing.ts'

function setup(spec: Partial<Service['spec']>, slices: EndpointSlice[]) {
  const objects = { service: service(spec) as Service | undefined, slices }
  const shortage = createLocalShortage({ service: () => objects.service, slices: () => objects.slices }, node)
  shortage.mark('default/web')
  return { objects, shortage }
}

const elsewhere = slice([{ ip: '10.244.2.5', on: there }])

describe('Service ports without an endpoint here', () => {
  test('are counted by the policy that asks for one', () => {
    const both = { type: 'NodePort', internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } as const
    const { shortage } = setup(both, [elsewhere])
    assert.deepEqual(shortage.count(), { internal: { ip: 1, ip6: 0 }, external: { ip: 1, ip6: 0 } })
  })

  test('policy Cluster, an endpoint here, and none anywhere are no shortage', () => {
    const local = { internalTrafficPolicy: 'Local' } as const
    assert.equal(setup({ type: 'NodePort' }, [elsewhere]).shortage.count().external.ip, 0)
    assert.equal(setup(local, [slice([{ ip: '10.244.1.5', on: here }])]).shortage.count().internal.ip, 0)
    assert.equal(setup(local, []).shortage.count().internal.ip, 0)
  })

  test('each port counts; a change of the Service, its end, another node name are followed', () => {
    const ports = [
      { name: 'a', port: 1 },
      { name: 'b', port: 2 },
    ]
    const named = { ports: ports.map(({ name }) => ({ name, protocol: 'TCP' as const, port: 8080 })) }
    const { objects, shortage } = setup({ internalTrafficPolicy: 'Local', ports }, [
      slice([{ ip: '10.244.2.5', on: there }], named),
    ])
    assert.equal(shortage.count().internal.ip, 2)
    shortage.setPlace({ ...node, nodeName: there })
    assert.equal(shortage.count().internal.ip, 0)
    shortage.setPlace(node)
    objects.service = undefined
    shortage.mark('default/web')
    assert.equal(shortage.count().internal.ip, 0)
  })
})
