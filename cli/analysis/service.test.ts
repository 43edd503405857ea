import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Service } from '../../kube/objects.ts'
import { foreignAnnotations, foreignPrefix } from '../../providers/aws/foreign-annotations.ts'
import type { Finding } from './findings.ts'
import { analyzeService } from './service.ts'

const at = { namespace: 'default', name: 'web' }
const context = { otherParameters: ['mode'] }

function service(annotations: Record<string, string>, loadBalancerClass?: string): Service {
  const spec = { type: 'LoadBalancer' as const, ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }) }
  return { metadata: { ...at, annotations }, spec }
}

const theirs = (annotations: Record<string, string>, loadBalancerClass = 'service.k8s.aws/nlb') =>
  analyzeService(
    service(
      Object.fromEntries(Object.entries(annotations).map(([name, value]) => [foreignPrefix + name, value])),
      loadBalancerClass,
    ),
    at,
    context,
  ).filter(({ code }) => code !== 'RS2001')

/** `CODE key: value, ...` without our prefix. */
function said({ code, equivalent }: Finding): string {
  const all = { ...equivalent?.fields, ...equivalent?.annotations }
  const texts = Object.entries(all).map(([key, value]) => `${key.replace('roadstead.dev/', '')}: ${value}`)
  return [code, texts.join(', ')].join(' ').trim()
}

