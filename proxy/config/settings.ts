/**
 * Every setting of the proxy: the flags and the fields of a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) that give it, its
 * kind, what it is when nobody says. One table; parsing, help, docs and /configz are made from it. Names and defaults are kube-proxy's
 * where it has the setting; flags that are ours say so.
 */
import type { Address } from '../rules/addresses.ts'
import type { Kind } from './kinds.ts'
import {
  address,
  anyText,
  bind,
  duration,
  listOf,
  network,
  networks,
  nodeName,
  oneOf,
  period,
  switches,
  url,
  whole,
  yesNo,
} from './kinds.ts'
import { detectLocalModes } from '../rules/local-detection.ts'
import { modeNames, type ModeName } from '../mode-names.ts'
import { nodePortEntry } from './node-port-addresses.ts'
import { writerChoices } from '../nftables/choose-writer.ts'

export interface Source {
  /** A flag's name, or a field's path with dots. */
  readonly name: string
  readonly from: 'flag' | 'field'
  /** Modes in which it has a meaning; undefined: all. */
  readonly modes: readonly ModeName[] | undefined
}

export interface Setting<T> {
  readonly kind: Kind<T>
  /** The first one that is there counts. */
  readonly sources: readonly Source[]
  readonly usual: T
  readonly help: string
  /** Flags count beside a configuration file too: kube-proxy does the same with these, and with none of its others. */
  readonly besideFile?: true
  /** In the file, a zero (`0s`, `0`) means that nobody has said anything. */
  readonly zeroIsUnset?: true
}

function setting<T>(value: Setting<T>): Setting<T> {
  return value
}

function flag(name: string, ...modes: ModeName[]): Source {
  return { name, from: 'flag', modes: modes.length > 0 ? modes : undefined }
}

function field(name: string, ...modes: ModeName[]): Source {
  return { name, from: 'field', modes: modes.length > 0 ? modes : undefined }
}

