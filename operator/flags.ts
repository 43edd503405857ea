/** The operator's command line as a checked value. Every mistake is one line that says what to do. */
import { parseFlags, UsageError } from '../kube/flags.ts'
import type { FlagSpec } from '../kube/flags.ts'
import { cloudNames, cloudSettings } from '../providers/registry.ts'
import type { OperatorConfig } from './config.ts'
import { defaultConfig } from './config.ts'

interface ProviderChoice {
  name: string
  settings: Record<string, string>
}

export interface OperatorFlags {
  help: boolean
  kubeconfig: string | undefined
  context: string | undefined
  /** undefined: the UID of the namespace kube-system. */
  clusterId: string | undefined
  providers: ProviderChoice[]
  /** undefined: not served. */
  metricsAddress: { host: string; port: number } | undefined
  healthAddress: { host: string; port: number } | undefined
  /** File of LoadBalancerClasses to keep; undefined: none. */
  classesFile: string | undefined
  leaderElect: boolean
  leaseNamespace: string
  election: { leaseDurationMs: number; renewDeadlineMs: number; retryPeriodMs: number }
  logLevel: string
  /** Calls to one cloud: so many a second on average, and at once. */
  cloudRate: { perSecond: number; burst: number }
  config: Omit<OperatorConfig, 'cluster'>
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  kubeconfig: { type: 'string' },
  context: { type: 'string' },
  'cluster-id': { type: 'string' },
  provider: { type: 'string', multiple: true },
  'local-endpoint': { type: 'string' },
  classes: { type: 'string' },
  'metrics-bind-address': { type: 'string', default: '127.0.0.1:10258' },
  'health-bind-address': { type: 'string', default: '127.0.0.1:10257' },
  'leader-elect': { type: 'string', default: 'true' },
  'lease-namespace': { type: 'string', default: 'kube-system' },
  'leader-elect-lease-duration': { type: 'string', default: '15s' },
  'leader-elect-renew-deadline': { type: 'string', default: '10s' },
  'leader-elect-retry-period': { type: 'string', default: '2s' },
  'drift-interval': { type: 'string', default: '3m' },
  'node-window': { type: 'string', default: '1s' },
  concurrency: { type: 'string', default: String(defaultConfig.concurrency) },
  'orphan-interval': { type: 'string', default: '10m' },
  'delete-orphans': { type: 'boolean', default: false },
  'service-node-port-range': { type: 'string', default: '30000-32767' },
  'cloud-qps': { type: 'string', default: '50' },
  'cloud-burst': { type: 'string', default: '200' },
  'log-level': { type: 'string', default: 'info' },
} satisfies Record<string, FlagSpec>

export const usage = `Usage: roadstead operator --provider NAME[=KEY=VALUE,...] [flags]

Gives Services of type LoadBalancer load balancers in the clouds it is given.

  --provider NAME[=KEY=VALUE,...]   a cloud; repeat for several
  --local-endpoint URL              control API of the local cloud: unix:/path or http://host:port
  --cluster-id LABEL                marks cloud objects as ours (default: UID of the namespace kube-system)
  --classes FILE                    LoadBalancerClasses (YAML) to create and keep; what others changed in them stays
  --kubeconfig FILE, --context NAME connection (default: KUBECONFIG, in-cluster, ~/.kube/config)
  --leader-elect true|false         take the Lease roadstead-operator first (default true)
  --lease-namespace NAME            where the Lease is (default kube-system)
  --leader-elect-lease-duration, --leader-elect-renew-deadline, --leader-elect-retry-period
                                    timing of the election (default 15s, 10s, 2s)
  --drift-interval DURATION         every load balancer is looked at again within it (default 3m)
  --node-window DURATION            node changes are collected for so long (default 1s)
  --concurrency N                   workers for Services, and for each cloud (default 8)
  --cloud-qps N, --cloud-burst N    budget of calls for each cloud (default 50, 200)
  --orphan-interval DURATION        search for load balancers without a Service; 0 for never (default 10m)
  --delete-orphans                  remove what the search finds twice
  --service-node-port-range A-B     as the API server's (default 30000-32767)
  --metrics-bind-address HOST:PORT  /metrics (default 127.0.0.1:10258; 0 for none)
  --health-bind-address HOST:PORT   /livez, /readyz (default 127.0.0.1:10257; 0 for none)
  --log-level LEVEL                 ${levels.join(', ')} (default info)

Settings of the clouds, for --provider NAME=KEY=VALUE,...:
${settingsOfClouds()}`

/** One paragraph a cloud. */
function settingsOfClouds(): string {
  return cloudNames
    .map((name) => {
      const rows = Object.entries(cloudSettings(name) ?? {}).map(
        ([key, meaning]) => `    ${key.padEnd(22)}${meaning}\n`,
      )
      return `  ${name}\n${rows.join('')}`
    })
    .join('')
}

