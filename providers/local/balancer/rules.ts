/**
 * What the kernel should do, pure: from frontends to chains (fixed text, a few per number of targets) and elements of named maps.
 * How a packet is steered: in prerouting, after conntrack, a new flow to one of our addresses gets a node id as its connection
 * mark; node-port frontends are then translated by mark, passthrough ones routed by mark. So the mark says of every established flow
 * which node it lives on, and flows whose node is neither eligible nor draining are found without conntrack tools: TCP is
 * reset, UDP and unanswered SYNs are moved to another conntrack zone, where they are new and choose again.
 */
import { disjoint, familyOf } from './addresses.ts'
import type { Family } from './addresses.ts'
import type { Frontend } from './frontends.ts'
import type { RetiredFrontend } from './model.ts'

export interface RulesInput {
  pools: readonly string[]
  /** Addresses of load balancers; the rest of the pools is unreachable. */
  addresses: readonly string[]
  frontends: readonly Frontend[]
  retired: readonly RetiredFrontend[]
  /** Interfaces behind which the nodes are: what enters there is masqueraded, or replies would miss us. */
  insideInterfaces: readonly string[]
  /** Conntrack zone for flows that choose again now, 1 to 65535; another one whenever a target left. */
  zone: number
}

/** Set or map name -> key -> value ('' in sets). */
type Elements = ReadonlyMap<string, ReadonlyMap<string, string>>

export interface Ruleset {
  family: 'ip' | 'ip6'
  /** Chain -> its rules, for chains that come and go with the numbers of targets. */
  chains: ReadonlyMap<string, readonly string[]>
  elements: Elements
}

/** Marks: node id in the low 16 bits, then a bit for passthrough. On packets only: entered from inside. */
export const nodeMask = 0xffff
const passthroughBit = 0x1_0000
const insideBit = 0x2_0000

/** Connections that moved to another zone stay there as long as their entry is used. */
const movedTimeout = { tcp: '1d', udp: '10m' }

/** Sets and maps that this process alone writes; `affinity` and `moved` are written by packets. */
export const setNames = [
  'pools',
  'used',
  'inside',
  'restricted',
  'allowed',
  'choose',
  'slots',
  'alive',
  'kept',
  'forward',
]
export const mapNames: ReadonlySet<string> = new Set(['choose', 'slots', 'forward'])

export function rulesets(input: RulesInput): Ruleset[] {
  return [ruleset('ip', 'IPv4', input), ruleset('ip6', 'IPv6', input)]
}

function ruleset(table: 'ip' | 'ip6', family: Family, input: RulesInput): Ruleset {
  const frontends = input.frontends.filter((frontend) => frontend.family === family)
  const chains = new Map<string, readonly string[]>([['move', moveRules(table, input.zone)]])
  const elements = new Map(setNames.map((name) => [name, new Map<string, string>()]))
  const add = (set: string, key: string, value = '') => elements.get(set)?.set(key, value)

  for (const pool of disjoint(input.pools)) if (familyOf(pool) === family) add('pools', pool)
  for (const address of input.addresses) if (familyOf(address) === family) add('used', address)
  for (const name of input.insideInterfaces) add('inside', `"${name}"`)
  for (const frontend of frontends) {
    const key = frontendKey(frontend)
    addAdmission(frontend, key, add)
    const count = frontend.targets.length
    if (count > 0) {
      const chain = frontend.affinitySeconds > 0 ? `sticky-${count}-${frontend.affinitySeconds}` : `spread-${count}`
      chains.set(
        chain,
        frontend.affinitySeconds > 0 ? stickyRules(table, count, frontend.affinitySeconds) : spreadRules(table, count),
      )
      add('choose', key, `goto ${chain}`)
    } else if (frontend.waiting) {
      add('choose', key, 'drop')
    }
    frontend.targets.forEach((target, slot) => {
      const mark = hex(frontend.mode === 'passthrough' ? target.id | passthroughBit : target.id)
      add('slots', `${key} . ${slot}`, mark)
      add('alive', `${key} . ${mark}`)
      if (frontend.mode === 'node-port') add('forward', `${key} . ${mark}`, `${target.address} . ${target.port}`)
    })
    addKept(key, frontend.keep, add)
  }
  for (const gone of input.retired) {
    if (familyOf(gone.address) === family) addKept(frontendKey(gone), gone.nodes, add)
  }
  return { family: table, chains, elements }
}

type Add = (set: string, key: string, value?: string) => void

function addAdmission(frontend: Frontend, key: string, add: Add): void {
  if (!frontend.restricted) return
  add('restricted', key)
  for (const range of disjoint(frontend.sourceRanges)) add('allowed', `${key} . ${range}`)
}

/** Both marks of a node, so that connections outlive a change of mode. */
function addKept(key: string, nodes: readonly number[], add: Add): void {
  for (const id of nodes) {
    add('kept', `${key} . ${hex(id)}`)
    add('kept', `${key} . ${hex(id | passthroughBit)}`)
  }
}

function frontendKey(frontend: { address: string; protocol: 'TCP' | 'UDP'; port: number }): string {
  return `${frontend.address} . ${frontend.protocol.toLowerCase()} . ${frontend.port}`
}

function hex(mark: number): string {
  return `0x${mark.toString(16).padStart(8, '0')}`
}

