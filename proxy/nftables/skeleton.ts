/**
 * The fixed part of the ruleset as nft text: tables, chains, rules, empty maps. Only elements change afterwards (elements.ts says what
 * each of them means). Pure. The text and its options make the version, which is the name of an empty chain in the table: a table without
 * that chain is somebody else's or of another release, and is swapped as a whole. Rules are written so that they load again from their
 * own listing.
 *
 * A packet's way: `checks` (source ranges, no endpoint) or `invalid` before DNAT; `services` marks what must be masqueraded and picks an endpoint:
 * the one this client has (`recall`), else by the frontend's verdict (choices.ts); `translated` afterwards remembers the choice, and refuses what
 * should have been translated; `unknown` refuses what was sent to a ClusterIP and belongs to no Service, where it would leave the node.
 */
import { type Family, families } from '../rules/addresses.ts'
import { fingerprint } from '../rules/fingerprint.ts'
import type { LocalMatch, LocalMatches } from '../rules/local-detection.ts'
import { maxSlots } from '../rules/slots.ts'
import { affinityMaps } from './affinity-maps.ts'
import { choiceTexts } from './choices.ts'
import { firstSlotHandle, lastSlotHandle, slotBase } from './slot-handles.ts'
import { recordMapTexts } from './record-maps.ts'

export const tableName = 'roadstead'

export interface SkeletonOptions {
  local: LocalMatches
  masqueradeAll: boolean
  /** Bit of the packet mark that means "masquerade in postrouting"; cleared there. */
  masqueradeBit: number
}

/** Raised whenever the text below changes its meaning without changing. */
const release = 3
/** Clients that affinity remembers, all Services of a family together; further ones are balanced without memory. */
const affinitySize = 262_144
/** Of the two hashes that stand for an IPv6 client. */
const seeds = ['0x5ead0001', '0x5ead0002'] as const
const protocols = ['tcp', 'udp', 'sctp'] as const

/**
 * Rules of a chain that is made when something needs it: `t60` remembers clients for 60 seconds, `n3` and `l3` choose by chance among 3
 * endpoints (`l`: on this node). Throws RangeError for other names.
 */
export function lateRules(family: Family, name: string): string[] {
  const count = countOf(name)
  if (count !== undefined) return [choose(name.slice(0, 1), count)]
  const [, seconds] = /^t([1-9]\d*)$/.exec(name) ?? []
  if (seconds === undefined) throw new RangeError(`no such chain: ${name}`)
  const { client, address } = words(family)
  const rules = protocols.flatMap((protocol) => {
    const put = (map: string, value: string) =>
      `${protocol} dport != 0 update @${map} { ${client} timeout ${seconds}s : ${value} }`
    return family === 'ip'
      ? [put('affinity', `${address} daddr . ${protocol} dport`)]
      : [put('affinity-address', `${address} daddr`), put('affinity-port', `${protocol} dport`)]
  })
  return [...rules, clearPriority]
}

/**
 * The packet's priority holds what has been looked up or drawn until the next look-up, for want of a register that nft could name. Of a
 * connection's first packet only, and before anybody reads it.
 */
const clearPriority = 'meta priority set none'