/** Every annotation of the two controllers with values people give it, and what becomes of them. */
const table: [string, string, string][] = [
  ['load-balancer-source-ranges', '192.0.2.0/24', 'RS1001 spec.loadBalancerSourceRanges: 192.0.2.0/24'],
  ['aws-load-balancer-type', 'external', 'RS1002'],
  ['aws-load-balancer-type', 'nlb-ip', 'RS1003'],
  ['aws-load-balancer-nlb-target-type', 'instance', 'RS1002'],
  ['aws-load-balancer-nlb-target-type', 'ip', 'RS1003'],
  ['aws-load-balancer-name', 'my-nlb', 'RS1003'],
  ['aws-load-balancer-scheme', 'internet-facing', 'RS1001 spec.loadBalancerClass: roadstead.dev/public'],
  ['aws-load-balancer-scheme', 'internal', 'RS1001 spec.loadBalancerClass: roadstead.dev/internal'],
  ['aws-load-balancer-internal', 'true', 'RS1001 spec.loadBalancerClass: roadstead.dev/internal'],
  ['aws-load-balancer-internal', '0.0.0.0/0', 'RS1001 spec.loadBalancerClass: roadstead.dev/internal'],
  ['aws-load-balancer-internal', 'false', 'RS1001 spec.loadBalancerClass: roadstead.dev/public'],
  ['aws-load-balancer-ip-address-type', 'dualstack', 'RS1001 spec.ipFamilyPolicy: RequireDualStack'],
  ['aws-load-balancer-ip-address-type', 'ipv4', 'RS1002'],
  ['aws-load-balancer-subnets', 'subnet-1, public-b', 'RS1001 subnets: subnet-1,public-b'],
  ['aws-load-balancer-eip-allocations', 'eipalloc-1,eipalloc-2', 'RS1001 eip-allocations: eipalloc-1,eipalloc-2'],
  ['aws-load-balancer-private-ipv4-addresses', '10.0.0.9', 'RS1001 private-ipv4-addresses: 10.0.0.9'],
  ['aws-load-balancer-ipv6-addresses', '2001:db8::9', 'RS1001 ipv6-addresses: 2001:db8::9'],
  ['aws-load-balancer-enable-prefix-for-ipv6-source-nat', 'on', 'RS1002'],
  ['aws-load-balancer-source-nat-ipv6-prefixes', '2001:db8::/80', 'RS1001 source-nat-ipv6-prefixes: 2001:db8::/80'],
  ['aws-load-balancer-security-groups', 'sg-1, sg-2', 'RS1001 security-groups: sg-1,sg-2, node-rules: none'],
  ['aws-load-balancer-security-groups', 'my-group', 'RS1001 security-groups: my-group, node-rules: none'],
  ['aws-load-balancer-manage-backend-security-group-rules', 'true', 'RS1002'],
  ['aws-load-balancer-manage-backend-security-group-rules', 'false', 'RS1001 node-rules: none'],
  ['aws-load-balancer-extra-security-groups', 'sg-1', 'RS1003'],
  ['aws-load-balancer-security-group-prefix-lists', 'pl-1', 'RS1001 source-prefix-lists: pl-1'],
  ['aws-load-balancer-disable-nlb-sg', 'true', 'RS1003'],
  ['aws-load-balancer-disable-nlb-sg', 'false', 'RS1002'],
  ['aws-load-balancer-inbound-sg-rules-on-private-link-traffic', 'off', 'RS1001 private-link-rules: off'],
  ['aws-load-balancer-enable-icmp-for-path-mtu-discovery', 'on', 'RS1001 icmp-path-mtu: true'],
  [
    'aws-load-balancer-attributes',
    'load_balancing.cross_zone.enabled=true, deletion_protection.enabled=true,zonal_shift.config.enabled=true',
    'RS1001 cross-zone: true, deletion-protection: true, load-balancer-attributes: zonal_shift.config.enabled=true',
  ],
  [
    'aws-load-balancer-attributes',
    'access_logs.s3.enabled=true,access_logs.s3.bucket=logs,access_logs.s3.prefix=nlb',
    'RS1001 access-logs: s3://logs/nlb',
  ],
  ['aws-load-balancer-attributes', 'access_logs.s3.enabled=false', 'RS1002'],
  ['aws-load-balancer-access-log-enabled', 'false', 'RS1002'],
  ['aws-load-balancer-access-log-enabled', 'true', 'RS1003'],
  ['aws-load-balancer-access-log-s3-bucket-name', 'logs', 'RS1002'],
  ['aws-load-balancer-access-log-s3-bucket-prefix', 'nlb', 'RS1002'],
  ['aws-load-balancer-access-log-emit-interval', '5', 'RS1003'],
  ['aws-load-balancer-cross-zone-load-balancing-enabled', 'true', 'RS1001 cross-zone: true'],
  [
    'aws-load-balancer-target-group-attributes',
    'preserve_client_ip.enabled=false,proxy_protocol_v2.enabled=true,deregistration_delay.timeout_seconds=60,stickiness.enabled=true',
    'RS1001 preserve-client-ip: false, drain-seconds: 60, target-group-attributes: stickiness.enabled=true, proxy-protocol: all',
  ],
  ['aws-load-balancer-target-group-attributes', 'proxy_protocol_v2.enabled=false', 'RS1002'],
  [
    'aws-load-balancer-target-group-attributes.80',
    'stickiness.enabled=true, proxy_protocol_v2.enabled=true',
    'RS1001 target-group-attributes: 80:stickiness.enabled=true,80:proxy_protocol_v2.enabled=true',
  ],
  [
    'aws-load-balancer-listener-attributes.TCP-80',
    'tcp.idle_timeout.seconds=400',
    'RS1001 listener-attributes: 80:tcp.idle_timeout.seconds=400',
  ],
  ['aws-load-balancer-proxy-protocol', '*', 'RS1001 proxy-protocol: all'],
  ['aws-load-balancer-proxy-protocol-per-target-group', '80, 443', 'RS1001 proxy-protocol: 80,443'],
  ['aws-load-balancer-backend-protocol', 'ssl', 'RS1001 tls-backend: all'],
  ['aws-load-balancer-backend-protocol', 'tcp', 'RS1002'],
  ['aws-load-balancer-backend-protocol', 'http', 'RS1003'],
  [
    'aws-load-balancer-ssl-cert',
    'arn:aws:acm:eu-central-1:1:certificate/x',
    'RS1001 tls-certificates: arn:aws:acm:eu-central-1:1:certificate/x',
  ],
  ['aws-load-balancer-ssl-ports', '443, https', 'RS1001 tls-ports: 443,https'],
  ['aws-load-balancer-ssl-ports', '*', 'RS1001 tls-ports: all'],
  [
    'aws-load-balancer-ssl-negotiation-policy',
    'ELBSecurityPolicy-2016-08',
    'RS1001 tls-policy: ELBSecurityPolicy-2016-08',
  ],
  ['aws-load-balancer-alpn-policy', 'HTTP2Preferred', 'RS1001 tls-alpn: HTTP2Preferred'],
  ['aws-load-balancer-healthcheck-protocol', 'tcp', 'RS1001 health-check-traffic-port: true'],
  ['aws-load-balancer-healthcheck-protocol', 'http', 'RS1001 health-check-traffic-port: HTTP, health-check-path: /'],
  ['aws-load-balancer-healthcheck-port', 'traffic-port', 'RS1001 health-check-traffic-port: true'],
  ['aws-load-balancer-healthcheck-port', '30080', 'RS1001 health-check-port: 30080, health-check-protocol: TCP'],
  ['aws-load-balancer-healthcheck-port', 'status', 'RS1001 health-check-port: status, health-check-protocol: TCP'],
  ['aws-load-balancer-healthcheck-path', '/ready', 'RS1002'],
  ['aws-load-balancer-healthcheck-healthy-threshold', '3', 'RS1001 health-check-healthy-threshold: 3'],
  ['aws-load-balancer-healthcheck-unhealthy-threshold', '3', 'RS1001 health-check-unhealthy-threshold: 3'],
  ['aws-load-balancer-healthcheck-interval', '10', 'RS1001 health-check-interval-seconds: 10'],
  ['aws-load-balancer-healthcheck-timeout', '6', 'RS1001 health-check-timeout-seconds: 6'],
  ['aws-load-balancer-healthcheck-success-codes', '200-399', 'RS1002'],
  ['aws-load-balancer-target-node-labels', 'role=edge, zone=a', 'RS1001 node-selector: role=edge,zone=a'],
  ['aws-load-balancer-additional-resource-tags', 'team=edge, cost=7', 'RS1001 tags: team=edge,cost=7'],
  ['aws-load-balancer-enable-tcp-udp-listener', 'true', 'RS1002'],
  ['aws-load-balancer-quic-enabled-ports', '443', 'RS1003'],
  ['aws-load-balancer-multi-cluster-target-group', 'true', 'RS1001 keep-foreign-targets: true'],
  ['aws-load-balancer-multi-cluster-target-group', 'false', 'RS1002'],
  ['aws-load-balancer-minimum-load-balancer-capacity', 'CapacityUnits=3000', 'RS1001 capacity-units: 3000'],
  ['aws-load-balancer-minimum-load-balancer-capacity', 'CapacityUnits=0', 'RS1002'],
  ['aws-load-balancer-connection-draining-enabled', 'true', 'RS1002'],
  ['aws-load-balancer-connection-draining-timeout', '60', 'RS1001 drain-seconds: 60'],
  ['aws-load-balancer-connection-idle-timeout', '300', 'RS1001 idle-timeout-seconds: 300'],
  ['actions.tcp-80', '{"type":"forward"}', 'RS1003'],
]

