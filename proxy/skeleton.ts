/**
 * The fixed part of the ruleset as nft text: tables, chains, rules, empty maps. Only elements change afterwards.
 * Pure. The text and its options make the version, which is the name of an empty chain in the table: a table without that chain is
 * somebody else's or of another release, and is swapped as a whole. Rules are written so that they load again from their own listing.
 *
 * A packet's way: `checks` (source ranges, no endpoint) before DNAT; `services` marks what must be masqueraded and picks an endpoint:
 * the one this client has (affinity), else by the frontend's verdict `goto n<k>`: one of k endpoints, or `goto l<k>`: one of k on this
 * node, or `drop`; `translated` afterwards remembers the choice, and refuses what was sent to a ClusterIP's unknown port.
 */
import { type Family, families } from './addresses.ts'

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

/** Chains that exist from the start, so that small Services never make the proxy write rules. */
const readyMade = 16

/** Body of a chain that verdicts go to: `n3`, `l12`, `t10800`. Throws RangeError on any other name but the skeleton's own. */
export function chainBody(family: Family, chain: string): string[] {
  const { frontend, address } = words(family)
  const [, letter, digits] = /^([nlt])([1-9]\d*)$/.exec(chain) ?? []
  if (letter === 't') {
    return ['tcp', 'udp', 'sctp'].map(
      (protocol) =>
        `${protocol} dport != 0 update @affinity { ${address} saddr . ct original ${address} daddr . meta l4proto . ct original proto-dst timeout ${digits}s : ${address} daddr . ${protocol} dport }`,
    )
  }
  if (letter === undefined) throw new RangeError(`no such chain: ${chain}`)
  return [`dnat ${family} to ${frontend} . numgen random mod ${digits} map @${letter === 'n' ? 'ep' : 'ep-local'}`]
}

/** Whether a verdict may go to this chain without asking for it to be made first. */
export function isFixedChain(chain: string): boolean {
  const [, digits] = /^[nl]([1-9]\d*)$/.exec(chain) ?? []
  return chain === 'reject-it' || (digits !== undefined && Number(digits) <= readyMade)
}

/** `version-<hash>` without the hash's input: the caller hashes (see versionChain). */
export function versionChain(family: Family, options: SkeletonOptions): string {
  return `version-${release}-${fingerprint(body(family, options))}`
}

/** Both tables, complete but for the elements. */
export function skeleton(options: SkeletonOptions): string {
  return families.map((family) => table(family, options)).join('\n')
}

function table(family: Family, options: SkeletonOptions): string {
  return `table ${family} ${tableName} {\n  chain ${versionChain(family, options)} { }\n${body(family, options)}}\n`
}

function words(family: Family): { address: string; frontend: string; type: string } {
  return {
    address: family,
    frontend: `${family} daddr . meta l4proto . th dport`,
    type: family === 'ip' ? 'ipv4_addr' : 'ipv6_addr',
  }
}

function body(family: Family, { clusterCidrs, masqueradeAll, masqueradeBit }: SkeletonOptions): string {
  const { address, frontend, type } = words(family)
  const frontendType = `${type} . inet_proto . inet_service`
  const cidrs = clusterCidrs[family]
  const mark = `0x${(2 ** masqueradeBit).toString(16).padStart(8, '0')}`
  const markIt = `meta mark set meta mark or ${mark}`
  const target = `${address} daddr . th dport`
  const notPod = cidrs.length > 0 ? `${address} saddr != @pods ` : ''
  const clusterIpSource = masqueradeAll ? '' : notPod
  const counted = Array.from({ length: readyMade }, (_, index) => [`n${index + 1}`, `l${index + 1}`]).flat()
  const dnatted = ['tcp', 'udp', 'sctp'].map(
    (protocol) =>
      `ct status dnat ${protocol} dport != 0 ct original ${address} daddr . meta l4proto . ct original proto-dst vmap @learn`,
  )
  return [
    ...(cidrs.length > 0
      ? [`set pods { type ${type}; flags interval; elements = { ${[...cidrs].sort().join(', ')} }; }`]
      : []),
    `map svc { type ${frontendType} : verdict; }`,
    `map svc-local { type ${frontendType} : verdict; }`,
    `map ep { typeof ${frontend} . numgen random mod 2 : ${target}; }`,
    `map ep-local { typeof ${frontend} . numgen random mod 2 : ${target}; }`,
    `map affinity { typeof ${address} saddr . ${frontend} : ${target}; size ${affinitySize}; flags dynamic,timeout; timeout 3h; }`,
    `map learn { type ${frontendType} : verdict; }`,
    `set cluster-ips { type ${type}; }`,
    `set masq { type ${frontendType}; }`,
    `set local-vips { type ${frontendType}; }`,
    `set hairpin { type ${type} . ${type}; }`,
    `map no-ep { type ${frontendType} : verdict; }`,
    `set fw-vips { type ${frontendType}; }`,
    `set fw-allow { type ${frontendType} . ${type}; flags interval; }`,
    `map health-ports { type inet_service : ${type}; }`,
    // A reset ends a TCP connection attempt at once; ICMP errors are rate limited by the kernel.
    chain('reject-it', 'meta l4proto tcp reject with tcp reset', 'reject'),
    ...counted.map((name) => chain(name, ...chainBody(family, name))),
    chain('checks', `${frontend} @fw-vips ${frontend} . ${address} saddr != @fw-allow drop`, `${frontend} vmap @no-ep`),
    chain(
      'services',
      `${frontend} @masq ${markIt}`,
      ...(masqueradeAll || cidrs.length > 0 ? [`${clusterIpSource}${address} daddr @cluster-ips ${markIt}`] : []),
      `fib saddr type local ${frontend} @local-vips ${markIt}`,
      `dnat ${family} to ${address} saddr . ${frontend} map @affinity`,
      `${notPod}fib saddr type != local ${frontend} vmap @svc-local`,
      `${frontend} vmap @svc`,
    ),
    chain('translated', ...dnatted, `${address} daddr @cluster-ips goto reject-it`),
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
    .map((text) => `  ${text}\n`)
    .join('')
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
