import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Answer } from 'dns-packet'
import type { Endpoint, EndpointSlice, Service } from '../../kube/objects.ts'
import { answer, ttlSeconds } from './answer.ts'
import { createRecordIndex } from './record-index.ts'

const labels = { 'kubernetes.io/service-name': 'db' }

function service(name: string, spec: Service['spec'], namespace = 'shop'): Service {
  return { metadata: { namespace, name }, spec }
}

function slice(name: string, endpoints: Endpoint[], addressType: EndpointSlice['addressType'] = 'IPv4'): EndpointSlice {
  const ports = [
    { name: 'sql', protocol: 'TCP' as const, port: 5432 },
    { name: '', protocol: 'TCP' as const, port: 9 },
  ]
  return { metadata: { namespace: 'shop', name, labels }, addressType, endpoints, ports }
}

function cluster() {
  const index = createRecordIndex('cluster.local')
  for (const name of ['default', 'shop', 'kube-system']) index.setNamespace({ metadata: { name } })
  const dns = { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [] }
  index.setService(service('kube-dns', dns, 'kube-system'))
  const dual = { clusterIP: '10.96.0.80', clusterIPs: ['10.96.0.80', 'fd00:96::80'] }
  index.setService(
    service('web', {
      ...dual,
      ports: [{ name: 'http', port: 80 }, { name: 'dns', port: 53, protocol: 'UDP' }, { port: 9 }],
    }),
  )
  index.setService(service('db', { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] }))
  index.setSlice(
    slice('db-1', [
      { addresses: ['10.244.1.5'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.2.6'], conditions: { ready: true } },
      { addresses: ['10.244.3.7'], hostname: 'db-2', conditions: { ready: false } },
    ]),
  )
  index.setSlice(slice('db-6', [{ addresses: ['fd00:244:1::5'], hostname: 'db-0' }], 'IPv6'))
  index.setService(service('empty', { clusterIP: 'None' }))
  index.setService(service('outside', { type: 'ExternalName', externalName: 'www.Example.com' }))
  index.setService(service('alias', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }))
  index.setService(service('broken', { type: 'ExternalName', externalName: 'missing.shop.svc.cluster.local' }))
  index.setService(service('loop', { type: 'ExternalName', externalName: 'loop.shop.svc.cluster.local' }))
  return index
}

/** `type data` of each answer. */
function shown(records: readonly Answer[]): string[] {
  return records.map((record) => {
    if (record.type === 'SRV') {
      const { priority, weight, port, target } = record.data
      return `SRV ${priority} ${weight} ${port} ${target}`
    }
    if (record.type === 'TXT') return `TXT ${String(record.data)}`
    return record.type === 'A' ||
      record.type === 'AAAA' ||
      record.type === 'CNAME' ||
      record.type === 'PTR' ||
      record.type === 'NS'
      ? `${record.type} ${record.data}`
      : record.type
  })
}

function ask(name: string, type: string, index = cluster()) {
  const { rcode, answers, authorities, additionals, authoritative } = answer({ name, type }, index)
  return {
    rcode,
    authoritative,
    answers: shown(answers),
    authorities: shown(authorities),
    additionals: shown(additionals),
  }
}

const nxdomain = { rcode: 'NXDOMAIN', authoritative: true, answers: [], authorities: ['SOA'], additionals: [] }
const nodata = { ...nxdomain, rcode: 'NOERROR' }