describe('annotations of the AWS controllers', () => {
  for (const [name, value, expected] of table) {
    test(`${name}: ${value.slice(0, 40)}`, () => assert.deepEqual(theirs({ [name]: value }).map(said), [expected]))
  }

  test('the table above leaves none out', () => {
    const tried = (key: string) =>
      table.some(([name]) => foreignPrefix + name === key || matches(key, foreignPrefix + name))
    const matches = (key: string, name: string) => key.endsWith('PORT') && name.startsWith(key.slice(0, -'PORT'.length))
    assert.deepEqual(
      foreignAnnotations()
        .map(([key]) => key)
        .filter((key) => !tried(key)),
      [],
    )
  })

  test('parts of one wish come together', () => {
    const logs = theirs({
      'aws-load-balancer-access-log-enabled': 'true',
      'aws-load-balancer-access-log-s3-bucket-name': 'logs',
      'aws-load-balancer-access-log-s3-bucket-prefix': 'nlb',
    })
    assert.deepEqual(logs.map(said), ['RS1001 access-logs: s3://logs/nlb', 'RS1002', 'RS1002'])
    const check = theirs({
      'aws-load-balancer-healthcheck-port': '30080',
      'aws-load-balancer-healthcheck-protocol': 'HTTPS',
    })
    assert.deepEqual(check.map(said), [
      'RS1001 health-check-port: 30080',
      'RS1001 health-check-protocol: HTTP, health-check-https: true, health-check-path: /',
    ])
    const http = { 'aws-load-balancer-healthcheck-path': '/ready', 'aws-load-balancer-healthcheck-protocol': 'HTTP' }
    assert.deepEqual(theirs({ ...http, 'aws-load-balancer-healthcheck-port': '30080' }).map(said), [
      'RS1001 health-check-path: /ready',
      'RS1001 health-check-port: 30080',
      'RS1001 health-check-protocol: HTTP',
    ])
    // Theirs asks the port that serves traffic, not the node proxy.
    assert.deepEqual(theirs(http).map(said), [
      'RS1001 health-check-path: /ready',
      'RS1001 health-check-traffic-port: HTTP',
    ])
    const groups = theirs({
      'aws-load-balancer-manage-backend-security-group-rules': 'true',
      'aws-load-balancer-security-groups': 'sg-1',
    })
    assert.deepEqual(groups.map(said), ['RS1002', 'RS1001 security-groups: sg-1'])
  })

  test('one that neither controller knows is probably misspelt; others of the prefix are not ours to judge', () => {
    assert.deepEqual(theirs({ 'aws-load-balancer-shceme': 'internal' }).map(said), ['RS1004'])
    assert.deepEqual(theirs({ 'some-other-cloud': 'x' }), [])
  })

  test('on a Service of ours they have no effect, but for the source ranges', () => {
    const found = theirs(
      { 'aws-load-balancer-cross-zone-load-balancing-enabled': 'true', 'load-balancer-source-ranges': '10.0.0.0/8' },
      'roadstead.dev/public',
    )
    assert.deepEqual(found.map(said), ['RS1006 cross-zone: true', 'RS1001 spec.loadBalancerSourceRanges: 10.0.0.0/8'])
  })
})

