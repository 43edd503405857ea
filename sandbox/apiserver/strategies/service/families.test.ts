import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { IPFamily, Service, ServiceSpec } from '../../../../kube/objects.ts'
import { initFamilies } from './families.ts'

describe('a cluster of one family', () => {
  test('gives PreferDualStack the one it has', () => {
    assert.deepEqual(familiesOf({ ipFamilyPolicy: 'PreferDualStack' }, ['IPv4']), ['IPv4'])
  })

  test('refuses RequireDualStack', () => {
    assert.throws(
      () => familiesOf({ ipFamilyPolicy: 'RequireDualStack' }, ['IPv4']),
      /spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services/,
    )
  })

  test('refuses the other family, asked for by name or by address', () => {
    assert.throws(
      () => familiesOf({ ipFamilies: ['IPv6'] }, ['IPv4']),
      /spec.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster/,
    )
    assert.throws(
      () => familiesOf({ clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] }, ['IPv4']),
      /spec.clusterIPs\[0\]: Invalid value: \["fd00::1"\]: IPv6 is not configured on this cluster/,
    )
  })

  test('lets a headless Service without selector have both', () => {
    assert.deepEqual(familiesOf({ clusterIP: 'None', clusterIPs: ['None'] }, ['IPv4']), ['IPv4', 'IPv6'])
  })
})

describe('a cluster of both families', () => {
  test('has the family of its first range as default', () => {
    assert.deepEqual(familiesOf({}, ['IPv6', 'IPv4']), ['IPv6'])
    assert.deepEqual(familiesOf({ ipFamilyPolicy: 'PreferDualStack' }, ['IPv6', 'IPv4']), ['IPv6', 'IPv4'])
  })

  test('does not upgrade a PreferDualStack Service that nobody touched', () => {
    const spec: ServiceSpec = {
      type: 'ClusterIP',
      ipFamilyPolicy: 'PreferDualStack',
      ipFamilies: ['IPv4'],
      clusterIP: '10.96.0.9',
      clusterIPs: ['10.96.0.9'],
    }
    const [service, old] = [serviceOf(spec), serviceOf(spec)]
    initFamilies(service, old, ['IPv4', 'IPv6'])
    assert.deepEqual(service.spec.ipFamilies, ['IPv4'])
  })
})

function familiesOf(spec: ServiceSpec, families: readonly IPFamily[]): IPFamily[] | undefined {
  const service = serviceOf({ type: 'ClusterIP', ...spec })
  initFamilies(service, undefined, families)
  return service.spec.ipFamilies
}

function serviceOf(spec: ServiceSpec): Service {
  return { metadata: { name: 'web', namespace: 'default' }, spec: structuredClone(spec) }
}
