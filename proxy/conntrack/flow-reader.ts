/**
 * Reads flows from the datagrams of a dump. A node can have a million flows: nothing is made for each of them but what was not seen before.
 * Pure but for its own state.
 */
import type { Family } from '../rules/addresses.ts'
import { headerBytes, readAttributes, walkMessages } from '../netlink/messages.ts'
import { readAddress } from '../netlink/text.ts'
import {
  addressAttribute,
  addressBytes,
  attribute,
  command,
  protocolAttribute,
  protocolNames,
  statusBit,
  subsystem,
  tupleAttribute,
} from './ctnetlink.ts'
import type { Flow, FlowProtocol } from './flow.ts'

/** Good during its visit only. */
export interface ShownFlow extends Flow {
  /** What deletes it: a copy. */
  handle: () => Buffer
}

const newFlow = (subsystem << 8) | command.new

/** Of a tuple, where its addresses stand, and its ports. */
interface Side {
  source: number
  destination: number
  protocol: number
  sourcePort: number
  destinationPort: number
}

/** Visits all flows of a datagram whose protocol is one of Services. */
export function flowReader(family: Family): (datagram: Buffer, visit: (flow: ShownFlow) => void) => void {
  const original = side()
  const reply = side()
  const frontends = textCache(family)
  const targets = textCache(family)
  const length = addressBytes[family]
  const { source, destination } = addressAttribute[family]
  let bytes: Buffer = Buffer.alloc(0)
  let status = 0
  let tuple = original
  const tupleAt = { from: 0, to: 0 }
  const zoneAt = { from: 0, to: 0 }
  const idAt = { from: 0, to: 0 }

  const visitAddress = (type: number, from: number, to: number) => {
    if (to - from !== length) return
    if (type === source) tuple.source = from
    else if (type === destination) tuple.destination = from
  }
  const visitProtocol = (type: number, from: number) => {
    if (type === protocolAttribute.number) tuple.protocol = bytes.readUInt8(from)
    else if (type === protocolAttribute.sourcePort) tuple.sourcePort = bytes.readUInt16BE(from)
    else if (type === protocolAttribute.destinationPort) tuple.destinationPort = bytes.readUInt16BE(from)
  }
  const visitTuple = (type: number, from: number, to: number) => {
    if (type === tupleAttribute.address) readAttributes(bytes, from, to, visitAddress)
    else if (type === tupleAttribute.protocol) readAttributes(bytes, from, to, visitProtocol)
  }
  const visitFlow = (type: number, from: number, to: number) => {
    switch (type) {
      case attribute.original:
        tuple = original
        readAttributes(bytes, from, to, visitTuple)
        place(tupleAt, from, to)
        break
      case attribute.reply:
        tuple = reply
        readAttributes(bytes, from, to, visitTuple)
        break
      case attribute.status:
        status = bytes.readUInt32BE(from)
        break
      case attribute.zone:
        place(zoneAt, from, to)
        break
      case attribute.id:
        place(idAt, from, to)
        break
      default:
    }
  }

  const shown: ShownFlow = {
    frontend: '',
    protocol: 'udp',
    target: '',
    translated: false,
    replied: false,
    handle: () =>
      Buffer.concat(
        [tupleAt, zoneAt, idAt].filter(({ to }) => to > 0).map(({ from, to }) => attributeCopy(bytes, from, to)),
      ),
  }

  return (datagram, visit) => {
    bytes = datagram
    walkMessages(datagram, (type, from, to) => {
      if (type !== newFlow || to - from < headerBytes) return
      clear(original)
      clear(reply)
      for (const at of [tupleAt, zoneAt, idAt]) place(at, 0, 0)
      status = 0
      readAttributes(datagram, from + headerBytes, to, visitFlow)
      const protocol = protocolNames.get(original.protocol)
      if (protocol === undefined || original.destination === 0 || reply.source === 0) return
      shown.protocol = protocol
      shown.frontend = frontends(datagram, original.destination, original.destinationPort, protocol)
      shown.target = targets(datagram, reply.source, reply.sourcePort, undefined)
      shown.replied = (status & statusBit.seenReply) !== 0
      shown.translated =
        reply.sourcePort !== original.destinationPort ||
        !sameBytes(datagram, reply.source, original.destination, length)
      shown.byIpvs = shown.translated && (status & statusBit.dstNat) === 0
      visit(shown)
    })
  }
}

function side(): Side {
  return { source: 0, destination: 0, protocol: 0, sourcePort: 0, destinationPort: 0 }
}

function clear(tuple: Side): void {
  tuple.source = 0
  tuple.destination = 0
  tuple.protocol = 0
  tuple.sourcePort = 0
  tuple.destinationPort = 0
}

function place(at: { from: number; to: number }, from: number, to: number): void {
  at.from = from
  at.to = to
}

function sameBytes(bytes: Buffer, one: number, other: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[one + index] !== bytes[other + index]) return false
  return true
}

/** An attribute with its header, padded, from the bounds of its value. */
function attributeCopy(bytes: Buffer, from: number, to: number): Buffer {
  const copy = Buffer.alloc((to - from + 4 + 3) & ~3)
  bytes.copy(copy, 0, from - 4, to)
  return copy
}

/** More than clusters have Services; clients elsewhere can have any number of destinations. */
const mostTexts = 20_000

/** Texts of frontends (with a protocol) or targets (without), made once. */
function textCache(
  family: Family,
): (bytes: Buffer, from: number, port: number, protocol: FlowProtocol | undefined) => string {
  const known = new Map<string | number, Map<number, string>>()
  const length = addressBytes[family]
  const out = Buffer.alloc(40)
  let texts = 0
  return (bytes, from, port, protocol) => {
    const raw = family === 'ip' ? bytes.readUInt32BE(from) : bytes.toString('latin1', from, from + length)
    const place = port * 4 + (protocol === undefined ? 0 : protocols.indexOf(protocol) + 1)
    const before = known.get(raw)?.get(place)
    if (before !== undefined) return before
    if (++texts > mostTexts) {
      known.clear()
      texts = 1
    }
    const address = out.toString('latin1', 0, readAddress(bytes, from, length, out, 0))
    const text = protocol === undefined ? `${address} . ${port}` : `${family} ${address} . ${protocol} . ${port}`
    const ofAddress = known.get(raw)
    if (ofAddress === undefined) known.set(raw, new Map([[place, text]]))
    else ofAddress.set(place, text)
    return text
  }
}

const protocols: readonly FlowProtocol[] = ['tcp', 'udp', 'sctp']