describe('the class of a Service', () => {
  const cases: [string, Record<string, string>, string | undefined, string | undefined][] = [
    ['of aws-load-balancer-controller is internal by default', {}, 'service.k8s.aws/nlb', 'internal'],
    ['the same by its type annotation', { 'aws-load-balancer-type': 'external' }, undefined, 'internal'],
    ['the same with a scheme', { 'aws-load-balancer-scheme': 'internet-facing' }, 'service.k8s.aws/nlb', 'public'],
    ['of EKS Auto Mode', {}, 'eks.amazonaws.com/nlb', 'internal'],
    ['of the cloud provider is public by default', { 'aws-load-balancer-type': 'nlb' }, undefined, 'public'],
    ['the same made internal', { 'aws-load-balancer-internal': 'true' }, undefined, 'internal'],
    ['of somebody else', {}, 'example.com/lb', undefined],
  ]
  for (const [what, annotations, loadBalancerClass, scheme] of cases) {
    test(what, () => {
      const full = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [foreignPrefix + name, value]))
      const [first] = analyzeService(service(full, loadBalancerClass), at, context)
      assert.equal(first?.code, 'RS2001')
      const fields = scheme === undefined ? undefined : { 'spec.loadBalancerClass': `roadstead.dev/${scheme}` }
      assert.deepEqual(first.equivalent?.fields, fields)
    })
  }

  test('ours, by name or by being the default class, is nothing to report', () => {
    assert.deepEqual(analyzeService(service({}, 'roadstead.dev/public'), at, context), [])
    const condition = {
      type: 'roadstead.dev/Ready',
      status: 'True' as const,
      lastTransitionTime: '',
      reason: '',
      message: '',
    }
    assert.deepEqual(analyzeService({ ...service({}), status: { conditions: [condition] } }, at, context), [])
  })

  test('other types of Service are passed over', () => {
    const annotations = { [`${foreignPrefix}aws-load-balancer-scheme`]: 'internal' }
    assert.deepEqual(analyzeService({ metadata: { annotations }, spec: { type: 'ClusterIP' } }, at, context), [])
  })
})

describe('our own annotations', () => {
  const of = (annotations: Record<string, string>) =>
    analyzeService(service(annotations, 'roadstead.dev/public'), at, context)

  test('well formed ones of any cloud are nothing to report', () => {
    assert.deepEqual(
      of({
        'roadstead.dev/cross-zone': 'true',
        'roadstead.dev/mode': 'passthrough',
        'roadstead.dev/drain-seconds': '5',
      }),
      [],
    )
  })

  test('a misspelt key and a malformed value are errors with their reason', () => {
    const found = of({ 'roadstead.dev/cros-zone': 'true', 'roadstead.dev/idle-timeout-seconds': '5' })
    assert.deepEqual(
      found.map(({ code }) => code),
      ['RS3001', 'RS3001'],
    )
    assert.match(found[0]?.message ?? '', /did you mean roadstead\.dev\/cross-zone/)
    assert.match(found[1]?.message ?? '', /60 to 6000 seconds/)
  })
})
