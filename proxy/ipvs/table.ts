/**
 * The nftables part of mode ipvs as text: what IPVS itself cannot do (source ranges, refusals, who is masqueraded) and, as elements of
 * maps, the record of everything the mode has been told. The virtual servers follow from the record (virtual-servers.ts), so a restarted
 * proxy knows from the table alone what should be there. Pure.
 *
 * A packet's way: `checks` and `marks` before IPVS sees it (at the local input hook, or for the node's own packets at output, -98); IPVS
 * translates; `nat-post` masquerades by what connection tracking remembers of the packet as it came.
 */
import { type Family, families } from '../rules/addresses.ts'
import {
  type Change,
  type ElementId,
  elementId,
  elementMaps,
  type ElementSet,
  type MapName,
  partsOf,
} from '../rules/elements.ts'
import { fingerprint } from '../rules/fingerprint.ts'
import { recordMapTexts } from '../nftables/record-maps.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'

export const tableName = 'roadstead-ipvs'

/** Raised whenever the text below changes its meaning without changing. */
const release = 2
/** Elements in one command; longer lines make nft slower, shorter ones as well. */
const perCommand = 500
const protocols = ['tcp', 'udp', 'sctp'] as const
const ports = `meta l4proto { ${protocols.join(', ')} }`

/** Packet marks that name a virtual server (its upper half; the lower half numbers them). Cleared when the packet has been translated. */
export const serverMarks = { base: 0x5253_0000, mask: 0xffff_0000, most: 0xffff } as const

/** What the table holds beside the elements. */
export interface Extras {
  /** Frontends, as `<family> <key>`, whose insiders are sent to a virtual server of their own by this mark. */
  marks: ReadonlyMap<string, number>
  /** Addresses, as `<family> <text>`, on the dummy interface: only frontends are answered there. */
  bound: ReadonlySet<string>
}

export interface ExtrasChange {
  add: Extras
  remove: Extras
}

export interface Recorded {
  elements: Map<ElementId, string>
  extras: Extras
}

export const noExtras: Extras = { marks: new Map(), bound: new Set() }

export function versionChain(family: Family, options: SkeletonOptions): string {
  return `version-${release}-${fingerprint(body(family, options))}`
}

/** Swaps the tables for new ones, in one transaction. */
export function replaceText(options: SkeletonOptions, elements: ElementSet, extras: Extras): string {
  return [skeleton(options), elementsText('add', elements), extrasText('add', extras)].join('')
}

/** New, empty tables in place of any old ones. */
export function skeleton(options: SkeletonOptions): string {
  const tables = families.map(
    (family) =>
      `table ${family} ${tableName} {\n  chain ${versionChain(family, options)} { }\n${body(family, options)}}\n`,
  )
  return `${removeText()}${tables.join('')}`
}

/** `table` before `delete table` makes the latter succeed when there is none. */
export function removeText(): string {
  return families.map((family) => `table ${family} ${tableName}\ndelete table ${family} ${tableName}\n`).join('')
}

export function changeText(change: Change, extras: ExtrasChange): string {
  return [
    elementsText('delete', change.remove),
    extrasText('delete', extras.remove),
    elementsText('add', change.add),
    extrasText('add', extras.add),
  ].join('')
}

/** Could a rule be added to the marker chains? Checked, not done; listing them would read every element. */
export function probeText(options: SkeletonOptions): string {
  return families.map((family) => `add rule ${family} ${tableName} ${versionChain(family, options)} return\n`).join('')
}

/** @param listing of `nft list table`, both families */
export function recordedIn(listing: string): Recorded {
  const elements = new Map<ElementId, string>()
  const counts = new Map<ElementId, number>()
  const marks = new Map<string, number>()
  const bound = new Set<string>()
  for (const { family, map, key, value } of listed(listing)) {
    if (map === 'marks') marks.set(`${family} ${key}`, Number(value))
    else if (map === 'bound') bound.add(`${family} ${key}`)
    else elements.set(elementId(family, map, key), map === 'learn' ? `goto t${Number(value)}` : value)
    if (map !== 'ep' && map !== 'ep-local') continue
    const verdict = elementId(family, map === 'ep' ? 'svc' : 'svc-local', key.slice(0, key.lastIndexOf(' . ')))
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
  }
  for (const [verdict, count] of counts) {
    elements.set(verdict, `goto ${verdict.includes(' svc-local ') ? 'l' : 'n'}${count}`)
  }
  return { elements, extras: { marks, bound } }
}