describe('answers of the cluster DNS', () => {
  const found: [what: string, name: string, type: string, answers: string[]][] = [
    ['A of a cluster IP', 'web.shop.svc.cluster.local', 'A', ['A 10.96.0.80']],
    ['AAAA of a dual-stack Service', 'web.shop.svc.cluster.local', 'AAAA', ['AAAA fd00:96::80']],
    ['names in any case', 'WEB.Shop.SVC.cluster.LOCAL', 'A', ['A 10.96.0.80']],
    ['a trailing dot', 'web.shop.svc.cluster.local.', 'A', ['A 10.96.0.80']],
    [
      'SRV of a named port',
      '_http._tcp.web.shop.svc.cluster.local',
      'SRV',
      ['SRV 0 100 80 web.shop.svc.cluster.local'],
    ],
    ['SRV by protocol', '_dns._udp.web.shop.svc.cluster.local', 'SRV', ['SRV 0 100 53 web.shop.svc.cluster.local']],
    ['PTR of a cluster IP', '80.0.96.10.in-addr.arpa', 'PTR', ['PTR web.shop.svc.cluster.local']],
    [
      'PTR of an IPv6 cluster IP',
      `0.8.0.0.${'0.'.repeat(20)}6.9.0.0.0.0.d.f.ip6.arpa`,
      'PTR',
      ['PTR web.shop.svc.cluster.local'],
    ],
    ['ready addresses of a headless Service', 'db.shop.svc.cluster.local', 'A', ['A 10.244.1.5', 'A 10.244.2.6']],
    ['its IPv6 addresses', 'db.shop.svc.cluster.local', 'AAAA', ['AAAA fd00:244:1::5']],
    ['an endpoint by hostname', 'db-0.db.shop.svc.cluster.local', 'A', ['A 10.244.1.5']],
    ['an endpoint by address', '10-244-2-6.db.shop.svc.cluster.local', 'A', ['A 10.244.2.6']],
    ['PTR of an endpoint with hostname', '5.1.244.10.in-addr.arpa', 'PTR', ['PTR db-0.db.shop.svc.cluster.local']],
    ['PTR of one without', '6.2.244.10.in-addr.arpa', 'PTR', ['PTR 10-244-2-6.db.shop.svc.cluster.local']],
    [
      'SRV of a headless Service',
      '_sql._tcp.db.shop.svc.cluster.local',
      'SRV',
      ['SRV 0 50 5432 db-0.db.shop.svc.cluster.local', 'SRV 0 50 5432 10-244-2-6.db.shop.svc.cluster.local'],
    ],
    ['CNAME of an ExternalName', 'outside.shop.svc.cluster.local', 'CNAME', ['CNAME www.example.com']],
    ['A of one outside: the alias alone', 'outside.shop.svc.cluster.local', 'A', ['CNAME www.example.com']],
    [
      'A of one inside: followed',
      'alias.shop.svc.cluster.local',
      'A',
      ['CNAME web.shop.svc.cluster.local', 'A 10.96.0.80'],
    ],
    ['a Pod record', '1-2-3-4.shop.pod.cluster.local', 'A', ['A 1.2.3.4']],
    ['an IPv6 Pod record', 'fd00-244-1--5.shop.pod.cluster.local', 'AAAA', ['AAAA fd00:244:1::5']],
    ['the schema version', 'dns-version.cluster.local', 'TXT', ['TXT 1.1.0']],
    ['SOA of the zone', 'cluster.local', 'SOA', ['SOA']],
    ['NS of the zone', 'cluster.local', 'NS', ['NS ns.dns.cluster.local']],
    ['the name server itself', 'ns.dns.cluster.local', 'A', ['A 10.96.0.10']],
    ['ANY with one small record', 'web.shop.svc.cluster.local', 'ANY', ['HINFO']],
  ]
  for (const [what, name, type, answers] of found) {
    test(what, () => {
      const { rcode, ...rest } = ask(name, type)
      assert.deepEqual({ rcode, answers: rest.answers }, { rcode: 'NOERROR', answers })
    })
  }

  const empty: [what: string, name: string, type: string][] = [
    ['another type of a Service', 'web.shop.svc.cluster.local', 'TXT'],
    ['AAAA of a single-stack Service', 'kube-dns.kube-system.svc.cluster.local', 'AAAA'],
    ['an unknown type', 'web.shop.svc.cluster.local', 'UNKNOWN_65'],
    ['a namespace', 'shop.svc.cluster.local', 'A'],
    ['the svc node', 'svc.cluster.local', 'A'],
    ['the pod node', 'pod.cluster.local', 'A'],
    ['the zone', 'cluster.local', 'A'],
    ['a protocol with ports', '_tcp.web.shop.svc.cluster.local', 'SRV'],
    ['A of a port', '_http._tcp.web.shop.svc.cluster.local', 'A'],
    ['AAAA of an IPv4 Pod', '1-2-3-4.shop.pod.cluster.local', 'AAAA'],
    ['AAAA of an IPv4-only endpoint', '10-244-2-6.db.shop.svc.cluster.local', 'AAAA'],
  ]
  for (const [what, name, type] of empty) {
    test(`NODATA with SOA: ${what}`, () => assert.deepEqual(ask(name, type), nodata))
  }

  const missing: [what: string, name: string, type: string][] = [
    ['no such Service', 'nope.shop.svc.cluster.local', 'A'],
    ['no such namespace', 'web.nope.svc.cluster.local', 'A'],
    ['a namespace that is none', 'nope.svc.cluster.local', 'A'],
    ['a headless Service without ready endpoints', 'empty.shop.svc.cluster.local', 'A'],
    ['an endpoint that is not ready', 'db-2.db.shop.svc.cluster.local', 'A'],
    ['PTR of an endpoint that is not ready', '7.3.244.10.in-addr.arpa', 'PTR'],
    ['an unnamed port', '_._tcp.web.shop.svc.cluster.local', 'SRV'],
    ['a port of another protocol', '_http._udp.web.shop.svc.cluster.local', 'SRV'],
    ['a protocol without ports', '_sctp.web.shop.svc.cluster.local', 'SRV'],
    ['something below a port', 'a._http._tcp.web.shop.svc.cluster.local', 'SRV'],
    ['a Pod record in no namespace', '1-2-3-4.nope.pod.cluster.local', 'A'],
    ['a Pod record that is no address', '1-2-3-444.shop.pod.cluster.local', 'A'],
    ['another tree of the zone', 'x.cluster.local', 'A'],
    ['an unknown cluster IP', '81.0.96.10.in-addr.arpa', 'PTR'],
    ['half a reverse name', '96.10.in-addr.arpa', 'PTR'],
  ]
  for (const [what, name, type] of missing) {
    test(`NXDOMAIN with SOA: ${what}`, () => assert.deepEqual(ask(name, type), nxdomain))
  }

  test('outside of the cluster nothing exists, and nobody here is the authority', () => {
    assert.deepEqual(ask('www.example.com', 'A'), { ...nxdomain, authoritative: false, authorities: [] })
    assert.equal(ask('notcluster.local', 'A').authoritative, false)
  })

  test('an alias to a missing cluster name is NXDOMAIN, with the alias', () => {
    const { rcode, answers, authorities } = ask('broken.shop.svc.cluster.local', 'A')
    assert.deepEqual([rcode, answers, authorities], ['NXDOMAIN', ['CNAME missing.shop.svc.cluster.local'], ['SOA']])
  })

  test('an alias to itself ends as SERVFAIL', () =>
    assert.equal(ask('loop.shop.svc.cluster.local', 'A').rcode, 'SERVFAIL'))

  test('SRV brings the addresses of its targets along', () => {
    assert.deepEqual(ask('_http._tcp.web.shop.svc.cluster.local', 'SRV').additionals, [
      'A 10.96.0.80',
      'AAAA fd00:96::80',
    ])
  })

  test('answers keep the spelling of the question and live for five seconds', () => {
    const { answers } = answer({ name: 'wEb.shop.svc.cluster.local', type: 'A' }, cluster())
    const [record] = answers
    assert.ok(record !== undefined && record.type === 'A')
    assert.deepEqual([record.name, record.ttl], ['wEb.shop.svc.cluster.local', ttlSeconds])
  })
})
