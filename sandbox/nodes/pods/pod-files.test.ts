import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pod } from '../../../kube/objects.ts'
import { builtinImages, findImage, unknownImage } from './images.ts'
import { hostsFile, podHostname, resolvConf } from './pod-files.ts'

const dns = { nameserver: '10.96.0.10', clusterDomain: 'cluster.local' }

describe('files of a Pod', () => {
  test('resolv.conf has the search path of its namespace', () =>
    assert.equal(
      resolvConf(pod(), dns),
      'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
    ))

  test('on the host network it keeps the resolver of the machine', () =>
    assert.equal(resolvConf(pod({ hostNetwork: true }), dns), undefined))

  test('ClusterFirstWithHostNet asks the cluster all the same', () =>
    assert.match(
      resolvConf(pod({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), dns) ?? '',
      /10\.96\.0\.10/,
    ))

  test('hosts names the Pod by host name and subdomain', () =>
    assert.match(
      hostsFile(pod({ hostname: 'db-0', subdomain: 'db' }), ['10.244.1.2'], dns) ?? '',
      /^10\.244\.1\.2\tdb-0\.db\.shop\.svc\.cluster\.local\tdb-0$/m,
    ))

  test('a long name is cut to what a host name may be', () => {
    const hostname = podHostname({ metadata: { name: `${'a'.repeat(62)}-bcd` }, spec: { containers: [] } })
    assert.equal(hostname, 'a'.repeat(62))
  })
})

describe('images', () => {
  const images = builtinImages({ node: 'node', kubeconfigInPods: '/kubeconfig' })
  for (const name of ['echo', 'roadstead.dev/echo', 'echo:v1', 'roadstead.dev/echo:1.0@sha256:abc'])
    test(`${name} is the echo image`, () => assert.equal(findImage(images, name), images.get('echo')))
  for (const name of ['nginx', 'docker.io/echo', 'localhost:5000/echo', ''])
    test(`${JSON.stringify(name)} is none of ours`, () => assert.equal(findImage(images, name), undefined))
  test('an unknown image is answered with the list', () =>
    assert.match(
      unknownImage(images, 'nginx'),
      /"nginx".*roadstead\.dev\/echo, roadstead\.dev\/client, roadstead\.dev\/dns/,
    ))
  test('the DNS image knows the API server', () =>
    assert.deepEqual(findImage(images, 'dns')?.env, [{ name: 'KUBECONFIG', value: '/kubeconfig' }]))
})

function pod(spec: Partial<Pod['spec']> = {}): Pod {
  return { metadata: { name: 'db-0', namespace: 'shop' }, spec: { containers: [], ...spec } }
}
