/**
 * Flows as ctnetlink messages: the request that shows some, the reader of what is shown, and the request that deletes them. Pure.
 * Numbers: linux/netfilter/nfnetlink_conntrack.h. A flow is deleted by its original tuple, its zone and its id, all three as the kernel
 * showed them: one that the same client has opened anew in the meantime has another id and stays.
 */
import type { Family } from '../addresses.ts'
import { createMessageWriter, flag, type Message, readAttributes } from '../netlink/messages.ts'
import { readAddress, writeAddress } from '../netlink/text.ts'
import type { Flow, FlowProtocol, FlowQuery } from './flow.ts'

const subsystem = 1
const command = { get: 1, delete: 2, count: 5 } as const
const protocolFamily: Readonly<Record<Family, number>> = { ip: 2, ip6: 10 }
const addressBytes: Readonly<Record<Family, number>> = { ip: 4, ip6: 16 }
const attribute = { original: 1, reply: 2, status: 3, id: 12, zone: 18, filter: 25, statusMask: 26 } as const
const tupleAttribute = { address: 1, protocol: 2 } as const
const addressAttribute: Readonly<Record<Family, { source: number; destination: number }>> = {
  ip: { source: 1, destination: 2 },
  ip6: { source: 3, destination: 4 },
}
const countAttribute = { entries: 1 } as const
const protocolAttribute = { number: 1, sourcePort: 2, destinationPort: 3 } as const
const filterAttribute = { originalFlags: 1 } as const
/** Which fields of the tuple a filter compares (CTA_FILTER_FLAG). */
const filterFlag = { destination: 1 << 1, protocol: 1 << 3, destinationPort: 1 << 5 } as const
const statusBit = { seenReply: 1 << 1 } as const
const protocolNumbers: Readonly<Record<FlowProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 }
const protocolNames = new Map<number, FlowProtocol>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as FlowProtocol]),
)
const nested = 0x8000

/** A flow and what deletes it; `handle` is good as long as the datagram. */
export interface ShownFlow extends Flow {
  handle: Buffer
}

/**
 * A kernel without CTA_FILTER (before 5.8) or CTA_STATUS_MASK shows more than was asked for. IPv6 addresses are never part of the filter:
 * the kernel compares them the wrong way round (ctnetlink_filter_match_tuple, 5.8 to at least 6.18) and would leave out just those asked for.
 */
export function dumpRequest({ family, protocol, destination, unreplied }: FlowQuery): Buffer {
  const writer = createMessageWriter(256)
  writer.message((subsystem << 8) | command.get, flag.request | flag.dump, 1, protocolFamily[family])
  const byAddress = destination !== undefined && family === 'ip'
  const tuple = writer.nest(attribute.original)
  if (byAddress) {
    const addresses = writer.nest(tupleAttribute.address)
    const bytes = Buffer.alloc(addressBytes[family])
    writeAddress(destination.address, 0, bytes.length, bytes, 0)
    writer.bytes(addressAttribute[family].destination, bytes)
    writer.close(addresses)
  }
  const proto = writer.nest(tupleAttribute.protocol)
  writer.u8(protocolAttribute.number, protocolNumbers[protocol])
  if (destination !== undefined) writer.u16(protocolAttribute.destinationPort, destination.port)
  writer.close(proto)
  writer.close(tuple)
  const compared =
    filterFlag.protocol |
    (byAddress ? filterFlag.destination : 0) |
    (destination === undefined ? 0 : filterFlag.destinationPort)
  const filter = writer.nest(attribute.filter)
  // The machine's byte order, unlike all others.
  const flags = Buffer.alloc(4)
  flags.writeUInt32LE(compared)
  writer.bytes(filterAttribute.originalFlags, flags)
  writer.close(filter)
  if (unreplied) {
    writer.u32(attribute.status, 0)
    writer.u32(attribute.statusMask, statusBit.seenReply)
  }
  return writer.take()
}

/** Asks for the number of flows: whether the kernel tracks connections and lets us look. */
export function countRequest(): Buffer {
  const writer = createMessageWriter(64)
  writer.message((subsystem << 8) | command.count, flag.request, 1, 0)
  return writer.take()
}

