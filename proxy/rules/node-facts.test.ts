import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Node } from '../../kube/objects.ts'
import { parseAddress, parseCidr } from './addresses.ts'
import { parseConfig } from '../config/config.ts'
import { isEligible, nodeFacts } from './node-facts.ts'

const object: Node = {
  metadata: { name: 'n1' },
  status: {
    addresses: [
      { type: 'Hostname', address: 'n1' },
      { type: 'ExternalIP', address: '203.0.113.9' },
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'InternalIP', address: 'fd00::1' },
      { type: 'InternalIP', address: '10.0.0.2' },
    ],
  },
}
const onInterfaces = ['127.0.0.1', '10.0.0.1', '192.168.7.1', '::1', 'fd00::1'].flatMap(
  (text) => parseAddress(text) ?? [],
)

function nodePorts(...argv: string[]): string {
  const parsed = parseConfig(argv)
  assert.ok(parsed.task === 'run')
  const standing = { ...parsed.config, nodeName: 'n1' }
  return nodeFacts(standing, object, onInterfaces)
    .nodePortAddresses.map(({ text }) => text)
    .join()
}

describe('where node ports are answered', () => {
  test('on the primary address of each family, internal before external', () => {
    assert.equal(nodePorts(), '10.0.0.1,fd00::1')
    assert.equal(nodePorts('--node-ip=10.9.9.9'), '10.9.9.9')
    assert.equal(nodePorts('--bind-address=10.0.0.2'), '10.0.0.2')
  })

  test("on the interfaces' addresses inside networks, never on loopback ones", () => {
    assert.equal(nodePorts('--nodeport-addresses=192.168.0.0/16,127.0.0.0/8'), '192.168.7.1')
    assert.equal(nodePorts('--nodeport-addresses=all'), '10.0.0.1,192.168.7.1,fd00::1')
  })

  test('on both, each address once', () => {
    assert.equal(nodePorts('--nodeport-addresses=primary,192.168.0.0/16,10.0.0.0/8'), '10.0.0.1,fd00::1,192.168.7.1')
  })

  test('nowhere but on the loopback ones', () => {
    assert.equal(nodePorts('--nodeport-addresses=localhost'), '')
  })
})

describe('a node', () => {
  test('that is being removed gets no new connections', () => {
    const taint = (key: string): Node => ({ ...object, spec: { taints: [{ key, effect: 'NoSchedule' }] } })
    const leaving = { ...object, metadata: { name: 'n1', deletionTimestamp: '2026-01-01T00:00:00Z' } }
    assert.equal(isEligible(object, true), true)
    assert.equal(isEligible(taint('ToBeDeletedByClusterAutoscaler'), true), false)
    assert.equal(isEligible(taint('node.kubernetes.io/unreachable'), true), true)
    assert.equal(isEligible(leaving, true), false)
  })

  test('that is gone gets none either, but one that nobody knows of yet goes on getting them', () => {
    assert.equal(isEligible(undefined, true), false)
    assert.equal(isEligible(undefined, false), true)
  })

  test('has Pods in the networks that tell', () => {
    const parsed = parseConfig(['--cluster-cidr=10.244.0.0/16'])
    assert.ok(parsed.task === 'run')
    const { pods } = nodeFacts({ ...parsed.config, nodeName: 'n1' }, object, [])
    assert.deepEqual(pods, [parseCidr('10.244.0.0/16')])
  })
})
