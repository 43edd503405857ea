import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice, Service } from '../kube/objects.ts'
import { createCommon, serviceKeyOf, trimService, trimSlice } from './trimmed.ts'

const slice = (name: string): EndpointSlice =>
  JSON.parse(
    JSON.stringify({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name,
        namespace: 'default',
        uid: `uid-${name}`,
        resourceVersion: '7',
        labels: { app: 'web', 'kubernetes.io/service-name': 'web' },
        managedFields: [{ manager: 'controller' }],
      },
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.244.1.5'], conditions: { ready: true, serving: true }, nodeName: 'node-1', zone: 'a' },
        { addresses: ['10.244.1.6'], conditions: { ready: false }, hints: { forZones: [{ name: 'a' }] } },
      ],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080, appProtocol: 'h2c' }],
    }),
  ) as EndpointSlice

describe('what is kept of objects', () => {
  test('a slice keeps what rules are made of', () => {
    const trimmed = trimSlice(slice('web-1'))
    assert.deepEqual(trimmed, {
      metadata: {
        name: 'web-1',
        namespace: 'default',
        uid: 'uid-web-1',
        resourceVersion: '7',
        labels: { 'kubernetes.io/service-name': 'web' },
      },
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['10.244.1.5'], conditions: { ready: true, serving: true }, nodeName: 'node-1' },
        { addresses: ['10.244.1.6'], conditions: { ready: false }, hints: { forZones: [{ name: 'a' }] } },
      ],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    })
    assert.equal(serviceKeyOf(trimmed), 'default/web')
  })

  test('slices that say the same share it', () => {
    const common = createCommon()
    const [one, other] = [trimSlice(slice('web-1'), common), trimSlice(slice('web-2'), common)]
    assert.equal(one.ports, other.ports)
    assert.equal(one.endpoints[0]?.conditions, other.endpoints[0]?.conditions)
    assert.equal(one.endpoints[1]?.hints, other.endpoints[1]?.hints)
  })

  test('a Service loses defaults and what the proxy does not read, and keeps the labels that turn it away', () => {
    const service: Service = {
      metadata: {
        name: 'web',
        namespace: 'default',
        creationTimestamp: '2026-01-01T00:00:00Z',
        labels: { app: 'web', 'service.kubernetes.io/service-proxy-name': 'other' },
      },
      spec: {
        type: 'NodePort',
        selector: { app: 'web' },
        ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30_080 }],
        clusterIP: '10.96.0.7',
        clusterIPs: ['10.96.0.7'],
        sessionAffinity: 'None',
        internalTrafficPolicy: 'Cluster',
        externalTrafficPolicy: 'Local',
      },
    }
    const { metadata, spec } = trimService(service)
    assert.deepEqual(metadata.labels, { 'service.kubernetes.io/service-proxy-name': 'other' })
    assert.equal(metadata.creationTimestamp, '2026-01-01T00:00:00Z')
    assert.deepEqual(spec, {
      type: 'NodePort',
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30_080 }],
      clusterIPs: ['10.96.0.7'],
      externalTrafficPolicy: 'Local',
    })
  })
})
