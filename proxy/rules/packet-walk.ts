/**
 * For tests: the first packet of a connection walks through a set of elements, as elements.ts says what they mean and in the order in
 * which skeleton.ts asks them. It knows nothing of Services. Every endpoint that chance or memory may choose is followed.
 */
import { type Cidr, contains, type Family, parseAddress, parseCidr } from './addresses.ts'
import { type ElementSet, elementId, type MapName, partsOf } from './elements.ts'
import type { LocalMatch, LocalMatches } from './local-detection.ts'

export interface Packet {
  source: string
  /** Whether the source is one of this node's own addresses. */
  own: boolean
  /** The interface it came in by; a node's own packets have none. */
  through?: string
  to: string
  protocol: 'tcp' | 'udp' | 'sctp'
  port: number
}

export interface WalkOptions {
  local: LocalMatches
  masqueradeAll: boolean
}

/** `pass`: not translated, it goes where the routes send it. Else `address . port`, with ` masq` where the source is hidden. Sorted. */
export type Fate = 'pass' | 'reject' | 'drop' | readonly string[]

export interface Field {
  readonly walk: (packet: Packet) => Fate
}

/** Reads the elements once, for many packets. Throws where a verdict leads to an empty slot, which the kernel would drop without a word. */
export function fieldOf(elements: ElementSet, options: WalkOptions): Field {
  const networks = networksOf(elements)
  const sessions = sessionMembers(elements)
  const seen = new Map<string, boolean>()
  const within = (family: Family, map: MapName, prefix: string, source: string) => {
    const name = `${family} ${map} ${prefix}`
    const question = `${name} ${source}`
    const known = seen.get(question)
    if (known !== undefined) return known
    const address = parseAddress(source)
    const answer = address !== undefined && (networks.get(name) ?? []).some((network) => contains(network, address))
    seen.set(question, answer)
    return answer
  }

  const walk = (packet: Packet): Fate => {
    const family: Family = packet.to.includes(':') ? 'ip6' : 'ip'
    const frontend = `${packet.to} . ${packet.protocol} . ${packet.port}`
    const look = (map: MapName, key = frontend) => elements.get(elementId(family, map, key))
    const has = (map: MapName, key = frontend) => look(map, key) !== undefined
    const match = options.local[family]
    const local = isLocal(match, packet, () => within(family, 'pods', '', packet.source))
    // Where nobody is known to be local, nobody is told apart by it.
    const outsider = match.by === 'nothing' || !local

    if (has('fw-vips') && !within(family, 'fw-allow', frontend, packet.source)) return 'drop'
    if (has('no-ep')) return 'reject'

    const masquerade =
      has('masq') ||
      (has('cluster-ips', packet.to) && (options.masqueradeAll || (match.by !== 'nothing' && !local))) ||
      (packet.own && has('local-vips'))
    const chosen = (front: string): readonly string[] | 'drop' | undefined => {
      const external = outsider && !packet.own ? look('svc-local', front) : undefined
      const verdict = external ?? look('svc', front)
      if (verdict === undefined || verdict === 'drop') return verdict
      return targetsOf(elements, family, front, verdict)
    }
    const choice = chosen(frontend)
    const session = look('session')
    const remembered = (session === undefined ? [] : (sessions.get(`${family} ${session}`) ?? [])).flatMap((front) => {
      const elsewhere = chosen(front)
      return elsewhere === undefined || elsewhere === 'drop' ? [] : elsewhere
    })
    if (choice === 'drop' && remembered.length === 0) return 'drop'
    const targets = new Set([...(choice === undefined || choice === 'drop' ? [] : choice), ...remembered])
    if (targets.size > 0) {
      return [...targets]
        .map((target) => {
          const address = target.slice(0, target.indexOf(' '))
          const toItself = packet.source === address && has('hairpin', `${address} . ${address}`)
          return masquerade || toItself ? `${target} masq` : target
        })
        .sort()
    }
    if (has('frontends') || has('cluster-ips', packet.to)) return 'reject'
    return within(family, 'service-cidrs', '', packet.to) ? 'reject' : 'pass'
  }
  return { walk }
}

function targetsOf(elements: ElementSet, family: Family, frontend: string, verdict: string): string[] {
  const [, letter, count = '0'] = /^goto ([nl])(\d+)$/.exec(verdict) ?? []
  if (letter === undefined) throw new Error(`${frontend}: ${verdict} is no verdict`)
  return Array.from({ length: Number(count) }, (_, slot) => {
    const target = elements.get(elementId(family, letter === 'n' ? 'ep' : 'ep-local', `${frontend} . ${slot}`))
    if (target === undefined) throw new Error(`${frontend}: slot ${slot} of ${verdict} is empty`)
    return target
  })
}

function isLocal(match: LocalMatch, packet: Packet, inPods: () => boolean): boolean {
  switch (match.by) {
    case 'nothing':
      return false
    case 'addresses':
      return inPods()
    case 'interface':
      return packet.through === match.name
    default:
      return packet.through?.startsWith(match.prefix) ?? false
  }
}

/** `family map prefix` to networks; the prefix is the frontend that a network is for. */
function networksOf(elements: ElementSet): Map<string, Cidr[]> {
  const networks = new Map<string, Cidr[]>()
  for (const id of elements.keys()) {
    const { family, map, key } = partsOf(id)
    if (map !== 'pods' && map !== 'service-cidrs' && map !== 'fw-allow') continue
    const cut = key.lastIndexOf(' . ')
    const name = `${family} ${map} ${cut < 0 ? '' : key.slice(0, cut)}`
    const text = cut < 0 ? key : key.slice(cut + 3)
    const network = parseCidr(text.includes('/') ? text : `${text}/${family === 'ip' ? 32 : 128}`)
    if (network === undefined) throw new Error(`${id}: no network`)
    networks.set(name, [...(networks.get(name) ?? []), network])
  }
  return networks
}

function sessionMembers(elements: ElementSet): Map<string, string[]> {
  const members = new Map<string, string[]>()
  for (const [id, session] of elements) {
    const { family, map, key } = partsOf(id)
    if (map !== 'session') continue
    members.set(`${family} ${session}`, [...(members.get(`${family} ${session}`) ?? []), key])
  }
  return members
}
