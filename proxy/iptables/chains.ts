/**
 * The rules of one family for what is wished (wishes.ts), as iptables-save prints them, so that what is written can be compared with what
 * is there. Pure.
 *
 * A packet's way. Table nat, for the first packet of a connection: ROADSTEAD-SERVICES lets those go untranslated that may not use a load
 * balancer address (FIREWALL, FW-*), sends outsiders to endpoints of this node where external policy Local wants that (EXTERNAL, SVL-*),
 * and all others to any endpoint (INTERNAL, SVC-*, which also mark for masquerading). POSTROUTING masquerades what was marked, and
 * endpoints that reach themselves. Table filter: new connections that were not translated and should have been are dropped or refused
 * (UNTRANSLATED, ANSWERS), before INPUT, FORWARD and OUTPUT alike.
 */
import type { Family } from '../rules/addresses.ts'
import { fingerprint } from '../rules/fingerprint.ts'
import type { LocalMatch } from '../rules/local-detection.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import type { Chains, Entry } from './dispatch.ts'
import { endpointsOf, type FrontendWish, type Wishes } from './wishes.ts'

export type Table = 'nat' | 'filter'

/** nat first: while only one of the two is written, connections are translated or refused, never lost. */
export const tables: readonly Table[] = ['nat', 'filter']

/** Every chain of ours begins so. */
export const prefix = 'ROADSTEAD'

/**
 * What conntrack does not know is not translated back, and the client answers it with a reset that would end the connection it belongs to
 * (kubernetes#74839). Other invalid packets are let through: where routes are asymmetric they are somebody's data (kubernetes#117924).
 */
const invalidResets = '-p tcp -m conntrack --ctstate INVALID -m tcp --tcp-flags RST RST -j DROP'

export type TreeName = 'firewall' | 'external' | 'internal' | 'answers'

/** Trees of chains (dispatch.ts): the table they are in, the chain they start at. */
export const trees: Readonly<Record<TreeName, { table: Table; root: string }>> = {
  firewall: { table: 'nat', root: `${prefix}-FIREWALL` },
  external: { table: 'nat', root: `${prefix}-EXTERNAL` },
  internal: { table: 'nat', root: `${prefix}-INTERNAL` },
  answers: { table: 'filter', root: `${prefix}-ANSWERS` },
}

export const treeNames = Object.keys(trees) as TreeName[]

/** What the kernel's own chains say about ours, in front of everything else. */
export const jumps: Readonly<Record<Table, Readonly<Record<string, string>>>> = {
  nat: {
    PREROUTING: `-j ${prefix}-SERVICES`,
    OUTPUT: `-j ${prefix}-SERVICES`,
    POSTROUTING: `-j ${prefix}-POSTROUTING`,
  },
  filter: { INPUT: `-j ${prefix}-INPUT`, FORWARD: `-j ${prefix}-FORWARD`, OUTPUT: `-j ${prefix}-OUTPUT` },
}

