/**
 * Kernel settings that forwarding depends on, in the network namespace the proxy runs in. The limit of connections and the size of their
 * table are only raised; timeouts are set as they are given; 0 leaves a value alone. What cannot be written (a container without the right,
 * a read-only /proc/sys, a namespace that shares the value) is said once, with what to do, and does not stop the proxy.
 * Names and defaults are kube-proxy's; route_localnet stays as it is, because nothing here needs it (CVE-2020-8558).
 */
import { readFile, writeFile } from 'node:fs/promises'
import type { Log } from '../kube/log.ts'
import type { Family } from './rules/addresses.ts'
import type { ConntrackConfig } from './config/config.ts'

export interface Setting {
  file: string
  value: number
  /** `at least` leaves a higher value alone. */
  compare: 'at least' | 'exactly'
}

const forwarding: Readonly<Record<Family, Setting>> = {
  ip: { file: '/proc/sys/net/ipv4/ip_forward', value: 1, compare: 'exactly' },
  ip6: { file: '/proc/sys/net/ipv6/conf/all/forwarding', value: 1, compare: 'exactly' },
}

export function forwardingSettings(wanted: ReadonlySet<Family>): Setting[] {
  return [...wanted].map((family) => forwarding[family])
}

export function conntrackSettings(config: ConntrackConfig, cores: number): Setting[] {
  const netfilter = '/proc/sys/net/netfilter/nf_conntrack_'
  const most = config.maxPerCore === 0 ? 0 : Math.max(config.min, config.maxPerCore * cores)
  const timeout = (name: string, ms: number): Setting[] =>
    ms < 1000 ? [] : [{ file: `${netfilter}${name}`, value: Math.floor(ms / 1000), compare: 'exactly' }]
  return [
    ...(most === 0
      ? []
      : ([
          { file: `${netfilter}max`, value: most, compare: 'at least' },
          // Four connections a bucket, the kernel's own proportion at boot in recent releases is one: more than four make look-ups slow.
          {
            file: '/sys/module/nf_conntrack/parameters/hashsize',
            value: Math.floor(most / 4),
            compare: 'at least',
          },
        ] satisfies Setting[])),
    ...timeout('tcp_timeout_established', config.establishedMs),
    ...timeout('tcp_timeout_close_wait', config.closeWaitMs),
    ...timeout('udp_timeout', config.udpMs),
    ...timeout('udp_timeout_stream', config.udpStreamMs),
    ...(config.beLiberal
      ? [{ file: `${netfilter}tcp_be_liberal`, value: 1, compare: 'exactly' } satisfies Setting]
      : []),
  ]
}

/** Lower is safer from the kernel's search for memory; giving a lower value than the present one needs CAP_SYS_RESOURCE. */
export function oomSetting(value: number): Setting {
  return { file: '/proc/self/oom_score_adj', value, compare: 'exactly' }
}

interface Files {
  read(file: string): Promise<string>
  write(file: string, text: string): Promise<void>
}

const realFiles: Files = { read: (file) => readFile(file, 'utf8'), write: (file, text) => writeFile(file, text) }

/** Resolves with those that could not be set. */
export async function applySettings(settings: readonly Setting[], log: Log, files = realFiles): Promise<Setting[]> {
  const failed: Setting[] = []
  for (const setting of settings) {
    const { file, value, compare } = setting
    let present: number | undefined
    try {
      present = Number((await files.read(file)).trim())
      if (compare === 'at least' ? present >= value : present === value) continue
      await files.write(file, `${value}`)
      log.info({ file, from: present, to: value }, 'kernel setting changed')
    } catch (error) {
      failed.push(setting)
      log.warn({ file, present, wanted: value, reason: reasonOf(error) }, 'kernel setting not changed')
    }
  }
  return failed
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const advice: Readonly<Record<string, string>> = {
    EROFS: 'read only in this container: run --init-only in a privileged init container, or set it on the node',
    EACCES: 'no right to: run --init-only in a privileged init container, or set it on the node',
    EPERM: 'no right to: run --init-only in a privileged init container, or set it on the node',
    ENOENT: 'the kernel does not have it here (in a network namespace some belong to the machine as a whole)',
  }
  return advice[code] ?? (error instanceof Error ? error.message : String(error))
}
