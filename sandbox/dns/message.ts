/**
 * From the bytes of a query to the bytes of its reply: header rules, EDNS0 (RFC 6891), truncation (RFC 2181 section 9). Pure.
 * What can't be read as a query gets no reply at all; everything else gets exactly one, whatever it asks for.
 */
import type { Buffer } from 'node:buffer'
import * as dns from 'dns-packet'
import { answer, type DnsAnswer, type Rcode } from './answer.ts'
import type { RecordIndex } from './record-index.ts'

export type Transport = 'udp' | 'tcp'

const rcodes: Record<Rcode, number> = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 }
const plainUdpSize = 512
/** Fits every link without fragments (DNS flag day 2020). */
const largestUdpSize = 1232
const largestTcpSize = 65_535
const headerBytes = 12
const responseBit = 0x8000
const opcodeMask = 0x7800
const badVersion = 1

/**
 * `random` (uniform in [0, 1)) turns the order of addresses, as CoreDNS' loadbalance plugin does: clients take the first.
 * Undefined when there is nothing to reply to: a reply, or bytes that are no query.
 */
export function replyTo(
  query: Buffer,
  transport: Transport,
  index: RecordIndex,
  random: () => number,
): Buffer | undefined {
  if (query.length < headerBytes) return undefined
  const flags = query.readUInt16BE(2)
  if ((flags & responseBit) !== 0) return undefined
  const id = query.readUInt16BE(0)
  const kept = flags & (opcodeMask | dns.RECURSION_DESIRED | dns.CHECKING_DISABLED)
  if ((flags & opcodeMask) !== 0) return bare(id, kept, 'NOTIMP')
  if (query.readUInt16BE(4) !== 1) return bare(id, kept, 'FORMERR')
  const decoded = decode(query)
  if (decoded === undefined) return undefined
  const [question] = decoded.questions ?? []
  const options = (decoded.additionals ?? []).filter(isOption)
  const [option] = options
  if (question === undefined || !isPlain(question.name) || options.length > 1) return bare(id, kept, 'FORMERR')
  const wrongVersion = option !== undefined && option.ednsVersion !== 0
  const found = wrongVersion ? nothing('NOERROR') : answerTo(question, index)
  const limit = transport === 'tcp' ? largestTcpSize : udpLimit(option)
  const packet = packetOf(id, kept, question, turned(found, random))
  if (option !== undefined) packet.additionals.push(optionOf(wrongVersion))
  return encodeWithin(packet, limit)
}

function decode(query: Buffer): dns.DecodedPacket | undefined {
  try {
    return dns.decode(query)
  } catch {
    return undefined
  }
}

function isOption(record: dns.Answer): record is dns.OptAnswer {
  return record.type === 'OPT'
}

/** Names that the encoder repeats as they came: dns-packet decodes foreign bytes into longer ones, and dots inside of labels as borders. */
function isPlain(name: string): boolean {
  return name === '.' || name.split('.').every((label) => /^[\x21-\x7e]{1,63}$/.test(label))
}

function answerTo({ name, type, class: group = 'IN' }: dns.Question, index: RecordIndex): DnsAnswer {
  if (group !== 'IN' && group !== 'ANY') return nothing('REFUSED')
  const asked: string = type
  if (asked === 'AXFR' || asked === 'IXFR') return nothing('REFUSED')
  return answer({ name, type }, index)
}

function nothing(rcode: Rcode): DnsAnswer {
  return { rcode, authoritative: false, answers: [], authorities: [], additionals: [] }
}

interface Reply extends Pick<DnsAnswer, 'answers' | 'authorities' | 'additionals'> {
  type: 'response'
  id: number
  flags: number
  questions: dns.Question[]
}

/** The sandbox's server is authority and resolver in one, so recursion is available. */
function packetOf(id: number, kept: number, question: dns.Question, found: DnsAnswer): Reply {
  const authority = found.authoritative ? dns.AUTHORITATIVE_ANSWER : 0
  return {
    type: 'response',
    id,
    flags: kept | authority | dns.RECURSION_AVAILABLE | rcodes[found.rcode],
    questions: [question],
    answers: [...found.answers],
    authorities: [...found.authorities],
    additionals: [...found.additionals],
  }
}

/** A reply without the question: for what could not or should not be read. */
function bare(id: number, kept: number, rcode: Rcode): Buffer {
  return dns.encode({ type: 'response', id, flags: kept | rcodes[rcode] })
}

function optionOf(wrongVersion: boolean): dns.OptAnswer {
  return {
    name: '.',
    type: 'OPT',
    udpPayloadSize: largestUdpSize,
    extendedRcode: wrongVersion ? badVersion : 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
}

function udpLimit(option: dns.OptAnswer | undefined): number {
  return option === undefined ? plainUdpSize : Math.min(largestUdpSize, Math.max(plainUdpSize, option.udpPayloadSize))
}

/**
 * Additional addresses are dropped silently when they don't fit; when the answer itself doesn't, as much of it as fits is
 * sent with the TC bit, and the client comes again over TCP.
 */
function encodeWithin(reply: Reply, limit: number): Buffer {
  if (dns.encodingLength(reply) <= limit) return dns.encode(reply)
  const lean = { ...reply, additionals: reply.additionals.filter(isOption) }
  if (dns.encodingLength(lean) <= limit) return dns.encode(lean)
  const cut = { ...lean, flags: lean.flags | dns.TRUNCATED_RESPONSE, authorities: [], answers: [...lean.answers] }
  while (cut.answers.length > 0 && dns.encodingLength(cut) > limit) cut.answers.pop()
  return dns.encode(cut)
}

/** Addresses and SRV targets begin at a random one; aliases stay in front of what they lead to. */
function turned(found: DnsAnswer, random: () => number): DnsAnswer {
  const aliases = found.answers.filter(({ type }) => type === 'CNAME')
  const rest = found.answers.filter(({ type }) => type !== 'CNAME')
  const start = rest.length < 2 ? 0 : Math.floor(random() * rest.length)
  return { ...found, answers: [...aliases, ...rest.slice(start), ...rest.slice(0, start)] }
}
