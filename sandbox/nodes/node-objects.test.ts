import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nodeObject } from './node-objects.ts'
import { nodePlace } from './topology.ts'

describe('Node object', () => {
  const machine = { architecture: 'arm64', kernelVersion: '6.1.0' }
  const node = nodeObject(
    'it',
    nodePlace({ instance: 'it', families: ['IPv4', 'IPv6'] }, 2),
    machine,
    '2026-01-01T00:00:00Z',
  )

  test('names its provider, its zone and its Pod ranges', () => {
    assert.equal(node.spec?.providerID, 'roadstead-local://it/node-2')
    assert.equal(node.metadata.labels?.['topology.kubernetes.io/zone'], 'sandbox-b')
    assert.deepEqual(node.spec?.podCIDRs, ['10.244.2.0/24', 'fd00:244:0:2::/64'])
  })

  test('is of the machine it runs on', () => {
    assert.equal(node.metadata.labels?.['kubernetes.io/arch'], 'arm64')
    assert.equal(node.status.nodeInfo?.['kernelVersion'], '6.1.0')
  })

  test('has an InternalIP of each family and is Ready', () => {
    assert.deepEqual(
      node.status.addresses?.filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
      ['172.18.0.12', 'fd00:18::12'],
    )
    assert.equal(node.status.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
  })
})
