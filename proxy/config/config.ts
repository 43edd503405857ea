/**
 * What the proxy shall do, as one checked value, from the command line and a KubeProxyConfiguration. Pure.
 * As with kube-proxy, a configuration file replaces the flags; unlike there, a flag that does not count is named. Every mistake is told,
 * in one line, with its flag or field, its value and what was expected.
 */
import { UsageError } from '../../kube/flags.ts'
import { type Address, type Cidr, type Family, parseCidr } from '../rules/addresses.ts'
import { describe, isZero, readConfigFile } from './file.ts'
import { deprecatedPorts, flagsOf, readFlags, tasks } from './flags.ts'
import { ignoredFlags } from './ignored.ts'
import { type Bind, bind } from './kinds.ts'
import { type Setting, type SettingName, settings, type Source, type Values } from './settings.ts'
import type { ListenAt } from '../listen.ts'
import { type LocalDetection, localMatches } from '../rules/local-detection.ts'
import { type ModeName } from '../mode-names.ts'
import type { NodePortAddresses } from '../rules/node-facts.ts'
import { type NodePortEntry, onLoopback } from './node-port-addresses.ts'
import type { WriterChoice } from '../nftables/choose-writer.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'

export interface ProxyConfig {
  mode: ModeName
  kubeconfig: string | undefined
  /** `--master`: URL of the API server in place of the kubeconfig's. */
  server: string | undefined
  /** `--hostname-override`; undefined: the host's name. */
  nodeName: string | undefined
  nodeIps: readonly Address[]
  nodePortAddresses: NodePortAddresses
  /** Families whose node ports are answered on the loopback address, by a listener of this process (TCP only). */
  localhostNodePorts: readonly Family[]
  externalIps: boolean
  clusterCidrs: readonly Cidr[]
  serviceCidrs: readonly Cidr[]
  localDetection: LocalDetection
  skeleton: SkeletonOptions
  /** Undefined: no server. */
  healthz: ListenAt | undefined
  metrics: ListenAt | undefined
  /** End when the metrics port cannot be opened. */
  bindHardFail: boolean
  syncMs: number
  minSyncMs: number
  graceMs: number
  writer: WriterChoice
  conntrack: ConntrackConfig
  oomScoreAdj: number
  ipvs: IpvsConfig
  verbosity: number
  /** What was found, for /configz and `--write-config-to`. */
  values: Values
}

/** 0 leaves a value of the kernel as it is. */
export interface ConntrackConfig {
  maxPerCore: number
  min: number
  establishedMs: number
  closeWaitMs: number
  beLiberal: boolean
  udpMs: number
  udpStreamMs: number
}

export interface IpvsConfig {
  scheduler: string
  excludeCidrs: readonly Cidr[]
  strictArp: boolean
  tcpMs: number
  tcpFinMs: number
  udpMs: number
}

export type Question = { task: 'help' } | { task: 'version' }

export interface Job {
  task: 'run' | 'init' | 'cleanup' | 'write'
  config: ProxyConfig
  writeTo: string
  warnings: readonly string[]
}

export interface GivenFile {
  path: string
  text: string
  /** What the YAML parser made of it. */
  document: unknown
}

/** The file that `--config` names, if it has to be read. Throws UsageError. */
export function configPath(argv: readonly string[]): string | undefined {
  const flags = readFlags(argv)
  return questionIn(flags) === undefined ? flags.get('config') || undefined : undefined
}

/** Answered whatever else is given, as by kube-proxy. */
function questionIn(flags: ReadonlyMap<string, string>): Question | undefined {
  if (flags.get('help') === 'true') return { task: 'help' }
  const version = flags.get('version') ?? 'false'
  if (!['true', 'false', 'raw'].includes(version)) {
    throw new UsageError(`--version: ${JSON.stringify(version)} is not true, false or raw`)
  }
  return version === 'false' ? undefined : { task: 'version' }
}

