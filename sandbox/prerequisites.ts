/**
 * What the sandbox needs of a machine (Linux, nft, ip, util-linux, the right to make network namespaces) and how to get it:
 * root on Debian installs missing packages and says so; an ordinary user is given a user namespace where the kernel allows it;
 * anything else ends in one message that names what is missing and what still works.
 */
import { spawnSync } from 'node:child_process'
import { inPath } from './executables.ts'
import { userNamespaceLauncher, userNamespaceTrial } from './nodes/userns.ts'

export interface MachineFacts {
  platform: string
  root: boolean
  missing: readonly Tool[]
  aptGet: boolean
  /** Whether this user may make network namespaces: as root directly, otherwise in a user namespace. */
  namespaces: boolean
}

type Tool = 'nft' | 'ip' | 'nsenter' | 'unshare'

const packageOf: Record<Tool, string> = {
  nft: 'nftables',
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
}

export type Preparation =
  | { kind: 'ready'; inUserNamespace: boolean }
  | { kind: 'install'; packages: readonly string[] }
  | { kind: 'lacking'; message: string }

const stillWorks =
  'What still works here: `roadstead apiserver`, `roadstead operator` against a cluster of yours, and the unit tests (npm test -- --unit).'

/** Pure: what to do on a machine with these facts. */
export function preparation(facts: MachineFacts): Preparation {
  const packages = [...new Set(facts.missing.map((tool) => packageOf[tool]))]
  if (facts.platform !== 'linux')
    return lacking(`The sandbox needs Linux (network namespaces and nftables); this system is ${facts.platform}.`)
  if (packages.length > 0) {
    if (facts.root && facts.aptGet) return { kind: 'install', packages }
    const who = facts.root ? 'Install' : 'Ask an administrator to install'
    const how = facts.aptGet ? `apt-get install ${packages.join(' ')}` : `the packages ${packages.join(', ')}`
    return lacking(`Missing: ${facts.missing.join(', ')}. ${who} ${facts.aptGet ? `them: ${how}` : how}.`)
  }
  if (!facts.namespaces)
    return lacking(
      facts.root
        ? 'This root may not make network namespaces (CAP_SYS_ADMIN is missing, as in an unprivileged container). Run it on a machine or in a privileged container.'
        : 'An ordinary user needs user namespaces, and this kernel refuses them (see /proc/sys/user/max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns). Run as root, or ask an administrator to allow them.',
    )
  return { kind: 'ready', inUserNamespace: !facts.root }
}

function lacking(message: string): Preparation {
  return { kind: 'lacking', message: `${message}\n${stillWorks}` }
}

export type Machine =
  /** Put `launcher` before a command line to run it where namespaces can be made ([] for root). */
  { kind: 'ready'; launcher: readonly string[] } | { kind: 'lacking'; message: string }

/** Looks at this machine, installs what root may install (telling `say`), and answers how to run the sandbox on it. */
export async function prepareMachine(say: (line: string) => void): Promise<Machine> {
  let decision = preparation(machineFacts())
  if (decision.kind === 'install') {
    const { packages } = decision
    say(`Installing Debian packages the sandbox needs: ${packages.join(' ')}`)
    const failure = installPackages(packages)
    if (failure !== undefined)
      return {
        kind: 'lacking',
        message: `apt-get could not install ${packages.join(' ')}: ${failure}\nInstall them by hand and try again.\n${stillWorks}`,
      }
    decision = preparation(machineFacts())
  }
  if (decision.kind === 'lacking') return decision
  if (decision.kind === 'install')
    return { kind: 'lacking', message: `Still missing after the installation: ${decision.packages.join(', ')}` }
  return { kind: 'ready', launcher: decision.inUserNamespace ? userNamespaceLauncher() : [] }
}

function machineFacts(): MachineFacts {
  const root = process.getuid?.() === 0
  const missing = (['nft', 'ip', 'nsenter', 'unshare'] as const).filter((tool) => !inPath(tool))
  const [trial = '', ...words] = root ? ['unshare', '--net', '--mount', 'true'] : userNamespaceTrial()
  const namespaces =
    process.platform === 'linux' && missing.length === 0 && spawnSync(trial, words, { stdio: 'ignore' }).status === 0
  return { platform: process.platform, root, missing, aptGet: inPath('apt-get'), namespaces }
}

/** Answers what went wrong, or undefined. */
function installPackages(packages: readonly string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const argv of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const run = spawnSync('apt-get', argv, { env, encoding: 'utf8' })
    if (run.status !== 0) return run.stderr.trim().split('\n').at(-1) ?? `exit code ${run.status}`
  }
  return undefined
}
