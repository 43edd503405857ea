/**
 * The kernel's virtual servers as ipvsadm lists them, with the connections of each target, and the commands for `ipvsadm --restore` that lead
 * from them to others. Pure. (/proc/net/ip_vs has the same, but leaves servers out where several network namespaces use IPVS.)
 */
import type { VirtualServer } from './virtual-servers.ts'

export interface SeenTarget {
  weight: number
  connections: number
}

export interface SeenServer {
  scheduler: string
  /** As ipvsadm lists them: `sh-fallback`. */
  flags: string
  persistence: number
  targets: Map<string, SeenTarget>
}

/** By name, as VirtualServer has it. */
export type SeenServers = ReadonlyMap<string, SeenServer>

/** @param text of `ipvsadm --list --numeric` */
export function parseServers(text: string): SeenServers {
  const servers = new Map<string, SeenServer>()
  let current: SeenServer | undefined
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/)
    if (words[0] === '->') {
      const [, target = '', , weight = '', active = '', inactive = ''] = words
      current?.targets.set(target, { weight: Number(weight), connections: Number(active) + Number(inactive) })
      continue
    }
    const [kind = '', at = '', ...rest] = words
    const option = serviceOptions[kind]
    if (option === undefined) continue
    const isIpv6Mark = rest[0] === 'IPv6'
    const [scheduler = '', ...settings] = isIpv6Mark ? rest.slice(1) : rest
    const [, flags = ''] = /^\((.*)\)$/.exec(settings[0] ?? '') ?? []
    const persistent = settings.indexOf('persistent')
    current = {
      scheduler,
      flags,
      persistence: persistent === -1 ? 0 : Number(settings[persistent + 1]),
      targets: new Map(),
    }
    servers.set(`${option} ${at}${isIpv6Mark ? ' --ipv6' : ''}`, current)
  }
  return servers
}

const serviceOptions: Readonly<Record<string, string>> = {
  TCP: '--tcp-service',
  UDP: '--udp-service',
  SCTP: '--sctp-service',
  FWM: '--fwmark-service',
}

/** Schedulers that stay with a target of weight 0, and so refuse its clients, unless they are told to look for another. */
const flagsOf: Readonly<Record<string, string>> = { sh: 'sh-fallback', mh: 'mh-fallback' }

/** As ipvsadm takes it. */
export function schedulerWords(scheduler: string): string {
  const flags = flagsOf[scheduler]
  return `--scheduler ${scheduler}${flags === undefined ? '' : ` --sched-flags ${flags}`}`
}

/** Whether a target that leaves stays until its connections have ended. Datagrams must go elsewhere at once, and `dh` looks for no other. */
function letsFinish({ protocol, scheduler }: VirtualServer): boolean {
  return protocol !== 'udp' && scheduler !== 'dh'
}

export interface Commands {
  /** New servers and targets, changed ones; nothing is taken away. */
  first: string[]
  /** What goes, and targets that only finish what they have. */
  last: string[]
}

/**
 * @param seen undefined: there is no such server
 * @param wanted undefined: there should be none
 */
export function commandsFor(name: string, seen: SeenServer | undefined, wanted: VirtualServer | undefined): Commands {
  const first: string[] = []
  const last: string[] = []
  if (wanted === undefined) return { first, last: seen === undefined ? [] : [`--delete-service ${name}`] }
  const how = `${schedulerWords(wanted.scheduler)}${wanted.persistence > 0 ? ` --persistent ${wanted.persistence}` : ''}`
  if (seen === undefined) first.push(`--add-service ${name} ${how}`)
  else if (
    seen.scheduler !== wanted.scheduler ||
    seen.flags !== (flagsOf[wanted.scheduler] ?? '') ||
    seen.persistence !== wanted.persistence
  ) {
    first.push(`--edit-service ${name} ${how}`)
  }
  for (const target of wanted.targets) {
    const present = seen?.targets.get(target)
    if (present?.weight === 1) continue
    first.push(`--${present ? 'edit' : 'add'}-server ${name} --real-server ${target} --masquerading --weight 1`)
  }
  for (const [target, { weight, connections }] of seen?.targets ?? []) {
    if (wanted.targets.has(target)) continue
    const at = `${name} --real-server ${target}`
    // That it has no connections is final only with weight 0: else one may have come since it was looked at.
    if (!letsFinish(wanted) || (weight === 0 && connections === 0)) last.push(`--delete-server ${at}`)
    else if (weight !== 0) last.push(`--edit-server ${at} --masquerading --weight 0`)
  }
  return { first, last }
}

/** Whether it is what it should be; targets that only finish what they have do no harm. */
export function isAsWanted(seen: SeenServer, wanted: VirtualServer): boolean {
  const { first } = commandsFor(wanted.name, seen, wanted)
  return (
    first.length === 0 && [...seen.targets].every(([target, { weight }]) => weight === 0 || wanted.targets.has(target))
  )
}

/** What commands for `wanted` have made of `seen`, as far as it is known without looking: connections may have remained. */
export function after(seen: SeenServer | undefined, wanted: VirtualServer): SeenServer {
  const { scheduler, persistence, targets } = wanted
  const ending = letsFinish(wanted) ? [...(seen?.targets ?? [])].filter(([target]) => !targets.has(target)) : []
  return {
    scheduler,
    flags: flagsOf[scheduler] ?? '',
    persistence,
    targets: new Map<string, SeenTarget>([
      ...[...targets].map((target): [string, SeenTarget] => [target, { weight: 1, connections: 1 }]),
      ...ending.map(([target]): [string, SeenTarget] => [target, { weight: 0, connections: 1 }]),
    ]),
  }
}

/** Commands that take away targets which have nothing left to finish, with the server and target they are of. */
export function finished(
  seen: SeenServers,
  wanted: Iterable<VirtualServer>,
): { name: string; target: string; command: string }[] {
  const found: { name: string; target: string; command: string }[] = []
  for (const { name, targets } of wanted) {
    for (const [target, { weight, connections }] of seen.get(name)?.targets ?? []) {
      if (weight !== 0 || connections > 0 || targets.has(target)) continue
      found.push({ name, target, command: `--delete-server ${name} --real-server ${target}` })
    }
  }
  return found
}