/** The answer to it; 0 for any other message. */
export function readCount({ body }: Message): number {
  let flows = 0
  readAttributes(body, 0, body.length, (type, at) => {
    if (type === countAttribute.entries) flows = body.readUInt32BE(at)
  })
  return flows
}

/** Makes flows from the messages of one dump; undefined for what is none of a Service's protocol. */
export function flowReader(family: Family): (message: Message) => ShownFlow | undefined {
  const addressText = addressReader(family)
  const { source, destination } = addressAttribute[family]
  const length = addressBytes[family]

  const readTuple = (body: Buffer, from: number, to: number) => {
    let address: string | undefined
    let protocol: number | undefined
    let sourcePort = 0
    let destinationPort = 0
    const side = { source: 0, destination: 0 }
    readAttributes(body, from, to, (type, at, end) => {
      if (type === tupleAttribute.address) {
        readAttributes(body, at, end, (field, start, stop) => {
          if (stop - start !== length) return
          if (field === source) side.source = start
          else if (field === destination) side.destination = start
        })
        address = ''
      } else if (type === tupleAttribute.protocol) {
        readAttributes(body, at, end, (field, start) => {
          if (field === protocolAttribute.number) protocol = body[start]
          else if (field === protocolAttribute.sourcePort) sourcePort = body.readUInt16BE(start)
          else if (field === protocolAttribute.destinationPort) destinationPort = body.readUInt16BE(start)
        })
      }
    })
    return address === undefined || side.source === 0 || side.destination === 0
      ? undefined
      : { ...side, protocol, sourcePort, destinationPort }
  }

  return ({ body }) => {
    let original: ReturnType<typeof readTuple>
    let reply: ReturnType<typeof readTuple>
    let status = 0
    const handle: [from: number, to: number][] = []
    readAttributes(body, 0, body.length, (type, from, to) => {
      if (type === attribute.original) original = readTuple(body, from, to)
      else if (type === attribute.reply) reply = readTuple(body, from, to)
      else if (type === attribute.status) status = body.readUInt32BE(from)
      if (type === attribute.original || type === attribute.zone || type === attribute.id) handle.push([from - 4, to])
    })
    const protocol = protocolNames.get(original?.protocol ?? 0)
    if (original === undefined || reply === undefined || protocol === undefined) return undefined
    const to = addressText(body, original.destination)
    const from = addressText(body, reply.source)
    return {
      frontend: `${family} ${to} . ${protocol} . ${original.destinationPort}`,
      protocol,
      target: `${from} . ${reply.sourcePort}`,
      translated: from !== to || reply.sourcePort !== original.destinationPort,
      replied: (status & statusBit.seenReply) !== 0,
      get handle() {
        return Buffer.concat(handle.map(([from, end]) => padded(body.subarray(from, end))))
      },
    }
  }
}

function padded(bytes: Buffer): Buffer {
  const whole = Buffer.alloc((bytes.length + 3) & ~3)
  bytes.copy(whole)
  return whole
}

/** Few addresses are met again and again in one dump. */
function addressReader(family: Family): (bytes: Buffer, from: number) => string {
  const known = new Map<string, string>()
  const length = addressBytes[family]
  const out = Buffer.alloc(40)
  return (bytes, from) => {
    const raw = bytes.toString('latin1', from, from + length)
    const before = known.get(raw)
    if (before !== undefined) return before
    const text = out.toString('latin1', 0, readAddress(bytes, from, length, out, 0))
    known.set(raw, text)
    return text
  }
}

/** Deletes the flows with these handles. The kernel answers for those that it could not delete, and once at the end. */
export function deleteRequest(family: Family, handles: readonly Buffer[]): Buffer {
  const writer = createMessageWriter(handles.length * 128)
  handles.forEach((handle, index) => {
    const last = index === handles.length - 1
    const flags = flag.request | (last ? flag.ack : 0)
    writer.message((subsystem << 8) | command.delete, flags, index + 1, protocolFamily[family])
    readAttributes(handle, 0, handle.length, (type, from, to) =>
      writer.bytes(type === attribute.original ? type | nested : type, handle.subarray(from, to)),
    )
  })
  return writer.take()
}
