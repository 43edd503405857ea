import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at } from '../json.ts'
import { startTestApi } from '../testing.ts'
import { humanDuration } from './column.ts'
import { findValues, parseJsonPath } from './json-path.ts'

const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
const minute = 60_000
const hour = 60 * minute

async function row(path: string, objects: [string, object][]): Promise<unknown[]> {
  const { send } = startTestApi()
  for (const [method, body] of objects) {
    const [verb = '', at = path] = method.split(' ')
    const headers = verb === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {}
    const answer = await send(verb, at, body, headers)
    assert.ok(answer.code < 300, String(answer.body['message']))
  }
  const table = await send('GET', path, undefined, accept)
  return at(table.body, 'rows', 0, 'cells') as unknown[]
}

describe('tables', () => {
  test('a Service shows its address when it has one', async () => {
    const path = '/api/v1/namespaces/default/services'
    const spec = { type: 'LoadBalancer', clusterIP: '10.96.0.7', ports: [{ port: 80, nodePort: 30080 }] }
    const pending = await row(path, [['POST', { metadata: { name: 's' }, spec }]])
    assert.deepEqual(pending.slice(0, 5), ['s', 'LoadBalancer', '10.96.0.7', '<pending>', '80:30080/TCP'])
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } }
    const ready = await row(path, [
      ['POST', { metadata: { name: 's' }, spec }],
      [`PATCH ${path}/s/status`, { status }],
    ])
    assert.equal(ready[3], '203.0.113.9')
  })

  test('a Pod shows how far its containers are', async () => {
    const path = '/api/v1/namespaces/default/pods'
    const pod = { metadata: { name: 'p' }, spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] } }
    const state = { name: 'c', ready: true, restartCount: 2, image: 'i', imageID: '', state: { running: {} } }
    const status = { phase: 'Running', podIP: '10.244.1.2', containerStatuses: [state] }
    const cells = await row(path, [
      ['POST', pod],
      [`PATCH ${path}/p/status`, { status }],
    ])
    assert.deepEqual([...cells.slice(0, 4), ...cells.slice(5, 7)], ['p', '1/1', 'Running', '2', '10.244.1.2', 'n'])
    const leaving = await row(path, [
      ['POST', pod],
      [`DELETE ${path}/p`, {}],
    ])
    assert.equal(leaving[2], 'Terminating')
  })

  test('a Node shows readiness and roles', async () => {
    const labels = { 'node-role.kubernetes.io/worker': '' }
    const conditions = [{ type: 'Ready', status: 'True' }]
    const cells = await row('/api/v1/nodes', [
      ['POST', { metadata: { name: 'n', labels }, spec: { unschedulable: true } }],
      ['PATCH /api/v1/nodes/n/status', { status: { conditions } }],
    ])
    assert.deepEqual(cells.slice(0, 3), ['n', 'Ready,SchedulingDisabled', 'worker'])
  })

  test('ages are as kubectl shows them', () => {
    assert.deepEqual(
      [5_000, 119_000, 150_000, 10 * minute, 3 * hour, 7.5 * hour, 30 * hour, 50 * hour, 100 * 24 * hour].map((ms) =>
        humanDuration(ms),
      ),
      ['5s', '119s', '2m30s', '10m', '3h', '7h30m', '30h', '2d2h', '100d'],
    )
  })

  test('JSON paths of printer columns are followed', () => {
    const object = {
      status: {
        conditions: [
          { type: 'A', status: 'x' },
          { type: 'Ready', status: 'True' },
        ],
      },
      'a.b': 1,
    }
    const follow = (path: string) => findValues(object, parseJsonPath(path) ?? [])
    assert.deepEqual(follow('.status.conditions[?(@.type=="Ready")].status'), ['True'])
    assert.deepEqual(follow('.status.conditions[*].type'), ['A', 'Ready'])
    assert.deepEqual(follow('.status.conditions[-1].type'), ['Ready'])
    assert.deepEqual(follow(".['a.b']"), [1])
    assert.deepEqual(follow('.a\\.b'), [1])
    assert.equal(parseJsonPath('..x'), undefined)
  })
})
