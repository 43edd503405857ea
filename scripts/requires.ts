/**
 * Which tools a test needs and whether this machine has them. A missing one skips the test with its reason;
 * with ROADSTEAD_REQUIRE=all nothing is skipped, so the test runs and fails.
 */
import { delimiter, join } from 'node:path'
import { inPath } from '../sandbox/executables.ts'
import { projectRoot } from './source-files.ts'

export type Requirement =
  | 'root'
  | 'linux'
  | 'nft'
  | 'ip'
  | 'kubectl'
  | 'nsenter'
  | 'unshare'
  | 'iptables'
  | 'ipvsadm'
  | 'qemu'
  | 'conntrack'
  | 'moto'
  | 'helm'

const reasons: Record<Requirement, string> = {
  root: 'needs root (network namespaces): run as root',
  linux: 'needs Linux',
  nft: 'needs nft: apt-get install nftables',
  ip: 'needs ip: apt-get install iproute2',
  kubectl: 'needs kubectl in PATH',
  helm: 'needs helm: (cd integration/tools/helm && go build -o ../../../.cache/bin/helm .)',
  nsenter: 'needs nsenter: apt-get install util-linux',
  iptables: 'needs iptables: apt-get install iptables',
  ipvsadm: 'needs ipvsadm: apt-get install ipvsadm',
  qemu: 'needs qemu and Debian packages of a kernel: apt-get install qemu-system-x86',
  conntrack: 'needs conntrack: apt-get install conntrack',
  unshare: 'needs unshare: apt-get install util-linux',
  moto: 'needs python3 with venv (moto is installed by itself): apt-get install python3-venv',
}

/** `false` when all are there, otherwise the reason to print; fits node:test's `skip` option. */
export function requires(...needs: Requirement[]): string | false {
  if (process.env['ROADSTEAD_REQUIRE'] === 'all') return false
  const missing = needs.filter((need) => !present(need))
  return missing.length === 0 ? false : missing.map((need) => reasons[need]).join('; ')
}

function present(need: Requirement): boolean {
  if (need === 'root') return process.getuid?.() === 0
  if (need === 'linux') return process.platform === 'linux'
  if (need === 'moto') return process.env['EMULATOR'] !== undefined || inPath('python3')
  if (need === 'helm') return inPath(need, toolPath())
  if (need === 'qemu') return inPath('qemu-system-x86_64') && inPath('apt-get') && inPath('dpkg-deb')
  return inPath(need)
}

/** PATH with the tools this project builds for its tests in front. */
export function toolPath(path = process.env['PATH'] ?? ''): string {
  return [join(projectRoot, '.cache/bin'), path].join(delimiter)
}