interface Listed {
  family: Family
  map: MapName | 'marks' | 'bound'
  key: string
  value: string
}

const names: ReadonlySet<string> = new Set([...elementMaps, 'marks', 'bound'])

function* listed(listing: string): Generator<Listed> {
  let family: Family = 'ip'
  let map = ''
  let inside = false
  for (const line of listing.split('\n')) {
    const content = line.trim()
    if (!inside) {
      const [, kind, ofFamily, name = ''] = /^(table|map|set|chain) (?:(ip6?) )?([\w-]+)/.exec(content) ?? []
      if (kind === 'table') family = ofFamily as Family
      else if (kind !== undefined) map = kind === 'chain' ? '' : name
      inside = content.startsWith('elements = {')
      if (!inside) continue
    }
    const items = content.replace(/^elements = \{/, '').replace(/\}$/, '')
    inside = !content.endsWith('}')
    if (!names.has(map)) continue
    for (const item of items.split(',')) {
      const [key = '', value = ''] = item.split(' : ')
      if (key.trim() !== '') yield { family, map: map as Listed['map'], key: key.trim(), value: value.trim() }
    }
  }
}

function elementsText(verb: 'add' | 'delete', elements: ElementSet): string {
  const items = [...elements].flatMap(([id, value]) => {
    const { family, map, key } = partsOf(id)
    // How many endpoints a frontend has is seen from the endpoints; only `drop` is a rule here.
    if ((map === 'svc' || map === 'svc-local') && value !== 'drop') return []
    const stored = map === 'learn' ? value.slice('goto t'.length) : value
    return [{ family, map, text: verb === 'delete' || stored === '' ? key : `${key} : ${stored}` }]
  })
  return commands(verb, items)
}

function extrasText(verb: 'add' | 'delete', { marks, bound }: Extras): string {
  const at = (name: string) => [name.startsWith('ip6 ') ? 'ip6' : 'ip', name.slice(name.indexOf(' ') + 1)] as const
  const marked = [...marks].map(([name, mark]) => {
    const [family, key] = at(name)
    return { family, map: 'marks', text: verb === 'delete' ? key : `${key} : ${mark}` }
  })
  const addresses = [...bound].map((name) => {
    const [family, text] = at(name)
    return { family, map: 'bound', text }
  })
  return commands(verb, [...marked, ...addresses])
}

function commands(verb: string, items: readonly { family: string; map: string; text: string }[]): string {
  const groups = Map.groupBy(items, ({ family, map }) => `${family} ${tableName} ${map}`)
  let text = ''
  for (const [name, group] of groups) {
    for (let start = 0; start < group.length; start += perCommand) {
      const part = group.slice(start, start + perCommand).map((item) => item.text)
      text += `${verb} element ${name} { ${part.join(', ')} }\n`
    }
  }
  return text
}

/** Who is local besides this node, and who is not; undefined where nobody is known to be. */
function localWords(family: Family, { local }: SkeletonOptions): { insider: string; outsider: string } | undefined {
  const match = local[family]
  switch (match.by) {
    case 'addresses':
      return { insider: `${family} saddr @pods`, outsider: `${family} saddr != @pods` }
    case 'interface':
      return { insider: `iifname "${match.name}"`, outsider: `iifname != "${match.name}"` }
    case 'interface-prefix':
      return { insider: `iifname "${match.prefix}*"`, outsider: `iifname != "${match.prefix}*"` }
    default:
      return undefined
  }
}

