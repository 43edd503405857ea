/** The mode `ipvs`: what it needs of the kernel and which programs, its kernel settings, what is left of it. */
import { access, readFile } from 'node:fs/promises'
import { networkInterfaces, release } from 'node:os'
import type { Clock } from '../../kube/clock.ts'
import { type Cidr, contains, parseAddress } from '../rules/addresses.ts'
import type { IpvsConfig } from '../config/config.ts'
import type { Mode, ModeOptions } from '../mode.ts'
import { nftProgram } from '../nftables/nft.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import { type Ended, ProgramMissing, type Run } from '../program.ts'
import { applySettings, type Setting } from '../sysctls.ts'
import { WriteError } from '../writer.ts'
import { boundAddresses } from './bound-addresses.ts'
import { parseServers, schedulerWords } from './kernel-servers.ts'
import { removeText, skeleton } from './table.ts'
import { addressIn, ipvsWriter } from './writer.ts'

const defaults: IpvsConfig = { scheduler: 'rr', excludeCidrs: [], strictArp: false, tcpMs: 0, tcpFinMs: 0, udpMs: 0 }
const noDetection: SkeletonOptions = {
  local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } },
  masqueradeAll: false,
  masqueradeBit: 14,
}
/** For a moment, while it is found out whether the scheduler is there. */
const probeMark = 0x5253_ffff

export function ipvsMode(run: Run, clock: Clock): Mode {
  /** Undefined when there is no such program. */
  const start = async (program: string, args: readonly string[], input = ''): Promise<Ended | undefined> => {
    try {
      return await run(program, args, input)
    } catch (error) {
      if (error instanceof ProgramMissing) return undefined
      throw error
    }
  }

  const writerFor = (options: SkeletonOptions, config: IpvsConfig) =>
    ipvsWriter({
      run,
      nft: nftProgram(),
      addresses: boundAddresses(run),
      async servers() {
        if (!(await isUsed())) return new Map()
        const { code, stdout, stderr } = await run('ipvsadm', ['--list', '--numeric'])
        if (code !== 0) throw new WriteError(`virtual servers cannot be listed: ${stderr.split('\n')[0] ?? ''}`)
        return parseServers(stdout)
      },
      skeleton: options,
      plan: { scheduler: config.scheduler, own: ownAddresses },
      clock,
      isExcluded: (name) => isWithin(config.excludeCidrs, name),
    })

  const prepare = async ({ ipvs = defaults, log }: ModeOptions) => {
    await applySettings(settingsFor(ipvs, release()), log)
    const timeouts = timeoutArguments(ipvs)
    if (timeouts.length > 0) await run('ipvsadm', timeouts)
  }

  return {
    name: 'ipvs',
    async detect({ skeleton: options, ipvs = defaults }) {
      const probe = await start('ipvsadm', ['--restore'], probeCommands(ipvs.scheduler))
      if (probe === undefined) return 'there is no program ipvsadm: install it, or use --proxy-mode=nftables'
      if (probe.code !== 0 || probe.stderr !== '') return complaintAbout(probe.stderr, ipvs.scheduler)
      if ((await readFile('/proc/sys/net/ipv4/vs/conntrack', 'utf8').catch(() => undefined)) === undefined) {
        return 'IPVS of this kernel cannot be tracked (CONFIG_IP_VS_NFCT): use --proxy-mode=nftables'
      }
      if ((await start('ip', ['-Version'])) === undefined) return 'there is no program ip: install iproute2'
      const checked = await start('nft', ['--check', '-f', '-'], skeleton(options))
      if (checked === undefined)
        return 'there is no program nft, which mode ipvs needs for what IPVS cannot do: install nftables 1.0.1 or later'
      return checked.code === 0 ? undefined : `nft or the kernel refuses our tables: ${checked.stderr.split('\n')[0]}`
    },
    prepare,
    async open(options) {
      await prepare(options)
      return writerFor(options.skeleton, options.ipvs ?? defaults)
    },
    async remove() {
      if (await isUsed()) {
        await writerFor(noDetection, defaults).remove()
        return
      }
      const removed = await start('nft', ['-f', '-'], removeText())
      if (removed === undefined || removed.code === 0 || /not supported|not permitted/i.test(removed.stderr)) return
      throw new Error(`the tables of mode ipvs could not be removed: ${removed.stderr}`)
    },
  }
}

/** Asking ipvsadm would load the module into a kernel that has never needed it. */
function isUsed(): Promise<boolean> {
  return access('/proc/net/ip_vs').then(
    () => true,
    () => false,
  )
}

function probeCommands(scheduler: string): string {
  const server = `--fwmark-service ${probeMark}`
  return `--add-service ${server} ${schedulerWords(scheduler)}\n--delete-service ${server}\n`
}

function complaintAbout(stderr: string, scheduler: string): string {
  const said = stderr.split('\n').find((line) => line !== '') ?? 'no message'
  if (/not permitted|Permission denied/i.test(stderr)) return 'IPVS is not permitted: run as root (CAP_NET_ADMIN)'
  if (/initialize ipvs|Protocol not available/i.test(stderr)) {
    return 'this kernel has no IPVS: modules ip_vs, ip_vs_rr, ip_vs_sh and nf_conntrack are needed; or use --proxy-mode=nftables'
  }
  return `the scheduler ${scheduler} of IPVS cannot be used (module ip_vs_${scheduler}): ${said}`
}

export function settingsFor({ strictArp }: IpvsConfig, kernel: string): Setting[] {
  const vs = (name: string, value: number): Setting => ({
    file: `/proc/sys/net/ipv4/vs/${name}`,
    value,
    compare: 'exactly',
  })
  const all = (name: string, value: number): Setting => ({
    file: `/proc/sys/net/ipv4/conf/all/${name}`,
    value,
    compare: 'exactly',
  })
  const [major = 0, minor = 0] = kernel.split('.').map(Number)
  return [
    // Connection tracking sees what IPVS translates, which masquerading needs.
    vs('conntrack', 1),
    vs('expire_nodest_conn', 1),
    vs('expire_quiescent_template', 1),
    // Before 5.9 a port used again within two minutes waits a second in mode 1 (kernel commit f719e3754ee2).
    vs('conn_reuse_mode', major > 5 || (major === 5 && minor >= 9) ? 1 : 0),
    ...(strictArp ? [all('arp_ignore', 1), all('arp_announce', 2)] : []),
  ]
}

/** 0 leaves a timeout as it is, for ipvsadm as well. */
export function timeoutArguments({ tcpMs, tcpFinMs, udpMs }: IpvsConfig): string[] {
  const seconds = [tcpMs, tcpFinMs, udpMs].map((ms) => Math.floor(ms / 1000))
  return seconds.some((value) => value > 0) ? ['--set', ...seconds.map(String)] : []
}

/** The dummy interface is down and so not among them. */
function ownAddresses(): Set<string> {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return new Set(
    own.flatMap(({ address }) => {
      const parsed = parseAddress(address)
      return parsed === undefined ? [] : [`${parsed.family} ${parsed.text}`]
    }),
  )
}

function isWithin(ranges: readonly Cidr[], server: string): boolean {
  const address = parseAddress(addressIn(server).split(' ')[1] ?? '')
  return address !== undefined && ranges.some((range) => contains(range, address))
}
