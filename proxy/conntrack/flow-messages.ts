/**
 * Requests to ctnetlink: to show flows, to count them, to delete some. Pure. A flow is deleted by its original tuple, its zone and its id, all three as the kernel
 * showed them: one that the same client has opened anew in the meantime has another id and stays.
 */
import type { Family } from '../rules/addresses.ts'
import { createMessageWriter, flag, type Message, readAttributes } from '../netlink/messages.ts'
import { writeAddress } from '../netlink/text.ts'
import {
  addressAttribute,
  addressBytes,
  attribute,
  command,
  countAttribute,
  filterAttribute,
  filterFlag,
  protocolAttribute,
  protocolFamily,
  protocolNumbers,
  statusBit,
  subsystem,
  tupleAttribute,
} from './ctnetlink.ts'
import type { FlowQuery } from './flow.ts'

const nested = 0x8000

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