function body(family: Family, options: SkeletonOptions): string {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const frontendType = `${type} . inet_proto . inet_service`
  const frontend = `${family} daddr . meta l4proto . th dport`
  const bit = `0x${(2 ** options.masqueradeBit).toString(16).padStart(8, '0')}`
  const hex = (number: number) => `0x${number.toString(16).padStart(8, '0')}`
  const masqueradeIt = `meta mark set meta mark or ${bit}`
  const local = localWords(family, options)
  const outsider = local === undefined ? '' : `${local.outsider} `
  // As it came: `tcp dport != 0` tells nft which protocol a port of connection tracking belongs to.
  const asItCame = (set: string, rest: string) =>
    protocols.map(
      (protocol) =>
        `${protocol} dport != 0 ct original ${family} daddr . meta l4proto . ct original proto-dst @${set} ${rest}`,
    )
  // The answer would come from the frontend itself: tried before the Service was known here, and never translated. Connection tracking
  // holds on to that for two minutes; the reset makes it 10 s.
  const untranslated = protocols.map(
    (protocol) =>
      `${protocol} dport != 0 ct status & confirmed != 0 ct reply ${family} saddr . meta l4proto . ct reply proto-src @frontends goto reject-it`,
  )
  const byState = ['ct state new jump checks', 'ct state new jump marking', 'ct state invalid jump invalid']
  const lines = [
    ...recordMapTexts(family, {
      endpoint: `{ typeof ${frontend} . numgen random mod 2 : ${family} daddr . th dport; }`,
      learn: '{ type classid : mark; }',
      verdict: 'verdict',
    }),
    `map marks { type ${frontendType} : mark; }`,
    `set bound { type ${type}; }`,
    chain('reject-it', 'meta l4proto tcp reject with tcp reset', 'reject'),
    chain(
      'checks',
      `${frontend} @fw-vips ${frontend} . ${family} saddr != @fw-allow drop`,
      `${frontend} @no-ep goto reject-it`,
      `${outsider}fib saddr type != local ${frontend} vmap @svc-local`,
      `${frontend} vmap @svc`,
      ...untranslated,
      `${frontend} @frontends return`,
      // These addresses are this node's own as far as the kernel knows: without this, all that listens here would answer on them.
      `${ports} ${family} daddr @bound goto reject-it`,
    ),
    chain(
      'marking',
      ...(options.masqueradeAll || local !== undefined
        ? [`${options.masqueradeAll ? '' : outsider}${family} daddr @cluster-ips ${masqueradeIt}`]
        : []),
      `fib saddr type local meta mark set ${frontend} map @marks`,
      ...(local === undefined ? [] : [`${local.insider} meta mark set ${frontend} map @marks`]),
    ),
    chain(
      'unknown',
      `${ports} ${family} daddr @cluster-ips goto reject-it`,
      `${ports} ${family} daddr @service-cidrs goto reject-it`,
    ),
    // IPVS translates by itself what connection tracking calls invalid, but not to an address that was masqueraded: the node then knows no
    // such connection and answers with a reset, which would end the endpoint's side of the real one (kubernetes#74839).
    chain('invalid', 'tcp flags & rst == rst drop'),
    hooked('before-in', 'filter hook prerouting priority -110', ...byState),
    hooked('before-out', 'filter hook output priority -110', ...byState),
    hooked('after-out', 'filter hook output priority -90', 'ct state new jump unknown'),
    hooked('through', 'filter hook forward priority filter', 'ct state new jump unknown'),
    hooked(
      'marks-end',
      'filter hook postrouting priority -150',
      `meta mark & ${hex(serverMarks.mask)} == ${hex(serverMarks.base)} meta mark set 0x00000000`,
    ),
    // Cleared first: the mark survives encapsulation and would masquerade the outer packet as well (kubernetes#92035).
    chain('masquerade-it', `meta mark set meta mark xor ${bit}`, 'masquerade fully-random'),
    hooked(
      'nat-post',
      'nat hook postrouting priority srcnat',
      // Of all that is masqueraded no packet keeps the bit.
      `meta mark & ${bit} != 0 goto masquerade-it`,
      ...asItCame('frontends', `${family} saddr . ${family} daddr @hairpin masquerade fully-random`),
      // Not by a bit of the packet's mark, which the mark of a virtual server has no room for.
      ...asItCame('masq', 'masquerade fully-random'),
      // Also what the node sends to a frontend's address: it has that address, and uses it as its source.
      ...asItCame('frontends', 'fib saddr type local masquerade fully-random'),
    ),
  ]
  return lines.map((line) => `  ${line}\n`).join('')
}

function hooked(name: string, where: string, ...rules: readonly string[]): string {
  return chain(name, `type ${where}; policy accept;`, ...rules)
}

function chain(name: string, ...rules: readonly string[]): string {
  return `chain ${name} {\n${rules.map((rule) => `    ${rule}\n`).join('')}  }`
}
