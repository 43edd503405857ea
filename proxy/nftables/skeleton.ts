/**
 * The fixed part of the ruleset as nft text: tables, chains, rules, empty maps. Only elements change afterwards.
 * Pure. The text and its options make the version, which is the name of an empty chain in the table: a table without that chain is
 * somebody else's or of another release, and is swapped as a whole. Rules are written so that they load again from their own listing.
 *
 * A packet's way: `checks` (source ranges, no endpoint) before DNAT; `services` marks what must be masqueraded and picks an endpoint:
 * the one this client has (affinity), else by the frontend's verdict `goto n<k>`: one of k endpoints, or `goto l<k>`: one of k on this
 * node, or `drop`; `translated` afterwards remembers the choice, and refuses what was sent to a ClusterIP's unknown port.
 */
import { type Family, families } from '../addresses.ts'
import { maxSlots } from '../slots.ts'

export const tableName = 'roadstead'

export interface SkeletonOptions {
  /** Networks of Pods, by family. Empty: nothing is known to be a Pod. */
  clusterCidrs: Readonly<Record<Family, readonly string[]>>
  masqueradeAll: boolean
  /** Bit of the packet mark that means "masquerade in postrouting"; cleared there. */
  masqueradeBit: number
}

/** Raised whenever the text below changes its meaning without changing. */
const release = 1
/** Clients that affinity remembers, all Services of a family together; further ones are balanced without memory. */
const affinitySize = 262_144

/** Endpoint counts that there are chains for at first, and at most (slots.ts: maxSlots). */
export const firstCounts = 64

/**
 * The next size that has a chain for `count` endpoints. Chains of a count cannot be added one by one: nft 1.0.6 refuses a `dnat to ... map`
 * rule on a `typeof` map that is already in the kernel ("conflicting protocols specified: ip vs. th"), or, with `tcp dport` as the map's
 * type, silently restricts it to TCP. So the tables are swapped for ones with more chains, at most four times in a cluster's life.
 */
export function countsFor(count: number): number {
  let size = firstCounts
  while (size < count) size *= 2
  return Math.min(size, maxSlots)
}

/** Chain that remembers clients for so long; made when the first Service asks for that time. Throws RangeError for other names. */
export function learnChain(family: Family, name: string): string[] {
  const [, seconds] = /^t([1-9]\d*)$/.exec(name) ?? []
  if (seconds === undefined) throw new RangeError(`no such chain: ${name}`)
  return ['tcp', 'udp', 'sctp'].map(
    (protocol) =>
      `${protocol} dport != 0 update @affinity { ${family} saddr . ct original ${family} daddr . meta l4proto . ct original proto-dst timeout ${seconds}s : ${family} daddr . ${protocol} dport }`,
  )
}

