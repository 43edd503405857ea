import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { adoptedHealthChecks } from './adopted-health-checks.ts'
import { here, node, service, slice, states, there } from '../rules/testing.ts'
import { createRuleset } from '../rules/ruleset.ts'

/** What a process would leave in the kernel for one Service with policy Local. */
function left(more: Parameters<typeof service>[0], endpoints: Parameters<typeof slice>[0]) {
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_999 } as const
  const one = service({ ...spec, ...more })
  const view = { serviceKeys: () => ['default/web'], service: () => one, slices: () => [slice(endpoints)] }
  const ruleset = createRuleset(view, 60_000, node)
  ruleset.markAll()
  ruleset.settle(0)
  return { elements: ruleset.desired, checks: ruleset.healthChecks }
}

describe('health check node ports after a restart', () => {
  const endpoints = [
    { ip: '10.244.1.5', on: here },
    { ip: '10.244.1.6', on: here },
    { ip: '10.244.2.5', on: there },
  ]

  test('answer as the previous process did, before any list', () => {
    const { elements, checks } = left({}, endpoints)
    const strip = (list: typeof checks) => list.map(({ port, localEndpoints }) => ({ port, localEndpoints }))
    assert.deepEqual(strip(adoptedHealthChecks(elements)), [{ port: 30_999, localEndpoints: 2 }])
    assert.deepEqual(strip(adoptedHealthChecks(elements)), strip(checks))
  })

  test('an endpoint behind two ports of the Service counts once', () => {
    const ports = [
      { name: '', port: 80 },
      { name: '', port: 81 },
    ]
    const { elements } = left({ ports }, endpoints)
    assert.equal(adoptedHealthChecks(elements)[0]?.localEndpoints, 2)
  })

  test('none here is none, and without such ports there is nothing to open', () => {
    const { elements } = left({}, [{ ip: '10.244.2.5', on: there, conditions: states.ready }])
    assert.deepEqual(adoptedHealthChecks(elements), [{ port: 30_999, service: '/', localEndpoints: 0 }])
    assert.deepEqual(adoptedHealthChecks(left({ type: 'ClusterIP', healthCheckNodePort: 0 }, endpoints).elements), [])
  })
})
