import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configDocument } from './document.ts'
import { fromFile, isRefusal, parsed } from './testing.ts'
import { parseConfig, type ProxyConfig } from './config.ts'

const config = (...argv: string[]): ProxyConfig => parsed(argv).config

/** As kubeadm 1.36 writes it into the ConfigMap kube-proxy, key config.conf. */
const kubeadm = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`

describe('a KubeProxyConfiguration', () => {
  test("kubeadm's works as it is, without a word", () => {
    const { config: found, warnings } = parsed(
      ['--config=/var/lib/kube-proxy/config.conf', '--hostname-override=Node-1'],
      kubeadm,
    )
    assert.deepEqual(warnings, [])
    assert.equal(found.kubeconfig, '/var/lib/kube-proxy/kubeconfig.conf')
    assert.equal(found.nodeName, 'node-1')
    const { values: _, ...rest } = found
    const { values: __, ...same } = config(
      '--kubeconfig=/var/lib/kube-proxy/kubeconfig.conf',
      '--hostname-override=node-1',
      '--cluster-cidr=10.244.0.0/16',
    )
    assert.deepEqual(rest, same)
  })

  test('every field that has a meaning is read', () => {
    const { config: found, warnings } = fromFile(`
clientConnection: { kubeconfig: /k }
hostnameOverride: N1
bindAddress: 10.0.0.9
healthzBindAddress: 10.0.0.9
metricsBindAddress: 0.0.0.0:9999
bindAddressHardFail: true
mode: nftables
detectLocalMode: InterfaceNamePrefix
detectLocal: { interfaceNamePrefix: cali }
clusterCIDR: 10.244.0.0/16
nodePortAddresses: [10.0.0.0/8, localhost]
oomScoreAdj: -5
nftables: { masqueradeAll: true, masqueradeBit: 3, minSyncPeriod: 2s, syncPeriod: 1m }
conntrack:
  { maxPerCore: 0, min: 1, tcpEstablishedTimeout: 1h, tcpCloseWaitTimeout: 0s, tcpBeLiberal: true, udpTimeout: 5s, udpStreamTimeout: 6s }
