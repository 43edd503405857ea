import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefusal, parsed, fromFile } from './testing.ts'
import { configPath, parseConfig, type ProxyConfig, usage } from './config.ts'

const config = (...argv: string[]): ProxyConfig => parsed(argv).config

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