/** Throws UsageError. */
export function parseConfig(argv: readonly string[], file?: GivenFile): Question | Job {
  const flags = readFlags(argv)
  const question = questionIn(flags)
  if (question) return question
  const warnings = Object.entries(ignoredFlags).flatMap(([name, reason]) =>
    flags.get(name) ? [`--${name} has no meaning here: ${reason}`] : [],
  )
  const mistakes: string[] = []
  const content = file && inFile(file.path, () => readConfigFile(file.document))
  warnings.push(...(content?.warnings ?? []))
  const read = <T>(setting: Setting<T>, modes: readonly ModeName[]): T | undefined => {
    let found: T | undefined
    for (const source of setting.sources) {
      const given = givenBy(source, setting, flags, content?.fields, file !== undefined, warnings)
      if (given === undefined) continue
      if (source.modes && !source.modes.some((mode) => modes.includes(mode))) {
        warnings.push(`${given.where} has no meaning in mode ${modes[0]}`)
      } else if (given.value === undefined)
        mistakes.push(`${given.where}: ${given.shown} is not ${setting.kind.expected}`)
      else found ??= given.value
    }
    return found
  }
  const mode = read<ModeName>(settings.mode, [])
  // A file without a mode was written for kube-proxy's default, iptables: what it says for that mode is meant for this one.
  const modes: ModeName[] = mode === undefined ? ['nftables', 'iptables'] : [mode]
  const given: Partial<Record<SettingName, unknown>> = { mode }
  for (const name of Object.keys(settings) as SettingName[]) {
    if (name !== 'mode') given[name] = read(settings[name] as Setting<unknown>, modes)
  }
  const values = complete(given as Partial<Values>)
  for (const gate of Object.keys(values.featureGates)) {
    if (gate !== externalIpsGate) warnings.push(`feature gate ${gate} has no meaning here`)
  }
  for (const [flag, name] of Object.entries(deprecatedPorts)) {
    const text = flags.get(flag)
    if (text === undefined || file !== undefined) continue
    warnings.push(`--${flag} is deprecated: use --${name}-bind-address`)
    values[name] = bindWithPort(flags.get(`${name}-bind-address`), text, values[name], `--${flag}`, mistakes)
  }
  mistakes.push(...contradictions(values))
  if (mistakes.length > 0) throw new UsageError(`${file === undefined ? '' : `${file.path}: `}${mistakes.join('; ')}`)
  const task = flags.get('write-config-to')
    ? 'write'
    : flags.get('cleanup') === 'true'
      ? 'cleanup'
      : flags.get('init-only') === 'true'
        ? 'init'
        : 'run'
  return { task, config: configOf(values), writeTo: flags.get('write-config-to') ?? '', warnings }
}

const externalIpsGate = 'AllowServiceExternalIPs'

interface Given<T> {
  where: string
  shown: string
  /** Undefined: not of the kind. */
  value: T | undefined
}

function givenBy<T>(
  source: Source,
  { kind, besideFile, zeroIsUnset, sources }: Setting<T>,
  flags: ReadonlyMap<string, string>,
  fields: ReadonlyMap<string, unknown> | undefined,
  hasFile: boolean,
  warnings: string[],
): Given<T> | undefined {
  if (source.from === 'flag') {
    const text = flags.get(source.name)
    if (text === undefined || (text === '' && kind.emptyIsUnset)) return undefined
    const where = `--${source.name}`
    if (hasFile && !besideFile) {
      const field = sources.find(({ from }) => from === 'field')?.name
      warnings.push(`${where} does not count beside --config${field === undefined ? '' : `: set ${field} in the file`}`)
      return undefined
    }
    if (text === '' && kind.fromText('') !== 'off') return { where, shown: 'nothing', value: undefined }
    return { where, shown: JSON.stringify(text), value: kind.fromText(text) }
  }
  const value = fields?.get(source.name)
  if (value === undefined || (zeroIsUnset && isZero(value))) return undefined
  return { where: source.name, shown: describe(value), value: kind.fromYaml(value) }
}

