import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Node, Pod, Service } from '../kube/objects.ts'
import { type ClusterView, liveTable, serviceLines } from './live-table.ts'

const service: Service = {
  metadata: { namespace: 'default', name: 'web' },
  spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80, protocol: 'TCP', nodePort: 30123 }] },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
}
const pod = (name: string, ready: boolean): Pod => ({
  metadata: { namespace: 'default', name, labels: { app: 'web' } },
  spec: { nodeName: 'node-1', containers: [] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
})
const node: Node = {
  metadata: { name: 'node-1' },
  status: {
    addresses: [{ type: 'InternalIP', address: '172.18.0.11' }],
    conditions: [{ type: 'Ready', status: 'True' }],
  },
}
const view: ClusterView = {
  services: [service, { metadata: { namespace: 'default', name: 'kubernetes' }, spec: { type: 'ClusterIP' } }],
  loadBalancers: [{ metadata: { namespace: 'default', name: 'web' }, status: { targets: '2/3' } }],
  pods: [pod('web-a', true), pod('web-b', false)],
  nodes: [node],
}

describe('live table', () => {
  test('a Service shows its address, ports, targets and ready Pods', () => {
    assert.deepEqual(liveTable(view, 200).slice(0, 2), [
      'SERVICE      ADDRESS      PORTS         TARGETS  PODS',
      'default/web  203.0.113.1  80:30123/TCP  2/3      1/2',
    ])
  })

  test('a node shows its Pods and which are not ready', () => {
    assert.equal(liveTable(view, 200).at(-1), 'node-1  yes    172.18.0.11  web-a web-b (running)')
  })

  test('lines are cut at the width of the terminal', () => {
    assert.ok(liveTable(view, 20).every((line) => line.length <= 20))
  })

  test('a Service without an address is pending', () => {
    const waiting: Service = { ...service, status: {} }
    assert.match(
      [...serviceLines({ ...view, services: [waiting] }).values()][0] ?? '',
      /address <pending> {2}targets 2\/3/,
    )
  })
})
