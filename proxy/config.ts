/** The proxy's command line: flags with kube-proxy's names and meanings, checked and turned into one value. Pure. */
import { type FlagSpec, parseFlags, UsageError } from '../kube/flags.ts'
import { type Address, type Cidr, type Family, families, parseAddress, parseCidr } from './addresses.ts'
import { parseDuration } from './duration.ts'
import type { ListenAt } from './listen.ts'
import type { NodePortAddresses } from './node-facts.ts'
import { type WriterChoice, writerChoices } from './nftables/choose-writer.ts'
import type { SkeletonOptions } from './nftables/skeleton.ts'

export interface ProxyConfig {
  kubeconfig: string | undefined
  /** `--hostname-override`; undefined: the host's name. */
  nodeName: string | undefined
  nodeIps: readonly Address[]
  nodePortAddresses: NodePortAddresses
  clusterCidrs: readonly Cidr[]
  skeleton: SkeletonOptions
  healthz: ListenAt
  metrics: ListenAt
  syncMs: number
  minSyncMs: number
  graceMs: number
  writer: WriterChoice
  cleanup: boolean
  verbosity: number
}

export type ParsedConfig = { help: true } | { help: false; config: ProxyConfig }

interface Flag extends FlagSpec {
  help: string
}

const flags = {
  kubeconfig: {
    type: 'string',
    help: 'file that says where the API server is (default: KUBECONFIG, the service account)',
  },
  'hostname-override': { type: 'string', help: "name of this Node object (default: the host's name, lower case)" },
  'cluster-cidr': {
    type: 'string',
    help: 'networks of Pods, with commas; other sources of ClusterIP traffic are masqueraded',
  },
  'node-ip': { type: 'string', help: "this node's addresses, with commas (default: those of the Node object)" },
  'nodeport-addresses': {
    type: 'string',
    help: 'where node ports are answered: `primary` (default), or networks with commas',
  },
  'masquerade-all': { type: 'boolean', help: 'masquerade all traffic to ClusterIPs' },
  'masquerade-bit': { type: 'string', help: 'bit of the packet mark that asks for masquerading, 0 to 31 (default 14)' },
  'healthz-bind-address': { type: 'string', help: 'address and port of /healthz and /livez (default 0.0.0.0:10256)' },
  'metrics-bind-address': {
    type: 'string',
    help: 'address and port of /metrics and /proxyMode (default 127.0.0.1:10249)',
  },
  'sync-period': { type: 'string', help: 'longest time between checks of the rules and between retries (default 30s)' },
  'min-sync-period': { type: 'string', help: 'shortest time between two writes of rules (default 50ms)' },
  'traffic-policy-grace': {
    type: 'string',
    help: 'how long a change of externalTrafficPolicy waits for the load balancers (default 60s)',
  },
  writer: {
    type: 'string',
    help: '`netlink`, `nft` (a process for each write) or `auto` (default): netlink where that is possible',
  },
  cleanup: { type: 'boolean', help: "remove this proxy's rules and exit" },
  v: { type: 'string', short: 'v', help: 'log level: 0 (default) to 10; 4 and above log every write' },
  help: { type: 'boolean', short: 'h', help: 'print this' },
} satisfies Record<string, Flag>

type FlagName = keyof typeof flags

export function usage(): string {
  const lines = Object.entries(flags).map(([name, { help }]) => `  --${name.padEnd(22)} ${help}`)
  return `Usage: roadstead proxy [flags]\n\nForwards Service traffic on this node with nftables.\n\n${lines.join('\n')}\n`
}

/** Throws UsageError. */
export function parseConfig(argv: readonly string[]): ParsedConfig {
  const { values } = parseFlags(argv, flags)
  const text = (name: FlagName): string | undefined => {
    const value = values[name]
    if (value === '') throw new UsageError(`--${name} needs a value`)
    return typeof value === 'string' ? value : undefined
  }
  if (values['help'] === true) return { help: true }
  const duration = (name: FlagName, usual: string) => parseDuration(name, text(name) ?? usual)
  const clusterCidrs = cidrs('cluster-cidr', text('cluster-cidr'))
  const syncMs = duration('sync-period', '30s')
  if (syncMs === 0) throw new UsageError('--sync-period must be more than 0')
  return {
    help: false,
    config: {
      kubeconfig: text('kubeconfig'),
      nodeName: text('hostname-override')?.trim().toLowerCase(),
      nodeIps: list(text('node-ip')).map((item) => parseAddress(item) ?? wrong('node-ip', item, 'an IP address')),
      nodePortAddresses: nodePortAddresses(text('nodeport-addresses')),
      clusterCidrs,
      skeleton: {
        clusterCidrs: { ip: ofFamily(clusterCidrs, 'ip'), ip6: ofFamily(clusterCidrs, 'ip6') },
        masqueradeAll: values['masquerade-all'] === true,
        masqueradeBit: whole('masquerade-bit', text('masquerade-bit') ?? '14', 31),
      },
      healthz: bindAddress('healthz-bind-address', text('healthz-bind-address') ?? '0.0.0.0:10256', 10_256),
      metrics: bindAddress('metrics-bind-address', text('metrics-bind-address') ?? '127.0.0.1:10249', 10_249),
      syncMs,
      minSyncMs: duration('min-sync-period', '50ms'),
      graceMs: duration('traffic-policy-grace', '60s'),
      writer: writerChoice(text('writer') ?? 'auto'),
      cleanup: values['cleanup'] === true,
      verbosity: whole('v', text('v') ?? '0', 10),
    },
  }
}

function wrong(flag: FlagName, text: string, expected: string): never {
  throw new UsageError(`--${flag}: "${text}" is not ${expected}`)
}

function list(text: string | undefined): string[] {
  return (text ?? '').split(',').flatMap((item) => item.trim() || [])
}

function cidrs(flag: FlagName, text: string | undefined): Cidr[] {
  return list(text).map((item) => parseCidr(item) ?? wrong(flag, item, 'a network such as 10.244.0.0/16'))
}

function ofFamily(ranges: readonly Cidr[], family: Family): string[] {
  return ranges.filter((range) => range.family === family).map((range) => range.text)
}

function nodePortAddresses(text: string | undefined): NodePortAddresses {
  if (text === undefined || text === 'primary') return 'primary'
  if (text === 'all')
    return families.map((family) => parseCidr(family === 'ip' ? '0.0.0.0/0' : '::/0')).flatMap((range) => range ?? [])
  return cidrs('nodeport-addresses', text)
}

function writerChoice(text: string): WriterChoice {
  return writerChoices.find((choice) => choice === text) ?? wrong('writer', text, writerChoices.join(', '))
}

function whole(flag: FlagName, text: string, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return number <= most ? number : wrong(flag, text, `a whole number from 0 to ${most}`)
}

/** `address`, `address:port`, `[address]:port`; port 0 means any free one. */
function bindAddress(flag: FlagName, text: string, usualPort: number): ListenAt {
  const alone = parseAddress(text)
  if (alone) return { host: alone.text, port: usualPort }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const address = parseAddress(bracketed ?? plain ?? '')
  const port = Number(digits)
  if (address === undefined || !(port <= 65_535)) return wrong(flag, text, 'an address and port such as 0.0.0.0:10256')
  return { host: address.text, port }
}