/** Throws UsageError. */
export function operatorFlags(argv: readonly string[]): OperatorFlags {
  const { values } = parseFlags(argv, options)
  const text = (name: keyof typeof options) => String(values[name] ?? '')
  const optional = (name: keyof typeof options) => (values[name] === undefined ? undefined : text(name))
  const help = values['help'] === true
  const clusterId = optional('cluster-id')
  if (clusterId !== undefined && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(clusterId)) {
    throw new UsageError(`--cluster-id ${clusterId} is no DNS label: use at most 63 lower case letters, digits and "-"`)
  }
  const providers = [values['provider'] ?? []]
    .flat()
    .map((value) => provider(String(value), optional('local-endpoint')))
  if (providers.length === 0 && !help)
    throw new UsageError('name at least one cloud with --provider, for example --provider local')
  const twice = providers.find(({ name }, index) => providers.findIndex((one) => one.name === name) !== index)
  if (twice) throw new UsageError(`--provider ${twice.name} is given twice`)
  if (optional('local-endpoint') !== undefined && !providers.some(({ name }) => name === 'local')) {
    throw new UsageError('--local-endpoint needs --provider local')
  }
  if (!levels.includes(text('log-level'))) throw new UsageError(`--log-level must be one of ${levels.join(', ')}`)
  if (!['true', 'false'].includes(text('leader-elect'))) throw new UsageError('--leader-elect must be true or false')
  const driftIntervalMs = duration('drift-interval', text('drift-interval'))
  if (driftIntervalMs < 1000) throw new UsageError('--drift-interval must be at least 1s')
  return {
    help,
    kubeconfig: optional('kubeconfig'),
    context: optional('context'),
    clusterId,
    providers,
    metricsAddress: address('metrics-bind-address', text('metrics-bind-address')),
    healthAddress: address('health-bind-address', text('health-bind-address')),
    classesFile: optional('classes'),
    leaderElect: text('leader-elect') === 'true',
    leaseNamespace: text('lease-namespace'),
    election: electionTiming(text),
    logLevel: text('log-level'),
    cloudRate: { perSecond: count('cloud-qps', text('cloud-qps')), burst: count('cloud-burst', text('cloud-burst')) },
    config: {
      driftIntervalMs,
      nodeWindowMs: duration('node-window', text('node-window')),
      concurrency: count('concurrency', text('concurrency')),
      orphanIntervalMs: duration('orphan-interval', text('orphan-interval')),
      deleteOrphans: values['delete-orphans'] === true,
      nodePortRange: portRange(text('service-node-port-range')),
    },
  }
}

function electionTiming(text: (name: keyof typeof options) => string): OperatorFlags['election'] {
  const of = (name: 'lease-duration' | 'renew-deadline' | 'retry-period') =>
    duration(`leader-elect-${name}`, text(`leader-elect-${name}`))
  const timing = {
    leaseDurationMs: of('lease-duration'),
    renewDeadlineMs: of('renew-deadline'),
    retryPeriodMs: of('retry-period'),
  }
  if (
    timing.leaseDurationMs <= timing.renewDeadlineMs ||
    timing.renewDeadlineMs <= timing.retryPeriodMs ||
    timing.retryPeriodMs < 10
  )
    throw new UsageError(
      '--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline, and that longer than --leader-elect-retry-period',
    )
  return timing
}

/** `name` or `name=key=value,key=value`. */
function provider(value: string, localEndpoint: string | undefined): ProviderChoice {
  const [name = '', ...rest] = value.split('=')
  if (name === '') throw new UsageError('--provider must begin with the name of a cloud, for example --provider local')
  const settings: Record<string, string> = {}
  for (const pair of rest.join('=').split(',')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    if (at < 1) throw new UsageError(`--provider ${value}: "${pair}" is not KEY=VALUE`)
    settings[pair.slice(0, at)] = pair.slice(at + 1)
  }
  if (name === 'local' && localEndpoint !== undefined) settings['endpoint'] ??= localEndpoint
  return { name, settings }
}

function duration(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  const unit = match?.[2]
  if (!match || (unit === undefined && match[1] !== '0')) {
    throw new UsageError(`--${flag} ${text} is no duration: write for example 500ms, 30s, 5m or 1h`)
  }
  return Number(match[1]) * (units[unit ?? 'ms'] ?? 1)
}

function count(flag: string, text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value < 1) throw new UsageError(`--${flag} ${text} must be a whole number of 1 or more`)
  return value
}

function portRange(text: string): { from: number; to: number } {
  const [from = 0, to = 0] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).slice(1).map(Number)
  if (from < 1 || to < from || to > 65_535)
    throw new UsageError(`--service-node-port-range ${text} must be FROM-TO, for example 30000-32767`)
  return { from, to }
}

function address(flag: string, text: string): { host: string; port: number } | undefined {
  if (text === '0' || text === '') return undefined
  const at = text.lastIndexOf(':')
  const port = /^\d{1,5}$/.test(text.slice(at + 1)) ? Number(text.slice(at + 1)) : -1
  if (at < 0 || port < 0 || port > 65_535)
    throw new UsageError(`--${flag} ${text} must be HOST:PORT, :PORT or 0 for none`)
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  return { host: host === '' ? '::' : host, port }
}