/** Chains that are there whatever the Services are. */
export function nodeChains(wishes: Wishes, options: SkeletonOptions): Record<Table, Chains> {
  const { family } = wishes
  const match = options.local[family]
  const bit = markOf(options)
  const mark = `-j MARK --set-xmark ${bit}/${bit}`
  const insiders = podMatches(wishes, match)
  const untouchedUnlessOutside = match.by === 'nothing' ? ['-j RETURN'] : insiders.map((pod) => `${pod} -j RETURN`)
  const ends = family === 'ip' ? 32 : 128
  return {
    nat: new Map([
      [
        `${prefix}-SERVICES`,
        [
          `-j ${trees.firewall.root}`,
          ...insiders.map((pod) => `${pod} -g ${trees.internal.root}`),
          `-m addrtype --src-type LOCAL -g ${trees.internal.root}`,
          `-j ${trees.external.root}`,
          `-j ${trees.internal.root}`,
        ],
      ],
      [`${prefix}-MARK-OUTSIDERS`, [...(options.masqueradeAll ? [] : untouchedUnlessOutside), mark]],
      [
        `${prefix}-POSTROUTING`,
        [
          `-m conntrack --ctstate DNAT -j ${prefix}-HAIRPIN`,
          `-m mark ! --mark ${bit}/${bit} -j RETURN`,
          // Cleared first: the mark survives encapsulation and would masquerade the outer packet as well (kubernetes#92035).
          `-j MARK --set-xmark ${bit}/0x0`,
          '-j MASQUERADE --random-fully',
        ],
      ],
      [
        `${prefix}-HAIRPIN`,
        [...wishes.hairpin]
          .sort()
          .map((address) => `-s ${address}/${ends} -d ${address}/${ends} -j MASQUERADE --random-fully`),
      ],
    ]),
    filter: new Map([
      [
        `${prefix}-INPUT`,
        [
          `-m conntrack --ctstate NEW -j ${prefix}-UNTRANSLATED`,
          ...[...wishes.healthPorts]
            .sort(([a], [b]) => Number(a) - Number(b))
            .map(([port, clusterIp]) => `-p tcp -m comment --comment "${clusterIp}" -m tcp --dport ${port} -j ACCEPT`),
        ],
      ],
      [
        `${prefix}-FORWARD`,
        [
          `-m conntrack --ctstate NEW -j ${prefix}-UNTRANSLATED`,
          invalidResets,
          `-m mark --mark ${bit}/${bit} -j ACCEPT`,
          '-m conntrack --ctstate RELATED,ESTABLISHED -m conntrack --ctstate DNAT -j ACCEPT',
        ],
      ],
      [`${prefix}-OUTPUT`, [`-m conntrack --ctstate NEW -j ${prefix}-UNTRANSLATED`, invalidResets]],
      [
        `${prefix}-UNTRANSLATED`,
        [
          '-m conntrack --ctstate DNAT -j RETURN',
          `-j ${trees.answers.root}`,
          ...[...wishes.serviceCidrs].sort().map((range) => `-d ${withLength(range, ends)} -j ${prefix}-REFUSE`),
        ],
      ],
      [
        // Ports only: whoever pings a ClusterIP finds out what the network makes of it. The reset also shortens conntrack's memory of a
        // connection that was tried before its Service was here from 120 s to 10 s (nf_ct_set_closing).
        `${prefix}-REFUSE`,
        [
          '-p tcp -j REJECT --reject-with tcp-reset',
          ...['udp', 'sctp'].map((protocol) => `-p ${protocol} -j REJECT --reject-with ${unreachable[family]}`),
        ],
      ],
    ]),
  }
}

const unreachable: Readonly<Record<Family, string>> = { ip: 'icmp-port-unreachable', ip6: 'icmp6-port-unreachable' }

/** The chains of one frontend, and where the trees lead to them. */
export interface FrontendRules {
  readonly chains: Record<Table, Chains>
  readonly entries: Partial<Record<TreeName, Entry>>
}

export function frontendRules(
  key: string,
  wish: FrontendWish,
  wishes: Wishes,
  options: SkeletonOptions,
): FrontendRules {
  const nat: Chains = new Map()
  const filter: Chains = new Map()
  const entries: Partial<Record<TreeName, Entry>> = {}
  const { address, protocol, port } = wish
  const lead = (tree: TreeName, ...rules: string[]) => (entries[tree] = { address, protocol, port, rules })
  const name = (kind: string) => `${prefix}-${kind}-${fingerprint(key).slice(0, 14).toUpperCase()}`
  const isClusterIp = wishes.clusterIps.has(address)
  const anywhere = endpointsOf(wish.anywhere)
  const here = endpointsOf(wish.here)
  const answers: string[] = []

  if (wish.restricted) {
    const ends = wishes.family === 'ip' ? 32 : 128
    const admitted = [...wish.sources].sort().map((range) => `-s ${withLength(range, ends)} -j RETURN`)
    nat.set(name('FW'), [...admitted, '-j ACCEPT'])
    filter.set(name('FW'), [...admitted, '-j DROP'])
    lead('firewall', `-j ${name('FW')}`)
    answers.push(`-j ${name('FW')}`)
  }
  if (anywhere !== undefined) {
    nat.set(name('SVC'), [...marks(wish, isClusterIp, options), ...choice(anywhere, wish, wishes)])
    lead('internal', `-j ${name('SVC')}`)
  }
  if (here !== undefined) {
    nat.set(name('SVL'), choice(here, wish, wishes))
    lead('external', `-j ${name('SVL')}`)
  }
  const isDropped = anywhere?.length === 0 || here?.length === 0
  if (isDropped) answers.push('-j DROP')
  else if (wish.refused || !isClusterIp) answers.push(`-j ${prefix}-REFUSE`)
  if (answers.length > 0) lead('answers', ...answers)
  return { chains: { nat, filter }, entries }
}