/** How many endpoints the chain chooses from: `n3`, `l3`; undefined for the other chains. */
export function countOf(chainName: string): number | undefined {
  const [, digits] = /^[nl]([1-9]\d*)$/.exec(chainName) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** Endpoint counts that there are chains for from the start. */
export const firstCounts = 64

function choose(letter: string, count: number): string {
  return `meta priority set numgen random mod ${count} offset ${slotBase} goto ${letter === 'n' ? 'any' : 'local'}`
}

/** The chains for so many endpoints, and the map that leads to them. */
function countChains(counts: number): { map: string; chains: string } {
  const names = Array.from({ length: counts }, (_, at) => [`n${at + 1}`, `l${at + 1}`]).flat()
  const verdicts = ['drop', ...names.map((name) => `goto ${name}`)]
  const chains = names.map((name) => `  chain ${name} { ${choose(name.charAt(0), Number(name.slice(1)))}; }\n`)
  return {
    map: `  map choices { type classid : verdict; elements = { ${choiceTexts(verdicts)} } }\n`,
    chains: chains.join(''),
  }
}

/** Name of the empty chain that marks tables of this release with these options. */
export function versionChain(family: Family, options: SkeletonOptions): string {
  return `version-${release}-${fingerprint(Object.values(body(family, options)).join(''))}`
}

/** Both tables, complete but for the elements. */
export function skeleton(options: SkeletonOptions, name = tableName, counts = firstCounts): string {
  return families.map((family) => table(family, options, name, counts)).join('\n')
}

/** Tables that have nothing to do with the real ones, with a rule of each kind: what nft and the kernel are asked whether they can do. */
export function specimen(options: SkeletonOptions): string {
  return skeleton(options, `${tableName}-specimen`, 1)
}

function table(family: Family, options: SkeletonOptions, name: string, counts: number): string {
  const { maps, chains } = body(family, options)
  const marker = `  chain ${versionChain(family, options)} { }\n`
  const count = countChains(counts)
  return `table ${family} ${name} {\n${marker}${maps}${count.map}${chains}${count.chains}}\n`
}

/**
 * How the family says it. `client`: who a client is to a session, as a key of the affinity maps. nft 1.0.6 aborts (netlink_linearize.c,
 * netlink_gen_expr) when the key or the data of an `update @map` is longer than one register of 16 bytes. So an IPv6 client is two hashes
 * of its address beside the session's exact id (two clients that are one by that share an endpoint, no more), and the endpoint's address
 * and port are in two maps.
 */
function words(family: Family) {
  const hashes = seeds.map((seed) => `jhash ip6 saddr mod 4294967295 seed ${seed}`).join(' . ')
  return {
    address: family,
    frontend: `${family} daddr . meta l4proto . th dport`,
    type: family === 'ip' ? 'ipv4_addr' : 'ipv6_addr',
    client: `${family === 'ip' ? 'ip saddr' : hashes} . meta priority`,
  }
}

/** Sends a client that the session in the packet's priority remembers to its endpoint; comes back with others. */
function recall(family: Family): string[] {
  const { address, client } = words(family)
  const target =
    family === 'ip' ? `${client} map @affinity` : `${client} map @affinity-address : ${client} map @affinity-port`
  // `tcp dport != 0`: nft wants to know the protocol of a port, and drops `meta l4proto tcp` when it prints.
  const known = protocols.map((protocol) => `${protocol} dport != 0 dnat ${family} to ${target}`)
  if (family === 'ip') return [...known, clearPriority]
  // Half of an endpoint, when one of the two has just run out, must not be joined with half of the next one.
  const halves = protocols.flatMap((protocol) => [
    `${protocol} dport != 0 delete @affinity-address { ${client} : ${address} daddr }`,
    `${protocol} dport != 0 delete @affinity-port { ${client} : ${protocol} dport }`,
  ])
  return [...known, ...halves, clearPriority]
}

function affinityMapTexts(family: Family): string[] {
  const settings = `size ${affinitySize}; flags dynamic,timeout; timeout 3h;`
  // Not `typeof ... : ip daddr . th dport`: nft 1.0.6, once it has read that from the kernel, refuses rules that translate to a `tcp dport` of it
  // ("conflicting protocols"), and then no rule could be written beside the elements (mendText in chains.ts).
  if (family === 'ip') return [`map affinity { type ipv4_addr . classid : ipv4_addr . inet_service; ${settings} }`]
  const key = 'numgen random mod 2 . numgen random mod 2 . meta priority'
  return affinityMaps.ip6.map(
    (map) => `map ${map} { typeof ${key} : ${map === 'affinity-address' ? 'ip6 daddr' : 'th dport'}; ${settings} }`,
  )
}

const byState = 'ct state vmap { new : jump checks, invalid : jump invalid }'

/** Undefined where nobody is known to be local. */
function notLocal(address: string, match: LocalMatch): string | undefined {
  switch (match.by) {
    case 'nothing':
      return undefined
    case 'addresses':
      return `${address} saddr != @pods`
    case 'interface':
      return `iifname != "${match.name}"`
    default:
      return `iifname != "${match.prefix}*"`
  }
}

/** Maps and sets, then chains that refer to them. */
function body(
  family: Family,
  { local, masqueradeAll, masqueradeBit }: SkeletonOptions,
): { maps: string; chains: string } {
  const { address, frontend, type } = words(family)
  const frontendType = `${type} . inet_proto . inet_service`
  const mark = `0x${(2 ** masqueradeBit).toString(16).padStart(8, '0')}`
  const markIt = `meta mark set meta mark or ${mark}`
  const outsider = notLocal(address, local[family])
  const fromOutside = outsider === undefined ? '' : `${outsider} `
  const maps = [
    ...recordMapTexts(family, {
      endpoint: `{ type ${frontendType} . classid : ${type} . inet_service; }`,
      learn: '{ type classid : verdict; }',
      verdict: 'classid',
    }),
    ...affinityMapTexts(family),
  ]
  const chains = [
    // A reset ends a TCP connection attempt at once; ICMP errors are rate limited by the kernel.
    chain('reject-it', 'meta l4proto tcp reject with tcp reset', 'reject'),
    chain(
      'checks',
      `${frontend} @fw-vips ${frontend} . ${address} saddr != @fw-allow drop`,
      `${frontend} @no-ep goto reject-it`,
    ),
    // An endpoint's packet that conntrack calls invalid is not translated back. Its client knows no such connection and answers with a reset,
    // which would end the endpoint's side of the real one (kubernetes#74839). Other invalid packets are let through: where routes are
    // asymmetric they are somebody's data (kubernetes#117924).
    chain('invalid', 'tcp flags & rst == rst drop'),
    chain('recall', ...recall(family)),
    chain('any', `dnat ${address} to ${frontend} . meta priority map @ep`),
    chain('local', `dnat ${address} to ${frontend} . meta priority map @ep-local`),
    chain(
      'services',
      `${frontend} @masq ${markIt}`,
      ...(masqueradeAll || outsider !== undefined
        ? [`${masqueradeAll ? '' : fromOutside}${address} daddr @cluster-ips ${markIt}`]
        : []),
      `fib saddr type local ${frontend} @local-vips ${markIt}`,
      `meta priority set ${frontend} map @session jump recall`,
      `${fromOutside}fib saddr type != local meta priority set ${frontend} map @svc-local meta priority vmap @choices`,
      `meta priority set ${frontend} map @svc meta priority vmap @choices`,
    ),
    chain(
      'translated',
      ...protocols.map(
        (protocol) =>
          `${protocol} dport != 0 ct status dnat meta priority set ct original ${address} daddr . meta l4proto . ct original proto-dst map @session meta priority vmap @learn`,
      ),
      `meta priority ${firstSlotHandle}-${lastSlotHandle(maxSlots)} ${clearPriority}`,
      // Tried before the Service was known here: conntrack holds the client's port without a translation, for two minutes, and the packet
      // would go in circles. The reset makes that 10 s (nf_ct_set_closing; net.netfilter.nf_conntrack_tcp_timeout_close).
      `ct status & dnat == 0 ${frontend} @frontends goto reject-it`,
    ),
    // Ports only: whoever pings a ClusterIP finds out what the network makes of it.
    chain(
      'unknown',
      `meta l4proto { tcp, udp, sctp } ${address} daddr @cluster-ips goto reject-it`,
      `meta l4proto { tcp, udp, sctp } ${address} daddr @service-cidrs goto reject-it`,
    ),
    chain('before-in', 'type filter hook prerouting priority -110; policy accept;', byState),
    chain('before-out', 'type filter hook output priority -110; policy accept;', byState),
    chain('nat-in', 'type nat hook prerouting priority dstnat; policy accept;', 'jump services'),
    chain('nat-out', 'type nat hook output priority -100; policy accept;', 'jump services'),
    chain('after-in', 'type filter hook prerouting priority -90; policy accept;', 'ct state new jump translated'),
    chain(
      'after-out',
      'type filter hook output priority -90; policy accept;',
      'ct state new jump translated',
      'ct state new jump unknown',
    ),
    chain('through', 'type filter hook forward priority filter; policy accept;', 'ct state new jump unknown'),
    chain(
      'nat-post',
      'type nat hook postrouting priority srcnat; policy accept;',
      `ct status dnat ${address} saddr . ${address} daddr @hairpin masquerade fully-random`,
      `meta mark & ${mark} == 0 return`,
      // Cleared first: the mark survives encapsulation and would masquerade the outer packet as well (kubernetes#92035).
      `meta mark set meta mark xor ${mark}`,
      'masquerade fully-random',
    ),
  ]
  const lines = (texts: readonly string[]) => texts.map((text) => `  ${text}\n`).join('')
  return { maps: lines(maps), chains: lines(chains) }
}

function chain(name: string, ...rules: readonly string[]): string {
  return `chain ${name} {\n${rules.map((rule) => `    ${rule}\n`).join('')}  }`
}
