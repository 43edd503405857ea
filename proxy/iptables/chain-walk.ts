/**
 * For tests: the first packet of a connection walks through chains as the kernel does, table nat, then filter, then nat again. Where chance
 * or memory decides, both ways are followed. Every match and target that we write is understood; any other is an error.
 */
import { contains, parseAddress, parseCidr } from '../rules/addresses.ts'
import type { Fate, Packet } from '../rules/packet-walk.ts'
import { jumps, type Table } from './chains.ts'
import type { AllChains } from './family-rules.ts'

interface State {
  packet: Packet
  /** Destination, translated or not. */
  to: string
  mark: number
  translated: boolean
}

type End =
  | { by: 'return' | 'accept' | 'drop' | 'reject' | 'masquerade'; mark: number }
  | { by: 'dnat'; target: string; mark: number }

export function walkChains(chains: AllChains, packet: Packet): Fate {
  const start = { packet, to: packet.to, mark: 0, translated: false }
  const fates = new Set<string>()
  for (const end of through(chains, 'nat', packet.own ? 'OUTPUT' : 'PREROUTING', start)) {
    const translated = end.by === 'dnat'
    const to = translated ? (end.target.split(' . ')[0] ?? '') : packet.to
    const state = { packet, to, mark: end.mark, translated }
    for (const { by } of through(chains, 'filter', packet.own ? 'OUTPUT' : 'FORWARD', state)) {
      if (by === 'drop' || by === 'reject') fates.add(by)
      else if (end.by !== 'dnat') fates.add('pass')
      else {
        for (const last of through(chains, 'nat', 'POSTROUTING', state)) {
          fates.add(last.by === 'masquerade' ? `${end.target} masq` : end.target)
        }
      }
    }
  }
  const [first = '', ...others] = [...fates].sort()
  if (first === 'pass' || first === 'drop' || first === 'reject') {
    if (others.length > 0) throw new Error(`${JSON.stringify(packet)}: ${[first, ...others].join(', ')}`)
    return first
  }
  return [first, ...others]
}

function through(chains: AllChains, table: Table, hook: string, state: State): End[] {
  const jump = jumps[table][hook] ?? ''
  return run(chains[table], jump.split(' ')[1] ?? '', 0, state)
}

function run(chains: AllChains[Table], name: string, index: number, state: State): End[] {
  const rules = chains.get(name)
  if (rules === undefined) throw new Error(`no chain ${name}`)
  const rule = rules[index]
  if (rule === undefined) return [{ by: 'return', mark: state.mark }]
  const [, matches = '', verb = '', target = '', details = ''] = /^(.*?)(?:^| )-([jg]) (\S+)(.*)$/.exec(rule) ?? []
  const next = (mark = state.mark) => run(chains, name, index + 1, { ...state, mark })
  const answer = matched(matches, state)
  if (answer === 'no') return next()
  const ends = jumped(chains, target, details, state).flatMap((end) => {
    if (end.by !== 'return' || target === 'RETURN' || verb === 'g') return [end]
    return next(end.mark)
  })
  return answer === 'maybe' ? [...ends, ...next()] : ends
}

function jumped(chains: AllChains[Table], target: string, details: string, state: State): End[] {
  const { mark } = state
  switch (target) {
    case 'RETURN':
      return [{ by: 'return', mark }]
    case 'ACCEPT':
      return [{ by: 'accept', mark }]
    case 'DROP':
      return [{ by: 'drop', mark }]
    case 'REJECT':
      return [{ by: 'reject', mark }]
    case 'MASQUERADE':
      return [{ by: 'masquerade', mark }]
    case 'MARK': {
      const [, value, mask] = /^ --set-xmark (0x\w+)\/(0x\w+)$/.exec(details) ?? []
      return [{ by: 'return', mark: ((mark & ~Number(mask)) ^ Number(value)) >>> 0 }]
    }
    case 'DNAT': {
      const [, bracketed, plain, port] = /^ --to-destination (?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(details) ?? []
      return [{ by: 'dnat', target: `${bracketed ?? plain} . ${port}`, mark }]
    }
    default:
      return run(chains, target, 0, state)
  }
}

type Answer = 'yes' | 'no' | 'maybe'

/** Each match by its option; those that only say which module is meant have none. */
function matched(text: string, { packet, to, mark, translated }: State): Answer {
  let answer: Answer = 'yes'
  let isNegated = false
  const words = text.split(' ').filter(Boolean)
  while (words.length > 0) {
    const option = words.shift() ?? ''
    if (option === '!') {
      isNegated = true
      continue
    }
    const value = ['--rcheck', '--reap', '--rsource', '--set'].includes(option) ? '' : (words.shift() ?? '')
    let holds = true
    if (option === '-s') holds = isWithin(packet.source, value)
    else if (option === '-d') holds = isWithin(to, value)
    else if (option === '-p') holds = packet.protocol === value
    else if (option === '-i') {
      const [, prefix] = /^(.*)\+$/.exec(value) ?? []
      holds = prefix === undefined ? packet.through === value : (packet.through ?? '').startsWith(prefix)
    } else if (option === '--dport') {
      const [first, last = first] = value.split(':').map(Number)
      holds = packet.port >= (first ?? 0) && packet.port <= (last ?? 0)
    } else if (option === '--src-type') holds = packet.own
    else if (option === '--ctstate') {
      holds = value.split(',').some((state) => state === 'NEW' || (state === 'DNAT' && translated))
    } else if (option === '--mark') {
      const [wanted, mask] = value.split('/').map(Number)
      holds = (mark & (mask ?? 0)) >>> 0 === wanted
    } else if (option === '--tcp-flags') holds = false
    else if (option === '--probability' || option === '--rcheck') answer = 'maybe'
    else if (
      !['-m', '--mode', '--seconds', '--reap', '--name', '--mask', '--rsource', '--set', '--comment'].includes(option)
    ) {
      throw new Error(`not understood: ${option} in ${text}`)
    }
    if (holds === isNegated) return 'no'
    isNegated = false
  }
  return answer
}

/** `address/length`, or `address/mask` as dispatch.ts has it: the last byte alone. */
function isWithin(text: string, range: string): boolean {
  const [network = '', length = ''] = range.split('/')
  if (length === (network.includes(':') ? '128' : '32')) return text === network
  if (!/^\d+$/.test(length)) return (lastByte(text) & lastByte(length)) === lastByte(network)
  const address = parseAddress(text)
  const cidr = parseCidr(range)
  return address !== undefined && cidr !== undefined && contains(cidr, address)
}

function lastByte(text: string): number {
  const group = /[^.:]*$/.exec(text)?.[0] ?? ''
  return (text.includes(':') ? Number.parseInt(group || '0', 16) : Number(group)) & 255
}