function marks(wish: FrontendWish, isClusterIp: boolean, options: SkeletonOptions): string[] {
  const bit = markOf(options)
  const mark = `-j MARK --set-xmark ${bit}/${bit}`
  return [
    ...(wish.masqueraded ? [mark] : []),
    ...(isClusterIp ? [`-j ${prefix}-MARK-OUTSIDERS`] : []),
    ...(wish.masqueradedForNode ? [`-m addrtype --src-type LOCAL ${mark}`] : []),
  ]
}

/** None to choose from: the packet is not translated by anybody, and table filter drops it. */
function choice(endpoints: readonly string[], { protocol, session }: FrontendWish, wishes: Wishes): string[] {
  const seconds = session === undefined ? undefined : wishes.remembered.get(session)
  const list = (target: string) =>
    `--name ${recentList(session ?? '', target)} --mask ${everyBit[wishes.family]} --rsource`
  const [recall, remember] =
    seconds === undefined
      ? [undefined, () => '']
      : [
          (target: string) => `-m recent --rcheck --seconds ${seconds} --reap ${list(target)} `,
          (target: string) => `-m recent --set ${list(target)} `,
        ]
  const to = (target: string) => `-j DNAT --to-destination ${destination(target)}`
  if (endpoints.length === 0) return ['-j ACCEPT']
  return [
    ...(recall ? endpoints.map((target) => `-p ${protocol} ${recall(target)}${remember(target)}${to(target)}`) : []),
    ...endpoints.map(
      (target, index) => `-p ${protocol} ${chance(endpoints.length - index)}${remember(target)}${to(target)}`,
    ),
  ]
}

const everyBit: Readonly<Record<Family, string>> = {
  ip: '255.255.255.255',
  ip6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
}

/** The kernel's list of clients that keep this endpoint. One for both families; addresses tell them apart. */
export function recentList(session: string, target: string): string {
  return `rs_${session}_${target.replace(' . ', '_')}`
}

/** One of `count`, in the steps of 2^-31 and with the digits that iptables prints (libxt_statistic). */
function chance(count: number): string {
  if (count === 1) return ''
  return `-m statistic --mode random --probability ${(Math.round(2 ** 31 / count) / 2 ** 31).toFixed(11)} `
}

function destination(target: string): string {
  const [address = '', port = ''] = target.split(' . ')
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** For an address-wide entry of the tree of answers: ports of a ClusterIP that no Service has. */
export function clusterIpEntry(address: string): Entry {
  return { address, rules: [`-j ${prefix}-REFUSE`] }
}

function podMatches(wishes: Wishes, match: LocalMatch): string[] {
  const ends = wishes.family === 'ip' ? 32 : 128
  if (match.by === 'interface') return [`-i ${match.name}`]
  if (match.by === 'interface-prefix') return [`-i ${match.prefix}+`]
  return match.by === 'nothing' ? [] : [...wishes.pods].sort().map((range) => `-s ${withLength(range, ends)}`)
}

/** Ranges of one address are written without a length in elements. */
function withLength(range: string, ends: number): string {
  return range.includes('/') ? range : `${range}/${ends}`
}

function markOf({ masqueradeBit }: SkeletonOptions): string {
  return `0x${(2 ** masqueradeBit).toString(16)}`
}