logging: { verbosity: 5 }
featureGates: { AllowServiceExternalIPs: true }
`)
    assert.deepEqual(warnings, [])
    const { values: _, ...rest } = found
    assert.deepEqual(JSON.parse(JSON.stringify({ ...rest, skeleton: undefined })), {
      mode: 'nftables',
      kubeconfig: '/k',
      nodeName: 'n1',
      nodeIps: [{ family: 'ip', text: '10.0.0.9' }],
      nodePortAddresses: {
        primary: false,
        ranges: [{ family: 'ip', text: '10.0.0.0/8', network: '10.0.0.0', prefix: 8 }],
      },
      localhostNodePorts: ['ip', 'ip6'],
      externalIps: true,
      clusterCidrs: [],
      serviceCidrs: [],
      localDetection: { mode: 'InterfaceNamePrefix', bridge: '', interfacePrefix: 'cali' },
      healthz: { host: '10.0.0.9', port: 10_256 },
      metrics: { host: '0.0.0.0', port: 9999 },
      bindHardFail: true,
      syncMs: 60_000,
      minSyncMs: 2000,
      graceMs: 60_000,
      writer: 'auto',
      conntrack: {
        maxPerCore: 0,
        min: 1,
        establishedMs: 3_600_000,
        closeWaitMs: 0,
        beLiberal: true,
        udpMs: 5000,
        udpStreamMs: 6000,
      },
      oomScoreAdj: -5,
      ipvs: { scheduler: 'rr', excludeCidrs: [], strictArp: false, tcpMs: 0, tcpFinMs: 0, udpMs: 0 },
      verbosity: 5,
    })
    assert.equal(found.skeleton.masqueradeBit, 3)
    assert.equal(found.skeleton.masqueradeAll, true)
  })

  test('the groups of other modes do not count and are named; without a mode the one for iptables does', () => {
    const ipvs = fromFile(
      'mode: ipvs\nipvs: { syncPeriod: 7s, strictARP: true }\niptables: { masqueradeBit: 5 }\nnftables: { masqueradeBit: 6 }',
    )
    assert.equal(ipvs.config.syncMs, 7000)
    assert.equal(ipvs.config.ipvs.strictArp, true)
    assert.equal(ipvs.config.skeleton.masqueradeBit, 5)
    assert.deepEqual(ipvs.warnings, ['nftables.masqueradeBit has no meaning in mode ipvs'])
    const unsaid = fromFile('iptables: { masqueradeBit: 5, localhostNodePorts: true }\nipvs: { syncPeriod: 7s }')
    assert.equal(unsaid.config.mode, 'nftables')
    assert.equal(unsaid.config.skeleton.masqueradeBit, 5)
    assert.deepEqual(unsaid.config.localhostNodePorts, ['ip', 'ip6'])
    assert.deepEqual(unsaid.warnings, ['ipvs.syncPeriod has no meaning in mode nftables'])
  })

  test('feature gates without a meaning are named, as a flag too', () => {
    const gates = 'AllowServiceExternalIPs: true, KubeProxyIPVS: false'
    const named = ['feature gate KubeProxyIPVS has no meaning here']
    assert.deepEqual(fromFile(`featureGates: { ${gates} }`).warnings, named)
    assert.deepEqual(parsed([`--feature-gates=${gates.replaceAll(': ', '=')}`]).warnings, named)
  })

  test('unknown fields and those without a meaning are named', () => {
    const { warnings } = fromFile(
      'clientConnection: { qps: 50 }\nwinkernel: { enableDSR: true }\nnew: 1\nconntrack: { other: 0 }\nlogging: { format: json }',
    )
    assert.deepEqual(
      warnings.map((text) => text.split(':')[0]),
      [
        'clientConnection.qps has no meaning here',
        'winkernel has no meaning here',
        'unknown field new',
        'unknown field conntrack.other',
        'logging.format has no meaning here',
      ],
    )
  })

  test('beside it only a few flags count, the others are named with the field to set', () => {
    const { config: found, warnings } = fromFile(
      'nftables: { masqueradeBit: 3 }\nlogging: { verbosity: 1 }',
      '--masquerade-bit=7',
      '--cluster-cidr=10.0.0.0/8',
      '--hostname-override=n2',
      '-v=6',
      '--writer=nft',
    )
    assert.equal(found.skeleton.masqueradeBit, 3)
    assert.deepEqual([found.nodeName, found.verbosity, found.writer, found.clusterCidrs.length], ['n2', 6, 'nft', 0])
    assert.deepEqual(warnings, [
      '--cluster-cidr does not count beside --config: set clusterCIDR in the file',
      '--masquerade-bit does not count beside --config: set nftables.masqueradeBit in the file',
    ])
  })

  for (const [yaml, message] of [
    ['conntrack: { min: -1 }', /^proxy.yaml: conntrack.min: -1 is not a whole number, 0 or more$/],
    ['conntrack: { min: "5" }', /conntrack.min: "5" is not/],
    ['nftables: { syncPeriod: 30 }', /nftables.syncPeriod: 30 is not a duration/],
    ['nodePortAddresses: primary', /nodePortAddresses: "primary" is not a list/],
    ['nodePortAddresses: [10.0.0.0]', /nodePortAddresses: \["10.0.0.0"\] is not a list/],
    ['clusterCIDR: [10.0.0.0/8]', /clusterCIDR: \["10.0.0.0\/8"\] is not networks/],
    ['bindAddress: host', /bindAddress: "host" is not an IP address/],
    ['conntrack: 5', /conntrack: 5 is not a mapping/],
    ['detectLocalMode: BridgeInterface', /detectLocal.bridgeInterface/],
    [
      'mode: kernelspace\noomScoreAdj: 5000',
      /mode: "kernelspace" .*; oomScoreAdj: 5000 is not a whole number from -1000 to 1000/,
    ],
  ] as const) {
    test(`refused: ${yaml.replaceAll('\n', ', ')}`, () => {
      assert.throws(() => fromFile(yaml), isRefusal(message))
    })
  }

  test('another kind, another version, no mapping', () => {
    const refused = (yaml: string, message: RegExp) =>
      assert.throws(() => parsed(['--config=proxy.yaml'], yaml), isRefusal(message))
    refused(
      'kind: KubeProxyConfiguration',
      /^proxy.yaml: apiVersion: nothing is not kubeproxy.config.k8s.io\/v1alpha1$/,
    )
    refused('apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: Pod', /kind: "Pod" is not/)
    refused('[]', /expected one KubeProxyConfiguration, found \[\]/)
  })

  test('our switch for external IPs is written as the feature gate', () => {
    const { featureGates } = configDocument(config('--external-ips').values)
    assert.deepEqual(featureGates, { AllowServiceExternalIPs: true })
    assert.deepEqual(configDocument(config().values)['featureGates'], {})
  })

  test('written out and read again it is the same', () => {
    for (const found of [
      config('--cluster-cidr=10.244.0.0/16', '--sync-period=1m', '--nodeport-addresses=primary,localhost'),
      config('--proxy-mode=ipvs', '--ipvs-scheduler=lc', '--conntrack-min=7', '--healthz-bind-address=[::]:77'),
      config('--proxy-mode=iptables', '--masquerade-all'),
      config('--feature-gates=AllowServiceExternalIPs=true'),
    ]) {
      const document = configDocument(found.values)
      const again = parseConfig([], { path: 'f', text: '', document })
      assert.ok(again.task === 'run')
      assert.deepEqual(again.config, found)
      assert.deepEqual(again.warnings, [])
    }
  })
})