function inFile<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${path}: ${error.message}`) : error
  }
}

function complete(given: Partial<Values>): Values {
  const usual = Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting.usual])) as Values
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Values>
  const values = { ...usual, ...said }
  // As kube-proxy: with an IPv6 bind address the usual places are IPv6 ones.
  if (values.bindAddress.family === 'ip6') {
    values.healthz = given.healthz ?? { host: '::', port: 10_256 }
    values.metrics = given.metrics ?? { host: '::1', port: 10_249 }
  }
  const byMode: readonly NodePortEntry[] =
    values.mode !== 'nftables' ? ['all'] : given.localhostNodePorts ? ['primary', 'localhost'] : ['primary']
  values.nodePortAddresses = values.nodePortAddresses.length > 0 ? values.nodePortAddresses : byMode
  const answered = onLoopback(values.nodePortAddresses, values.mode)
  values.localhostNodePorts = answered.length > 0 && (given.localhostNodePorts ?? true)
  values.externalIps = given.externalIps ?? values.featureGates[externalIpsGate] ?? false
  return values
}

function bindWithPort(
  address: string | undefined,
  text: string,
  present: Bind,
  flag: string,
  mistakes: string[],
): Bind {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) {
    mistakes.push(`${flag}: ${JSON.stringify(text)} is not a port`)
    return present
  }
  if (port === 0) return 'off'
  if (address !== undefined) return bind(port).fromText(address) ?? present
  return present === 'off' ? present : { ...present, port }
}

function contradictions(values: Values): string[] {
  const found: string[] = []
  if (values.minSyncMs > values.syncMs) {
    found.push(
      `the shortest time between writes (${values.minSyncMs} ms) is longer than the sync period (${values.syncMs} ms)`,
    )
  }
  const names = { BridgeInterface: values.podBridge, InterfaceNamePrefix: values.podInterfacePrefix }
  if (values.detectLocalMode in names && names[values.detectLocalMode as keyof typeof names] === '') {
    const setting = values.detectLocalMode === 'BridgeInterface' ? settings.podBridge : settings.podInterfacePrefix
    const wanted = setting.sources.map(({ name, from }) => (from === 'flag' ? `--${name}` : name)).join(' or ')
    found.push(`local detection by ${values.detectLocalMode} needs ${wanted}`)
  }
  return found
}

function configOf(values: Values): ProxyConfig {
  const { bindAddress, nodeIps } = values
  const bound = ['0.0.0.0', '::'].includes(bindAddress.text) ? [] : [bindAddress]
  const clusterCidrs = values.detectLocalMode === 'ClusterCIDR' ? values.clusterCidrs : []
  const localDetection = {
    mode: values.detectLocalMode,
    bridge: values.podBridge,
    interfacePrefix: values.podInterfacePrefix,
  }
  return {
    mode: values.mode,
    kubeconfig: values.kubeconfig || undefined,
    server: values.master || undefined,
    nodeName: values.nodeName || undefined,
    nodeIps: nodeIps.length > 0 ? nodeIps : bound,
    nodePortAddresses: inKernel(values.nodePortAddresses),
    localhostNodePorts: values.localhostNodePorts ? onLoopback(values.nodePortAddresses, values.mode) : [],
    externalIps: values.externalIps,
    clusterCidrs,
    serviceCidrs: values.serviceCidrs,
    localDetection,
    skeleton: {
      local: localMatches(localDetection, clusterCidrs),
      masqueradeAll: values.masqueradeAll,
      masqueradeBit: values.masqueradeBit,
    },
    healthz: values.healthz === 'off' ? undefined : values.healthz,
    metrics: values.metrics === 'off' ? undefined : values.metrics,
    bindHardFail: values.bindAddressHardFail,
    syncMs: values.syncMs,
    minSyncMs: values.minSyncMs,
    graceMs: values.graceMs,
    writer: values.writer,
    conntrack: {
      maxPerCore: values.conntrackMaxPerCore,
      min: values.conntrackMin,
      establishedMs: values.conntrackEstablishedMs,
      closeWaitMs: values.conntrackCloseWaitMs,
      beLiberal: values.conntrackBeLiberal,
      udpMs: values.conntrackUdpMs,
      udpStreamMs: values.conntrackUdpStreamMs,
    },
    oomScoreAdj: values.oomScoreAdj,
    ipvs: {
      scheduler: values.ipvsScheduler,
      excludeCidrs: values.ipvsExcludeCidrs,
      strictArp: values.ipvsStrictArp,
      tcpMs: values.ipvsTcpMs,
      tcpFinMs: values.ipvsTcpFinMs,
      udpMs: values.ipvsUdpMs,
    },
    verbosity: values.verbosity,
    values,
  }
}

/** The kernel's part of it: loopback addresses are not among it (see local-node-ports.ts). */
function inKernel(entries: readonly NodePortEntry[]): NodePortAddresses {
  if (entries.includes('all')) return { primary: false, ranges: everywhere }
  const ranges = entries.flatMap((entry) => (typeof entry === 'string' ? [] : entry))
  return { primary: entries.includes('primary'), ranges }
}

const everywhere: readonly Cidr[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parseCidr(text) ?? [])

export function usage(): string {
  const line = (name: string, help: string) => `  --${name.padEnd(34)} ${help}`
  const lines = [
    ...Object.entries(tasks).map(([name, help]) => line(name, help)),
    ...Object.values<Setting<unknown>>(settings).map((setting) => {
      const [name = '', ...others] = flagsOf(setting)
      const also = others.length > 0 ? ` (also --${others.join(', --')})` : ''
      return line(name, `${setting.help}${also}${setting.besideFile ? ' *' : ''}`)
    }),
  ]
  return `Usage: roadstead proxy [flags]\n\nForwards Service traffic on this node. Flags are named as kube-proxy's; some are ours.\n\n${lines.join('\n')}\n`
}
