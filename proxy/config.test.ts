import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { UsageError } from '../kube/flags.ts'
import { configDocument } from './config-document.ts'
import { configPath, type Job, parseConfig, type ProxyConfig, usage } from './config.ts'

const isRefusal = (message: RegExp) => (error: unknown) =>
  error instanceof UsageError && message.test(error.message) && !error.message.includes('\n')

function parsed(argv: readonly string[], yaml?: string): Job {
  const file = yaml === undefined ? undefined : { path: 'proxy.yaml', text: yaml, document: parse(yaml) as unknown }
  const result = parseConfig(argv, file)
  assert.ok('config' in result)
  return result
}

const config = (...argv: string[]): ProxyConfig => parsed(argv).config
const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'
const fromFile = (yaml: string, ...argv: string[]) => parsed(['--config=proxy.yaml', ...argv], head + yaml)

describe('flags', () => {
  test("the defaults are kube-proxy's", () => {
    const usual = config()
    assert.deepEqual(usual.healthz, { host: '0.0.0.0', port: 10_256 })
    assert.deepEqual(usual.metrics, { host: '127.0.0.1', port: 10_249 })
    assert.equal(usual.skeleton.masqueradeBit, 14)
    assert.equal(usual.syncMs, 30_000)
    assert.equal(usual.graceMs, 60_000)
    assert.deepEqual(usual.nodePortAddresses, { primary: true, ranges: [] })
    assert.deepEqual(usual.localhostNodePorts, [])
    assert.equal(usual.externalIps, false)
    assert.equal(usual.oomScoreAdj, -999)
    assert.deepEqual(usual.conntrack, {
      maxPerCore: 32_768,
      min: 131_072,
      establishedMs: 86_400_000,
      closeWaitMs: 3_600_000,
      beLiberal: false,
      udpMs: 0,
      udpStreamMs: 0,
    })
  })

  test('networks are cleared of host bits', () => {
    const { clusterCidrs } = config('--cluster-cidr=10.244.3.0/16, fd00:244::/48')
    assert.deepEqual(
      clusterCidrs.map(({ text }) => text),
      ['10.244.0.0/16', 'fd00:244::/48'],
    )
  })

  test('durations as in Go', () => {
    assert.equal(config('--sync-period=1m30s').syncMs, 90_000)
    assert.equal(config('--min-sync-period=0').minSyncMs, 0)
    assert.equal(config('--traffic-policy-grace', '500ms').graceMs, 500)
    assert.equal(config('--conntrack-udp-timeout=2000000us').conntrack.udpMs, 2000)
  })

  test('switches alone, and with a value', () => {
    assert.equal(config('--masquerade-all').skeleton.masqueradeAll, true)
    assert.equal(config('--masquerade-all=true').skeleton.masqueradeAll, true)
    assert.equal(config('--masquerade-all=false').skeleton.masqueradeAll, false)
    for (const argv of [['-v=4'], ['-v', '4'], ['-v4'], ['--v=4']]) assert.equal(config(...argv).verbosity, 4)
  })

  test('addresses with and without port, and none', () => {
    assert.deepEqual(config('--healthz-bind-address=[::]:0').healthz, { host: '::', port: 0 })
    assert.deepEqual(config('--healthz-bind-address=10.0.0.1').healthz, { host: '10.0.0.1', port: 10_256 })
    assert.equal(config('--healthz-bind-address=').healthz, undefined)
    assert.equal(config('--metrics-bind-address=').metrics, undefined)
    assert.equal(config('--metrics-port=0').metrics, undefined)
    assert.deepEqual(config('--healthz-port=99').healthz, { host: '0.0.0.0', port: 99 })
    assert.deepEqual(config('--healthz-port=99', '--healthz-bind-address=10.0.0.1:98').healthz?.port, 98)
  })

  test('a bind address is the address of the node, and says the family of the usual places', () => {
    assert.deepEqual(config('--bind-address=0.0.0.0').nodeIps, [])
    assert.deepEqual(
      config('--bind-address=10.0.0.7').nodeIps.map(({ text }) => text),
      ['10.0.0.7'],
    )
    assert.deepEqual(config('--bind-address=::').metrics, { host: '::1', port: 10_249 })
  })

  test('node ports: primary addresses, everywhere, networks, the loopback by name or by network', () => {
    const places = (text: string) => {
      const { nodePortAddresses, localhostNodePorts } = config(`--nodeport-addresses=${text}`)
      const kernel = [
        ...(nodePortAddresses.primary ? ['primary'] : []),
        ...nodePortAddresses.ranges.map(({ text }) => text),
      ].join()
      return [kernel, localhostNodePorts.join()]
    }
    assert.deepEqual(places('primary'), ['primary', ''])
    assert.deepEqual(places('primary,localhost'), ['primary', 'ip,ip6'])
    assert.deepEqual(places('all'), ['0.0.0.0/0,::/0', 'ip,ip6'])
    assert.deepEqual(places('10.0.0.0/8'), ['10.0.0.0/8', ''])
    assert.deepEqual(places('10.0.0.0/8,primary'), ['primary,10.0.0.0/8', ''])
    assert.deepEqual(places('10.0.0.0/8,127.0.0.0/8')[1], 'ip')
    assert.deepEqual(places('::1/128')[1], 'ip6')
  })

  test('in mode iptables node ports are answered everywhere unless somebody says otherwise', () => {
    const iptables = config('--proxy-mode=iptables')
    assert.equal(iptables.nodePortAddresses.primary, false)
    assert.deepEqual(iptables.localhostNodePorts, ['ip', 'ip6'])
    assert.equal(config('--proxy-mode=iptables', '--nodeport-addresses=primary').nodePortAddresses.primary, true)
  })

  test('in mode iptables the loopback has node ports where the addresses include it, unless that is switched off', () => {
    const families = (addresses?: string, ...argv: string[]) => {
      const given = addresses === undefined ? [] : [`--nodeport-addresses=${addresses}`]
      return config('--proxy-mode=iptables', ...given, ...argv).localhostNodePorts.join()
    }
    assert.equal(families('all'), 'ip,ip6')
    assert.equal(families('0.0.0.0/0'), 'ip')
    assert.equal(families('10.0.0.0/8'), '')
    assert.equal(families('10.0.0.0/8', '--iptables-localhost-nodeports=true'), '')
    assert.equal(families('10.0.0.0/8,localhost'), 'ip,ip6')
    const off = '--iptables-localhost-nodeports=false'
    for (const addresses of [undefined, 'all', '0.0.0.0/0', 'localhost']) assert.equal(families(addresses, off), '')
    assert.deepEqual(fromFile('mode: iptables\niptables: { localhostNodePorts: false }').config.localhostNodePorts, [])
    assert.deepEqual(fromFile('iptables: { localhostNodePorts: false }').config.localhostNodePorts, [])
  })

  test('external IPs by our switch and by the feature gate', () => {
    assert.equal(config('--external-ips').externalIps, true)
    assert.equal(config('--feature-gates=AllowServiceExternalIPs=true').externalIps, true)
  })

  test("a flag of another mode is named, one of the file's default mode is meant for an unsaid one", () => {
    const { warnings, config: nftables } = parsed(['--proxy-mode=nftables', '--iptables-masquerade-bit=3'])
    assert.equal(nftables.skeleton.masqueradeBit, 14)
    assert.deepEqual(warnings, ['--iptables-masquerade-bit has no meaning in mode nftables'])
    assert.equal(config('--iptables-masquerade-bit=3').skeleton.masqueradeBit, 3)
    assert.equal(config('--proxy-mode=ipvs', '--ipvs-scheduler=lc').ipvs.scheduler, 'lc')
  })

  test("kube-proxy's flags without a meaning here are taken, and named", () => {
    const { warnings } = parsed(['--kube-api-qps=50', '--profiling', '--config-sync-period=10m', '--vmodule=a=1'])
    assert.deepEqual(
      warnings.map((text) => text.split(' ')[0]),
      ['--config-sync-period', '--kube-api-qps', '--profiling', '--vmodule'],
    )
  })

  test('what to do', () => {
    assert.deepEqual(
      [[], ['--cleanup'], ['--init-only=true'], ['--write-config-to=f'], ['--cleanup=false']].map(
        (argv) => parsed(argv).task,
      ),
      ['run', 'cleanup', 'init', 'write', 'run'],
    )
    assert.equal(parseConfig(['-h']).task, 'help')
  })

  test('whoever asks for the version gets it whatever else is given, and no file is read', () => {
    for (const flag of ['--version', '--version=true', '--version=raw']) {
      const argv = ['--config=nowhere.yaml', '--proxy-mode=none', flag, '--cleanup']
      assert.deepEqual([parseConfig(argv).task, configPath(argv)], ['version', undefined])
    }
    assert.equal(parseConfig(['--version=false']).task, 'run')
    assert.throws(() => parseConfig(['--version=v1.36.3']), isRefusal(/--version: "v1.36.3" is not true, false or raw/))
    assert.equal(configPath(['--config=f', '--help']), undefined)
  })

  // pflag and kube-proxy take them so; manifests that are made from templates have them.
  test('empty ones that hold a text, an address or a list are as good as not given', () => {
    const texts = 'kubeconfig master hostname-override bind-address proxy-mode detect-local-mode writer ipvs-scheduler'
    const lists = 'node-ip cluster-cidr service-cidrs nodeport-addresses ipvs-exclude-cidrs feature-gates'
    const others = 'pod-bridge-interface pod-interface-name-prefix config write-config-to'
    const names = [texts, lists, others].join(' ').split(' ')
    const argv = names.map((name) => `--${name}=`)
    assert.deepEqual(parsed(argv), parsed([]))
    assert.equal(configPath(argv), undefined)
    for (const flag of argv) assert.deepEqual(parsed([flag]), parsed([]), flag)
    assert.equal(config('--proxy-mode', '').mode, 'nftables')
  })

  test('empty ones without a meaning here, or beside a file, are not worth a word', () => {
    assert.deepEqual(parsed(['--show-hidden-metrics-for-version=', '--ipvs-scheduler=']).warnings, [])
    const { config: both, warnings } = fromFile(
      'clusterCIDR: 10.244.0.0/16\nmode: iptables',
      '--cluster-cidr=',
      '--proxy-mode=',
    )
    assert.deepEqual([both.clusterCidrs.length, both.mode, warnings], [1, 'iptables', []])
  })

  test('the help names every flag', () => {
    for (const name of ['config', 'proxy-mode', 'conntrack-min', 'ipvs-scheduler', 'iptables-sync-period', 'writer']) {
      assert.match(usage(), new RegExp(`--${name}\\b`))
    }
  })

  for (const [argv, message] of [
    [['--nonsense'], /--nonsense/],
    [['extra'], /extra/],
    [['--cluster-cidr=10.244.0.0'], /--cluster-cidr: "10.244.0.0" is not networks such as/],
    [['--cluster-cidr=10.244.0.0/40'], /is not networks/],
    [['--node-ip=node'], /--node-ip: "node" is not a list of which every entry is an IP address/],
    [['--masquerade-bit=32'], /--masquerade-bit: "32" is not a whole number from 0 to 31/],
    [['--sync-period=30'], /--sync-period: "30" is not a duration/],
    [['--sync-period=0s'], /more than 0/],
    [['--min-sync-period=1m'], /longer than the sync period/],
    [['--healthz-bind-address=:10256'], /not an address and port/],
    [['--healthz-bind-address=1.2.3.4:99999'], /not an address and port/],
    [['--nodeport-addresses=eth0'], /primary, localhost, all or a network/],
    [['--hostname-override= '], /--hostname-override: " " is not the name of a Node/],
    [['--sync-period='], /--sync-period: nothing is not a duration/],
    [['--masquerade-bit='], /--masquerade-bit: nothing is not a whole number/],
    [['--masquerade-all='], /--masquerade-all: nothing is not true or false/],
    [['--v=x'], /whole number/],
    [['--masquerade-all=yes'], /--masquerade-all: "yes" is not true or false/],
    [['--proxy-mode=userspace'], /--proxy-mode: "userspace" is not one of nftables, iptables, ipvs/],
    [['--detect-local-mode=BridgeInterface'], /--pod-bridge-interface/],
    [['--feature-gates=A'], /names to true or false/],
    [['--master=http://'], /URL/],
    [['--metrics-port=x'], /--metrics-port: "x" is not a port/],
    [['--oom-score-adj=-2000', '--v=11'], /--oom-score-adj.*; --v: "11"/],
  ] as const) {
    test(`refused: ${argv.join(' ')}`, () => {
      assert.throws(() => parseConfig(argv), isRefusal(message))
    })
  }
})

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
