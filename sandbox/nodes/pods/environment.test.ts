import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EnvVar, Pod, Service, ServicePort } from '../../../kube/objects.ts'
import { ContainerConfigError, containerEnvironment, expand, type PodFacts } from './environment.ts'
import { serviceEnvironment } from './service-links.ts'

describe('service environment', () => {
  test('a Service gives HOST, PORT, a port by name and the docker link variables', () =>
    assert.deepEqual(
      serviceEnvironment([service('redis-primary', '10.0.0.11', [{ name: 'db-port', port: 6379 }])], 'shop', true),
      {
        REDIS_PRIMARY_SERVICE_HOST: '10.0.0.11',
        REDIS_PRIMARY_SERVICE_PORT: '6379',
        REDIS_PRIMARY_SERVICE_PORT_DB_PORT: '6379',
        REDIS_PRIMARY_PORT: 'tcp://10.0.0.11:6379',
        REDIS_PRIMARY_PORT_6379_TCP: 'tcp://10.0.0.11:6379',
        REDIS_PRIMARY_PORT_6379_TCP_PROTO: 'tcp',
        REDIS_PRIMARY_PORT_6379_TCP_PORT: '6379',
        REDIS_PRIMARY_PORT_6379_TCP_ADDR: '10.0.0.11',
      },
    ))

  test('an IPv6 cluster IP stands in brackets in the links', () => {
    const env = serviceEnvironment([service('web', 'fd00:96::5', [{ port: 53, protocol: 'UDP' }])], 'shop', true)
    assert.equal(env['WEB_PORT_53_UDP'], 'udp://[fd00:96::5]:53')
    assert.equal(env['WEB_SERVICE_HOST'], 'fd00:96::5')
  })

  test('headless and ExternalName Services give nothing', () =>
    assert.deepEqual(serviceEnvironment([service('a', 'None'), service('b', '')], 'shop', true), {}))

  test('Services of other namespaces give nothing, default/kubernetes always does', () => {
    const api = service('kubernetes', '10.96.0.1', [{ name: 'https', port: 443 }], 'default')
    const env = serviceEnvironment([api, service('other', '10.96.0.9', [{ port: 1 }], 'default')], 'shop', false)
    assert.equal(env['KUBERNETES_SERVICE_HOST'], '10.96.0.1')
    assert.equal(env['OTHER_SERVICE_HOST'], undefined)
  })

  test('a Service named kubernetes in the own namespace wins over the one of default', () => {
    const own = service('kubernetes', '10.96.0.7', [{ port: 1 }])
    const api = service('kubernetes', '10.96.0.1', [{ port: 443 }], 'default')
    for (const order of [
      [own, api],
      [api, own],
    ])
      assert.equal(serviceEnvironment(order, 'shop', true)['KUBERNETES_SERVICE_HOST'], '10.96.0.7')
  })

  test('without enableServiceLinks only the API server is left', () =>
    assert.deepEqual(serviceEnvironment([service('web', '10.96.0.8', [{ port: 80 }])], 'shop', false), {}))
})

describe('container environment', () => {
  test('fields of the Pod arrive', () =>
    assert.deepEqual(
      only(
        environment(
          field('NAME', 'metadata.name'),
          field('IP', 'status.podIP'),
          field('IPS', 'status.podIPs'),
          field('NODE', 'spec.nodeName'),
          field('HOST_IP', 'status.hostIP'),
          field('APP', "metadata.labels['app']"),
          field('MISSING', "metadata.annotations['x/y']"),
        ),
        ['NAME', 'IP', 'IPS', 'NODE', 'HOST_IP', 'APP', 'MISSING'],
      ),
      {
        NAME: 'web-1',
        IP: '10.244.1.2',
        IPS: '10.244.1.2,fd00:244:0:1::2',
        NODE: 'node-1',
        HOST_IP: '172.18.0.11',
        APP: 'web',
        MISSING: '',
      },
    ))

  test('a value refers to earlier variables and to Services', () =>
    assert.equal(
      environment({ name: 'A', value: '1' }, { name: 'URL', value: 'http://$(DB_SERVICE_HOST)/$(A)/$(LATER)/$$(A)' })[
        'URL'
      ],
      'http://10.96.0.4/1/$(LATER)/$(A)',
    ))

  test('an own variable wins over one of a Service', () =>
    assert.equal(environment({ name: 'DB_SERVICE_HOST', value: 'mine' })['DB_SERVICE_HOST'], 'mine'))

  test('a source that the sandbox does not have is refused by name', () => {
    const variable = { name: 'SECRET', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } } as EnvVar
    assert.throws(
      () => environment(variable),
      new ContainerConfigError('env SECRET: the sandbox reads valueFrom.fieldRef, not secretKeyRef'),
    )
  })

  test('an unknown field is refused', () =>
    assert.throws(() => environment(field('X', 'spec.containers')), /unsupported fieldPath: spec.containers/))

  test('expansion leaves prototype names alone', () => assert.equal(expand('$(constructor)', {}), '$(constructor)'))
})

function service(name: string, clusterIP: string, ports: ServicePort[] = [{ port: 80 }], namespace = 'shop'): Service {
  return { metadata: { name, namespace }, spec: { clusterIP, ports } }
}

function field(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}

function environment(...env: EnvVar[]): Record<string, string> {
  const pod: Pod = {
    metadata: { name: 'web-1', namespace: 'shop', uid: 'u', labels: { app: 'web' } },
    spec: { nodeName: 'node-1', containers: [] },
  }
  const facts: PodFacts = {
    pod,
    podIPs: ['10.244.1.2', 'fd00:244:0:1::2'],
    hostIPs: ['172.18.0.11'],
    hostname: 'web-1',
    serviceVariables: { DB_SERVICE_HOST: '10.96.0.4' },
  }
  return containerEnvironment(env, facts)
}

function only(env: Record<string, string>, names: string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, env[name]]))
}
