/** The command line as texts by flag. Pure. Switches may stand alone or with `=true` and `=false`, as in Kubernetes components. */
import { type FlagSpec, parseFlags, UsageError } from '../../kube/flags.ts'
import { ignoredFlags } from './ignored.ts'
import { type Setting, settings } from './settings.ts'

/** What to do; without one of these: run. */
export const tasks = {
  config: 'file with a KubeProxyConfiguration; other flags of kube-proxy then do not count, except for those marked *',
  'write-config-to': 'write what the flags or the file come to as a KubeProxyConfiguration, and exit',
  'init-only':
    'do what needs full privileges (kernel settings, modules), and exit; CAP_NET_ADMIN is then enough, with iptables also CAP_NET_RAW',
  cleanup: "remove the rules of all of this proxy's modes, and exit",
  version: 'print the version, and exit',
  help: 'print this',
} as const

/** Deprecated in kube-proxy, and still read: port of the address that has none; 0 for no server. */
export const deprecatedPorts = { 'healthz-port': 'healthz', 'metrics-port': 'metrics' } as const

const switchNames: ReadonlySet<string> = new Set([
  'init-only',
  'cleanup',
  'version',
  'help',
  'profiling',
  'windows-service',
  'cleanup-ipvs',
  'enable-dsr',
  'forward-healthcheck-vip',
  'log-json-split-stream',
  'log-text-split-stream',
  ...Object.values<Setting<unknown>>(settings)
    .filter(({ kind }) => kind.isSwitch)
    .flatMap(flagsOf),
])

const known: Readonly<Record<string, FlagSpec>> = Object.fromEntries(
  [
    ...Object.keys(tasks),
    ...Object.keys(deprecatedPorts),
    ...Object.keys(ignoredFlags),
    ...Object.values<Setting<unknown>>(settings).flatMap(flagsOf),
  ].map((name) => [name, { type: 'string' }]),
)

/** Throws UsageError. */
export function readFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  const { values } = parseFlags(argv.map(normal), known)
  return new Map(
    Object.entries(values).map(([name, value]) => {
      if (typeof value !== 'string') throw new UsageError(`--${name} needs a value`)
      return [name, value]
    }),
  )
}

/** Names of the flags that give a setting. */
export function flagsOf({ sources }: Pick<Setting<unknown>, 'sources'>): string[] {
  return sources.filter(({ from }) => from === 'flag').map(({ name }) => name)
}

function normal(word: string): string {
  if (word === '-h') return '--help=true'
  if (word === '-v') return '--v'
  const [, verbosity] = /^-v=?(\d+)$/.exec(word) ?? []
  if (verbosity !== undefined) return `--v=${verbosity}`
  return word.startsWith('--') && switchNames.has(word.slice(2)) ? `${word}=true` : word
}
