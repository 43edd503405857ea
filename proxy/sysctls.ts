/**
 * Kernel settings that forwarding depends on, in the network namespace the proxy runs in. Only what is lower or off is raised;
 * what cannot be written (a container without the right, a namespace that shares the value) is said once and left alone.
 * The values are kube-proxy's defaults; route_localnet stays as it is, because nothing here needs it (CVE-2020-8558).
 */
import { readFile, writeFile } from 'node:fs/promises'
import type { Log } from '../kube/log.ts'
import type { Family } from './addresses.ts'

interface Setting {
  /** Below /proc/sys. */
  path: string
  value: number
  /** `at least` leaves a higher value alone. */
  compare: 'at least' | 'exactly'
}

const forwarding: Readonly<Record<Family, Setting>> = {
  ip: { path: 'net/ipv4/ip_forward', value: 1, compare: 'exactly' },
  ip6: { path: 'net/ipv6/conf/all/forwarding', value: 1, compare: 'exactly' },
}

const minConntrackEntries = 131_072
const conntrackEntriesPerCore = 32_768

export function settingsFor(wanted: ReadonlySet<Family>, cores: number): Setting[] {
  return [
    ...[...wanted].map((family) => forwarding[family]),
    {
      path: 'net/netfilter/nf_conntrack_max',
      value: Math.max(minConntrackEntries, conntrackEntriesPerCore * cores),
      compare: 'at least',
    },
    { path: 'net/netfilter/nf_conntrack_tcp_timeout_established', value: 86_400, compare: 'exactly' },
    { path: 'net/netfilter/nf_conntrack_tcp_timeout_close_wait', value: 3600, compare: 'exactly' },
  ]
}

export async function applySettings(settings: readonly Setting[], log: Log, root = '/proc/sys'): Promise<void> {
  for (const { path, value, compare } of settings) {
    const file = `${root}/${path}`
    try {
      const present = Number((await readFile(file, 'utf8')).trim())
      if (compare === 'at least' ? present >= value : present === value) continue
      await writeFile(file, `${value}`)
      log.info({ sysctl: path, from: present, to: value }, 'kernel setting changed')
    } catch (error) {
      log.warn(
        { sysctl: path, wanted: value, reason: error instanceof Error ? error.message : String(error) },
        'kernel setting not changed',
      )
    }
  }
}