const frontend = (table: string) => `${table} daddr . meta l4proto . th dport`
/**
 * nft 1.0.6 cannot update a map from packets when its key is longer than 16 bytes (it aborts), and has room for few fields in a
 * hash: 32-bit hashes stand for the addresses. Two clients that collide share a remembered target, no more.
 */
const hash = (fields: string, seed: number) => `jhash ${fields} mod 4294967295 seed 0x${seed}`
const client = (table: string) =>
  `${hash(`${table} saddr`, 1)} . ${hash(`${table} saddr`, 2)} . ${hash(`${table} daddr . meta l4proto`, 1)} . th dport`
const flow = (table: string) =>
  `${hash(`${table} saddr`, 1)} . th sport . ${hash(`${table} daddr . meta l4proto`, 1)} . th dport`

function spreadRules(table: string, count: number): string[] {
  return [`ct mark set ${frontend(table)} . numgen random mod ${count} map @slots`]
}

/** A remembered node that is not eligible any more is forgotten; the timeout runs from the last new connection. */
function stickyRules(table: string, count: number, seconds: number): string[] {
  return [
    `ct mark set ${client(table)} map @affinity`,
    `${frontend(table)} . ct mark @alive update @affinity { ${client(table)} timeout ${seconds}s : ct mark } return`,
    `ct mark set ${frontend(table)} . numgen random mod ${count} map @slots`,
    `delete @affinity { ${client(table)} : ct mark }`,
    `update @affinity { ${client(table)} timeout ${seconds}s : ct mark }`,
  ]
}

/** The packet is lost; the next one of the flow starts anew in the zone. */
function moveRules(table: string, zone: number): string[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => [
    `meta l4proto ${protocol} delete @moved { ${flow(table)} : ${zone} }`,
    `meta l4proto ${protocol} update @moved { ${flow(table)} timeout ${movedTimeout[protocol]} : ${zone} } drop`,
  ])
}

/**
 * Tables, sets and fixed chains. With `typeof`, nft 1.0.6 could not load
 * its own listing of `forward` again, so it has a `type`. A hash in `typeof` makes nft 1.0.6 crash when it lists the set, so numgen, which has the same
 * type, stands there.
 */
export function skeleton(table: 'ip' | 'ip6', name: string): string {
  const address = table === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const key = `${address} . inet_proto . inet_service`
  const unreachable = table === 'ip' ? 'icmp type host-unreachable' : 'icmpv6 type addr-unreachable'
  const prohibited = table === 'ip' ? 'icmp type prot-unreachable' : 'icmpv6 type admin-prohibited'
  const marked = `${frontend(table)} . ct mark`
  return `table ${table} ${name} {
  set pools { type ${address}; flags interval; }
  set used { type ${address}; }
  set inside { type ifname; }
  set restricted { type ${key}; }
  set allowed { type ${key} . ${address}; flags interval; }
  map choose { type ${key} : verdict; }
  map slots { typeof ${frontend(table)} . numgen random mod 2 : ct mark; }
  set alive { type ${key} . mark; }
  set kept { type ${key} . mark; }
  map forward { type ${key} . mark : ${address} . inet_service; }
  map affinity { typeof numgen random mod 2 . numgen random mod 2 . numgen random mod 2 . th dport : ct mark; size 65535; flags dynamic,timeout; }
  map moved { typeof numgen random mod 2 . th sport . numgen random mod 2 . th dport : ct zone; size 65535; flags dynamic,timeout; }
  chain move {
  }
  chain gone {
    ct state new goto move
    meta l4proto udp goto move
    tcp flags rst accept
    reject with tcp reset
  }
  chain refuse {
    ${table} daddr != @used reject with ${unreachable}
    meta l4proto tcp reject with tcp reset
    meta l4proto udp reject
    reject with ${prohibited}
  }
  chain known {
    ct state new ${marked} != @alive goto move
    ${marked} != @kept goto gone
    ct original zone != 0 meta l4proto tcp update @moved { ${flow(table)} timeout ${movedTimeout.tcp} : ct original zone }
    ct original zone != 0 meta l4proto udp update @moved { ${flow(table)} timeout ${movedTimeout.udp} : ct original zone }
  }
  chain fresh {
    ${frontend(table)} @restricted ${frontend(table)} . ${table} saddr != @allowed drop
    ${frontend(table)} vmap @choose
  }
  chain zone {
    type filter hook prerouting priority raw; policy accept;
    ${table} daddr @pools ct original zone set ${flow(table)} map @moved
  }
  chain steer {
    type filter hook prerouting priority mangle; policy accept;
    ${table} daddr != @pools accept
    ct state related accept
    meta l4proto != { tcp, udp } goto refuse
    ct mark != 0 jump known
    ct mark 0 jump fresh
    ct mark 0 goto refuse
    ct mark and ${hex(passthroughBit)} != 0 meta mark set ct mark and ${hex(nodeMask)}
    iifname @inside meta mark set meta mark or ${hex(insideBit)}
  }
  chain translate {
    type nat hook prerouting priority dstnat; policy accept;
    dnat ${table} to ${marked} map @forward
  }
  chain source {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and ${hex(insideBit)} != 0 masquerade
  }
}
`
}