export const settings = {
  kubeconfig: setting({
    kind: anyText,
    sources: [flag('kubeconfig'), field('clientConnection.kubeconfig')],
    usual: '',
    help: 'file that says where the API server is (default: KUBECONFIG, the service account)',
  }),
  master: setting({
    kind: url,
    sources: [flag('master')],
    usual: '',
    help: "URL of the API server in place of the kubeconfig's",
    besideFile: true,
  }),
  nodeName: setting({
    kind: nodeName,
    sources: [flag('hostname-override'), field('hostnameOverride')],
    usual: '',
    help: "name of this Node object (default: the host's name, lower case)",
    besideFile: true,
  }),
  bindAddress: setting<Address>({
    kind: address,
    sources: [flag('bind-address'), field('bindAddress')],
    usual: { family: 'ip', text: '0.0.0.0' },
    help: "this node's primary address, unless it is 0.0.0.0 or ::; nothing is bound to it (default 0.0.0.0)",
  }),
  nodeIps: setting({
    kind: listOf(address),
    sources: [flag('node-ip')],
    usual: [],
    help: "this node's addresses, with commas (default: --bind-address, else those of the Node object); ours",
    besideFile: true,
  }),
  mode: setting<ModeName>({
    kind: oneOf(modeNames),
    sources: [flag('proxy-mode'), field('mode')],
    usual: 'nftables',
    help: `${modeNames.join(', ')} (default nftables)`,
  }),
  detectLocalMode: setting<(typeof detectLocalModes)[number]>({
    kind: oneOf(detectLocalModes),
    sources: [flag('detect-local-mode'), field('detectLocalMode')],
    usual: 'ClusterCIDR',
    help: `how Pods are told from others, whose traffic to ClusterIPs is masqueraded: ${detectLocalModes.join(', ')} (default ClusterCIDR)`,
  }),
  clusterCidrs: setting({
    kind: networks,
    sources: [flag('cluster-cidr'), field('clusterCIDR')],
    usual: [],
    help: 'networks of Pods, with commas, for ClusterCIDR',
  }),
  serviceCidrs: setting({
    kind: networks,
    sources: [flag('service-cidrs')],
    usual: [],
    help: 'networks of ClusterIPs, with commas: addresses there that no Service has are refused (ServiceCIDR objects count too); ours',
    besideFile: true,
  }),
  podBridge: setting({
    kind: anyText,
    sources: [flag('pod-bridge-interface'), field('detectLocal.bridgeInterface')],
    usual: '',
    help: 'the bridge of Pods, for BridgeInterface',
  }),
  podInterfacePrefix: setting({
    kind: anyText,
    sources: [flag('pod-interface-name-prefix'), field('detectLocal.interfaceNamePrefix')],
    usual: '',
    help: "the beginning of the names of Pods' interfaces, for InterfaceNamePrefix",
  }),
  nodePortAddresses: setting({
    kind: listOf(nodePortEntry),
    sources: [flag('nodeport-addresses'), field('nodePortAddresses')],
    usual: [],
    help: 'where node ports are answered, with commas: `primary` (default in mode nftables), `localhost` (TCP only), `all` (default in the others), networks',
  }),
  localhostNodePorts: setting({
    kind: yesNo,
    sources: [flag('iptables-localhost-nodeports', 'iptables'), field('iptables.localhostNodePorts', 'iptables')],
    usual: true,
    help: 'whether node ports are answered on 127.0.0.1 and ::1 (TCP) where their addresses include these (default true)',
  }),
  externalIps: setting({
    kind: yesNo,
    sources: [flag('external-ips')],
    usual: false,
    help: 'answer for spec.externalIPs of Services; the same as the feature gate AllowServiceExternalIPs; ours',
    besideFile: true,
  }),
  masqueradeAll: setting({
    kind: yesNo,
    sources: [
      flag('masquerade-all'),
      field('nftables.masqueradeAll', 'nftables'),
      field('iptables.masqueradeAll', 'iptables', 'ipvs'),
    ],
    usual: false,
    help: 'masquerade all traffic to ClusterIPs',
    zeroIsUnset: true,
  }),
  masqueradeBit: setting({
    kind: whole(0, 31),
    sources: [
      flag('masquerade-bit'),
      flag('iptables-masquerade-bit', 'iptables', 'ipvs'),
      field('nftables.masqueradeBit', 'nftables'),
      field('iptables.masqueradeBit', 'iptables', 'ipvs'),
    ],
    usual: 14,
    help: 'bit of the packet mark that asks for masquerading, 0 to 31 (default 14)',
  }),
  healthz: setting({
    kind: bind(10_256),
    sources: [flag('healthz-bind-address'), field('healthzBindAddress')],
    usual: { host: '0.0.0.0', port: 10_256 },
    help: 'address and port of /healthz and /livez; empty for none (default 0.0.0.0:10256)',
  }),
  metrics: setting({
    kind: bind(10_249),
    sources: [flag('metrics-bind-address'), field('metricsBindAddress')],
    usual: { host: '127.0.0.1', port: 10_249 },
    help: 'address and port of /metrics, /proxyMode and /configz; empty for none (default 127.0.0.1:10249)',
  }),
  bindAddressHardFail: setting({
    kind: yesNo,
    sources: [flag('bind-address-hard-fail'), field('bindAddressHardFail')],
    usual: false,
    help: 'end when the metrics port cannot be opened (for the health port the proxy always ends)',
    zeroIsUnset: true,
  }),
  syncMs: setting({
    kind: period,
    sources: [
      flag('sync-period'),
      flag('iptables-sync-period', 'iptables'),
      flag('ipvs-sync-period', 'ipvs'),
      field('nftables.syncPeriod', 'nftables'),
      field('iptables.syncPeriod', 'iptables'),
      field('ipvs.syncPeriod', 'ipvs'),
    ],
    usual: 30_000,
    help: 'longest time between checks of the rules and between retries (default 30s)',
    zeroIsUnset: true,
  }),
  minSyncMs: setting({
    kind: duration,
    sources: [
      flag('min-sync-period'),
      flag('iptables-min-sync-period', 'iptables'),
      flag('ipvs-min-sync-period', 'ipvs'),
      field('nftables.minSyncPeriod', 'nftables'),
      field('iptables.minSyncPeriod', 'iptables'),
      field('ipvs.minSyncPeriod', 'ipvs'),
    ],
    usual: 50,
    help: "shortest time between two writes of rules (default 50ms; kube-proxy's is 1s)",
    zeroIsUnset: true,
  }),
  graceMs: setting({
    kind: duration,
    sources: [flag('traffic-policy-grace')],
    usual: 60_000,
    help: 'how long a change of externalTrafficPolicy waits for the load balancers (default 60s); ours',
    besideFile: true,
  }),
  writer: setting<(typeof writerChoices)[number]>({
    kind: oneOf(writerChoices),
    sources: [flag('writer')],
    usual: 'auto',
    help: '`netlink`, `nft` (a process for each write) or `auto` (default): netlink where that is possible; ours',
    besideFile: true,
  }),
  conntrackMaxPerCore: setting({
    kind: whole(0),
    sources: [flag('conntrack-max-per-core'), field('conntrack.maxPerCore')],
    usual: 32_768,
    help: 'connections the kernel tracks for each core; 0 leaves its limit alone (default 32768)',
  }),
  conntrackMin: setting({
    kind: whole(0),
    sources: [flag('conntrack-min'), field('conntrack.min')],
    usual: 131_072,
    help: 'connections the kernel tracks at least (default 131072)',
  }),
  conntrackEstablishedMs: setting({
    kind: duration,
    sources: [flag('conntrack-tcp-timeout-established'), field('conntrack.tcpEstablishedTimeout')],
    usual: 86_400_000,
    help: 'how long an idle TCP connection is tracked; 0 leaves it as it is (default 24h)',
  }),
  conntrackCloseWaitMs: setting({
    kind: duration,
    sources: [flag('conntrack-tcp-timeout-close-wait'), field('conntrack.tcpCloseWaitTimeout')],
    usual: 3_600_000,
    help: 'the same in CLOSE_WAIT (default 1h)',
  }),
  conntrackBeLiberal: setting({
    kind: yesNo,
    sources: [flag('conntrack-tcp-be-liberal'), field('conntrack.tcpBeLiberal')],
    usual: false,
    help: 'packets out of a TCP window are not called invalid (nf_conntrack_tcp_be_liberal)',
    zeroIsUnset: true,
  }),
  conntrackUdpMs: setting({
    kind: duration,
    sources: [flag('conntrack-udp-timeout'), field('conntrack.udpTimeout')],
    usual: 0,
    help: 'how long a UDP flow without an answer is tracked; 0 leaves it as it is (default 0)',
    zeroIsUnset: true,
  }),
  conntrackUdpStreamMs: setting({
    kind: duration,
    sources: [flag('conntrack-udp-timeout-stream'), field('conntrack.udpStreamTimeout')],
    usual: 0,
    help: 'the same with answers (default 0)',
    zeroIsUnset: true,
  }),
  oomScoreAdj: setting({
    kind: whole(-1000, 1000),
    sources: [flag('oom-score-adj'), field('oomScoreAdj')],
    usual: -999,
    help: 'oom_score_adj of this process, -1000 to 1000 (default -999)',
  }),
  ipvsScheduler: setting({
    kind: anyText,
    sources: [flag('ipvs-scheduler', 'ipvs'), field('ipvs.scheduler', 'ipvs')],
    usual: 'rr',
    help: 'scheduler of IPVS (default rr)',
  }),
  ipvsExcludeCidrs: setting({
    kind: listOf(network),
    sources: [flag('ipvs-exclude-cidrs', 'ipvs'), field('ipvs.excludeCIDRs', 'ipvs')],
    usual: [],
    help: 'networks whose virtual servers are left alone, with commas',
  }),
  ipvsStrictArp: setting({
    kind: yesNo,
    sources: [flag('ipvs-strict-arp', 'ipvs'), field('ipvs.strictARP', 'ipvs')],
    usual: false,
    help: 'set arp_ignore 1 and arp_announce 2',
    zeroIsUnset: true,
  }),
  ipvsTcpMs: setting({
    kind: duration,
    sources: [flag('ipvs-tcp-timeout', 'ipvs'), field('ipvs.tcpTimeout', 'ipvs')],
    usual: 0,
    help: 'how long IPVS keeps idle TCP connections; 0 leaves it as it is (default 0)',
    zeroIsUnset: true,
  }),
  ipvsTcpFinMs: setting({
    kind: duration,
    sources: [flag('ipvs-tcpfin-timeout', 'ipvs'), field('ipvs.tcpFinTimeout', 'ipvs')],
    usual: 0,
    help: 'the same after a FIN (default 0)',
    zeroIsUnset: true,
  }),
  ipvsUdpMs: setting({
    kind: duration,
    sources: [flag('ipvs-udp-timeout', 'ipvs'), field('ipvs.udpTimeout', 'ipvs')],
    usual: 0,
    help: 'the same for UDP (default 0)',
    zeroIsUnset: true,
  }),
  featureGates: setting({
    kind: switches,
    sources: [flag('feature-gates'), field('featureGates')],
    usual: {},
    help: 'name=true,...; only AllowServiceExternalIPs has a meaning here',
  }),
  verbosity: setting({
    kind: whole(0, 10),
    sources: [flag('v'), field('logging.verbosity')],
    usual: 0,
    help: 'log level: 0 (default) to 10; 4 and above log every write',
    besideFile: true,
  }),
}

export type SettingName = keyof typeof settings
export type Values = { [K in SettingName]: (typeof settings)[K] extends Setting<infer T> ? T : never }
