/**
 * Network namespaces by name, through iproute2 and util-linux. Every name starts with `rs-`: nothing else is ever created, entered or
 * deleted. Processes are started with nsenter, not `ip netns exec`, which remounts /sys and so fails in a user namespace.
 * Nothing here changes the namespace the caller lives in.
 */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { type CommandOptions, type CommandResult, command, tryCommand } from './command.ts'
import { quietSysctls } from './sysctls.ts'

const netnsFolder = '/run/netns'
const ours = /^rs-[a-z0-9][a-z0-9-]*$/

/** The path that nsenter takes. Throws RangeError for a name that is not ours. */
function netnsPath(name: string): string {
  if (!ours.test(name)) throw new RangeError(`not a sandbox namespace: ${JSON.stringify(name)} (rs-<lower case>)`)
  return `${netnsFolder}/${name}`
}

/** Names of the namespaces with our prefix, of every instance. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(netnsFolder).filter((name) => ours.test(name))
  } catch {
    return []
  }
}

/**
 * Creates them in one go; a name that exists is an error. Loopback is still down: see `configure`.
 * Not by `ip netns add`: that goes back to the namespace it came from, which an ordinary user in a user namespace may not enter.
 */
export async function createNamespaces(names: readonly string[]): Promise<void> {
  await command(['sh', '-c', createScript, 'sh', ...names.map(netnsPath)])
}

// -C: an existing file is not overwritten.
const createScript = `set -eC
mkdir -p ${netnsFolder}
for path do : > "$path"; unshare --net="$path" true; done`

/** Deletes them; one that is gone is fine. A namespace lives on while a process is in it: end those first. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  const present = new Set(listNamespaces())
  const lines = names.filter((name) => present.has(name)).map((name) => (netnsPath(name), `netns del ${name}`))
  // -force goes on after a line that failed because somebody else deleted that name in the meantime.
  await tryCommand(['ip', '-force', '-batch', '-'], { input: `${lines.join('\n')}\n` })
  const left = listNamespaces().filter((name) => names.includes(name))
  if (left.length > 0) throw new Error(`namespaces could not be deleted: ${left.join(' ')}`)
}

/** Runs `ip` lines in one process in the namespace. Throws at the first line that fails, with what `ip` said. */
export async function ipBatch(lines: readonly string[], namespace: string): Promise<void> {
  netnsPath(namespace)
  if (lines.length > 0) await command(['ip', '-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/**
 * Sysctls (`net/ipv4/ip_forward` -> value) first, because new interfaces inherit `default`; then loopback comes up, then the `ip` lines
 * run. A key that is missing is skipped (a kernel without that feature).
 */
export async function configure(
  namespace: string,
  setup: { sysctls?: Readonly<Record<string, string>>; ip?: readonly string[] },
): Promise<void> {
  const keys = Object.entries({ ...quietSysctls, ...setup.sysctls }).map(([key, value]) => `set_key ${key} ${value}`)
  const setKey = `set_key() { f=/proc/sys/$1; shift; [ ! -e "$f" ] || echo "$@" > "$f"; }`
  const script = ['set -e', setKey, ...keys, 'exec ip link set lo up'].join('\n')
  await command(enter(namespace, ['sh']), { input: `${script}\n` })
  await ipBatch(setup.ip ?? [], namespace)
}

/** Names of the interfaces in operation (operstate UP). */
export async function linksUp(namespace: string): Promise<Set<string>> {
  netnsPath(namespace)
  const lines = (await command(['ip', '-n', namespace, '-brief', 'link', 'show', 'up'])).split('\n')
  return new Set(lines.flatMap((line) => /^([^\s@]+)(?:@\S+)?\s+UP\s/.exec(line)?.[1] ?? []))
}

/** File on this machine -> file that a process sees in its place, for example a resolv.conf. */
export type FileBinds = Readonly<Record<string, string>>

export interface EnterOptions {
  binds?: FileBinds
  /** UTS host name; implies a private UTS namespace. */
  hostname?: string
}

/**
 * The command line that runs `argv` in the namespace. Every step executes the next one in place, so the pid of the spawned process is
 * the pid of `argv`.
 */
export function enter(namespace: string, argv: readonly string[], options: EnterOptions = {}): string[] {
  const binds = Object.entries(options.binds ?? {})
  const privately = [
    ...(binds.length > 0 ? ['--mount', '--propagation', 'private'] : []),
    ...(options.hostname ? ['--uts'] : []),
  ]
  const prefix = ['nsenter', `--net=${netnsPath(namespace)}`]
  if (privately.length === 0) return [...prefix, ...argv]
  return [
    ...prefix,
    'unshare',
    ...privately,
    'sh',
    '-c',
    bindScript,
    'sh',
    options.hostname ?? '',
    `${binds.length}`,
    ...binds.flat(),
    ...argv,
  ]
}

// `$1` is the host name or empty, `$2` the number of binds, then pairs of (place, file), then the command.
const bindScript = `set -e
[ -z "$1" ] || hostname "$1" 2>/dev/null || echo "$1" > /proc/sys/kernel/hostname
n=$2; shift 2
while [ "$n" -gt 0 ]; do mount --bind "$2" "$1"; shift 2; n=$((n - 1)); done
exec "$@"`

/** Runs a short command inside and resolves with its result, whatever the exit code. */
export function runIn(
  namespace: string,
  argv: readonly string[],
  options: CommandOptions & EnterOptions = {},
): Promise<CommandResult> {
  return tryCommand(enter(namespace, argv, options), options)
}

export interface SpawnOptions extends EnterOptions {
  stdio?: StdioOptions
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
}

/**
 * Starts a long-lived process inside. Its pid is the pid of `argv` itself. It leads a session of its own, so Ctrl-C on the terminal
 * does not reach it: the caller ends it (see processes.ts). It is killed when the caller dies.
 */
export function spawnIn(namespace: string, argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const line = enter(namespace, argv, options)
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...line], {
    stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(options.env ? { env: { ...options.env } } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
  })
}

/** Pids of every process inside any of the namespaces, by one look at /proc (threads' other namespaces are not searched). */
export function pidsIn(namespaces: readonly string[]): number[] {
  const inodes = new Set(namespaces.flatMap((name) => inodeOf(netnsPath(name))))
  if (inodes.size === 0) return []
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => inodes.has(netOf(pid)))
    .map(Number)
}

/** Nothing for a file that is no namespace (its creation was cut short). */
function inodeOf(path: string): string[] {
  try {
    const { dev, ino } = statSync(path)
    return dev === statSync('/proc/self/ns/net').dev ? [`net:[${ino}]`] : []
  } catch {
    return []
  }
}

function netOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return '' // gone, or not ours to look at
  }
}