/** How many endpoints the chain chooses from: `n3`, `l3`; undefined for the other chains. */
export function countOf(chainName: string): number | undefined {
  const [, digits] = /^[nlsr]([1-9]\d*)$/.exec(chainName) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** `n3` and `l3` choose by chance among 3 endpoints (`l`: on this node); where the kernel cannot remember clients, `s3` and `r3` by the client's address. */
function countChains(family: Family, counts: number): string {
  const { frontend } = words(family)
  const lines: string[] = []
  for (let count = 1; count <= counts; count++) {
    const pick = (letter: string, choice: string, map: string) =>
      lines.push(`  chain ${letter}${count} { dnat ${family} to ${frontend} . ${choice} mod ${count} map @${map}; }\n`)
    pick('n', 'numgen random', 'ep')
    pick('l', 'numgen random', 'ep-local')
    if (remembersClients(family)) continue
    lines.push(
      `  chain s${count} { dnat ${family} to ${frontend} . jhash ${family} saddr mod ${count} seed 0x5ead map @ep; }\n`,
      `  chain r${count} { dnat ${family} to ${frontend} . jhash ${family} saddr mod ${count} seed 0x5ead map @ep-local; }\n`,
    )
  }
  return lines.join('')
}

/**
 * Whether the kernel can remember clients by itself in this family. In IPv6 it could, but nft 1.0.6 cannot write the rule: it aborts
 * (netlink_linearize.c, netlink_gen_expr) when the key or the data of an `update @map` is longer than one register of 16 bytes.
 * There session affinity comes from a hash of the client's address: it holds while the endpoints stay the same, and has no timeout.
 */
export function remembersClients(family: Family): boolean {
  return family === 'ip'
}

/** Name of the empty chain that marks tables of this release with these options, with however many count chains. */
export function versionChain(family: Family, options: SkeletonOptions): string {
  return `version-${release}-${fingerprint(Object.values(body(family, options)).join(''))}`
}

/** Both tables, complete but for the elements. */
export function skeleton(options: SkeletonOptions, counts = firstCounts): string {
  return families.map((family) => table(family, options, counts)).join('\n')
}

function table(family: Family, options: SkeletonOptions, counts: number): string {
  const { maps, chains } = body(family, options)
  const marker = `  chain ${versionChain(family, options)} { }\n`
  return `table ${family} ${tableName} {\n${marker}${maps}${countChains(family, counts)}${chains}}\n`
}

function words(family: Family): { address: string; frontend: string; type: string } {
  return {
    address: family,
    frontend: `${family} daddr . meta l4proto . th dport`,
    type: family === 'ip' ? 'ipv4_addr' : 'ipv6_addr',
  }
}

/** Maps and sets, then chains that refer to them. */
function body(
  family: Family,
  { clusterCidrs, masqueradeAll, masqueradeBit }: SkeletonOptions,
): { maps: string; chains: string } {
  const { address, frontend, type } = words(family)
  const frontendType = `${type} . inet_proto . inet_service`
  const cidrs = clusterCidrs[family]
  const mark = `0x${(2 ** masqueradeBit).toString(16).padStart(8, '0')}`
  const markIt = `meta mark set meta mark or ${mark}`
  const target = `${address} daddr . th dport`
  const notPod = cidrs.length > 0 ? `${address} saddr != @pods ` : ''
  const clusterIpSource = masqueradeAll ? '' : notPod
  const learning = ['tcp', 'udp', 'sctp'].map(
    (protocol) =>
      `ct status dnat ${protocol} dport != 0 ct original ${address} daddr . meta l4proto . ct original proto-dst vmap @learn`,
  )
  const maps = [
    ...(cidrs.length > 0
      ? [`set pods { type ${type}; flags interval; elements = { ${[...cidrs].sort().join(', ')} }; }`]
      : []),
    `map svc { type ${frontendType} : verdict; }`,
    `map svc-local { type ${frontendType} : verdict; }`,
    `map ep { typeof ${frontend} . numgen random mod 2 : ${target}; }`,
    `map ep-local { typeof ${frontend} . numgen random mod 2 : ${target}; }`,
    ...(remembersClients(family)
      ? [
          `map affinity { typeof ${address} saddr . ${frontend} : ${target}; size ${affinitySize}; flags dynamic,timeout; timeout 3h; }`,
          `map learn { type ${frontendType} : verdict; }`,
        ]
      : []),
    `set cluster-ips { type ${type}; }`,
    `set frontends { type ${frontendType}; }`,
    `set masq { type ${frontendType}; }`,
    `set local-vips { type ${frontendType}; }`,
    `set hairpin { type ${type} . ${type}; }`,
    `map no-ep { type ${frontendType} : verdict; }`,
    `set fw-vips { type ${frontendType}; }`,
    `set fw-allow { type ${frontendType} . ${type}; flags interval; }`,
    `map health-ports { type inet_service : ${type}; }`,
  ]
  const chains = [
    // A reset ends a TCP connection attempt at once; ICMP errors are rate limited by the kernel.
    chain('reject-it', 'meta l4proto tcp reject with tcp reset', 'reject'),
    chain('checks', `${frontend} @fw-vips ${frontend} . ${address} saddr != @fw-allow drop`, `${frontend} vmap @no-ep`),
    chain(
      'services',
      `${frontend} @masq ${markIt}`,
      ...(masqueradeAll || cidrs.length > 0 ? [`${clusterIpSource}${address} daddr @cluster-ips ${markIt}`] : []),
      `fib saddr type local ${frontend} @local-vips ${markIt}`,
      ...(remembersClients(family) ? [`dnat ${family} to ${address} saddr . ${frontend} map @affinity`] : []),
      `${notPod}fib saddr type != local ${frontend} vmap @svc-local`,
      `${frontend} vmap @svc`,
    ),
    chain(
      'translated',
      ...(remembersClients(family) ? learning : []),
      // Tried before the Service was known here: conntrack holds the client's port without a translation, for two minutes, and the packet
      // would go in circles. The reset makes that 10 s (nf_ct_set_closing; net.netfilter.nf_conntrack_tcp_timeout_close).
      `ct status & dnat == 0 ${frontend} @frontends goto reject-it`,
      `${address} daddr @cluster-ips goto reject-it`,
    ),
    chain('before-in', 'type filter hook prerouting priority -110; policy accept;', 'ct state new jump checks'),
    chain('before-out', 'type filter hook output priority -110; policy accept;', 'ct state new jump checks'),
    chain('nat-in', 'type nat hook prerouting priority dstnat; policy accept;', 'jump services'),
    chain('nat-out', 'type nat hook output priority -100; policy accept;', 'jump services'),
    chain('after-in', 'type filter hook prerouting priority -90; policy accept;', 'ct state new jump translated'),
    chain('after-out', 'type filter hook output priority -90; policy accept;', 'ct state new jump translated'),
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

/** FNV-1a, 64 bit, as hex: tells texts apart, nothing more. */
function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n
  for (let index = 0; index < text.length; index++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n)
  }
  return hash.toString(16).padStart(16, '0')
}
