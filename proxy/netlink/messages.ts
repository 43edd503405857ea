/**
 * Netlink messages as bytes: header, attributes, batches; written into one growing buffer and read without copying. Pure.
 * Layout: linux/netlink.h, linux/netfilter/nfnetlink.h. Lengths and header numbers have the machine's byte order, which is little-endian
 * wherever socket.ts works; everything is padded to 4 bytes.
 */

/** Flags of a request (NLM_F_*). */
export const flag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  /** In an answer: the dump was interrupted by a change and is not of one moment. */
  interrupted: 0x10,
  dump: 0x300,
  /** Of a creating request: refuse to change what is there. */
  exclusive: 0x200,
  create: 0x400,
} as const

/** Types that every netlink protocol has, and the two that frame a batch. */
export const control = { error: 2, done: 3, batchBegin: 0x10, batchEnd: 0x11 } as const

/** Of a message of netfilter: its own header and nfgenmsg. */
export const headerBytes = 20
const nested = 0x8000
const typeMask = 0x3fff

export interface MessageWriter {
  /** Bytes written so far; while a message is open, also where the next attribute will stand. */
  readonly length: number
  /**
   * Opens a message; the previous one is closed by itself.
   * @param type subsystem << 8 | command, or one of `control`
   * @param family of nfgenmsg: an address family, or 0
   * @param resource res_id of nfgenmsg; for a batch's frame the subsystem
   */
  message(type: number, flags: number, sequence: number, family: number, resource?: number): void
  /** An attribute that holds attributes; give what it returns to `close`. */
  nest(type: number): number
  close(nest: number): void
  bytes(type: number, value: Uint8Array): void
  /** NUL-terminated. */
  text(type: number, value: string): void
  u8(type: number, value: number): void
  /** Big-endian, as netfilter wants its numbers. */
  u16(type: number, value: number): void
  u32(type: number, value: number): void
  u64(type: number, value: bigint): void
  /** An attribute of so many zero bytes; gives where in `buffer` they stand. The next write may replace `buffer`. */
  space(type: number, bytes: number): number
  readonly buffer: Buffer
  /** The finished datagram; the writer starts anew with the next message. */
  take(): Buffer
}

export function createMessageWriter(firstBytes = 4096): MessageWriter {
  let buffer = Buffer.alloc(firstBytes)
  let length = 0
  let open = -1

  const reserve = (bytes: number): number => {
    const at = length
    const end = at + ((bytes + 3) & ~3)
    if (end > buffer.length) {
      const larger = Buffer.alloc(Math.max(buffer.length * 2, end))
      buffer.copy(larger, 0, 0, length)
      buffer = larger
    }
    length = end
    return at
  }
  const attribute = (type: number, bytes: number): number => {
    const at = reserve(4 + bytes)
    buffer.writeUInt16LE(4 + bytes, at)
    buffer.writeUInt16LE(type, at + 2)
    return at + 4
  }
  const closeMessage = () => {
    if (open >= 0) buffer.writeUInt32LE(length - open, open)
    open = -1
  }

  return {
    get length() {
      return length
    },
    message(type, flags, sequence, family, resource = 0) {
      closeMessage()
      open = reserve(headerBytes)
      buffer.writeUInt16LE(type, open + 4)
      buffer.writeUInt16LE(flags, open + 6)
      buffer.writeUInt32LE(sequence, open + 8)
      buffer.writeUInt8(family, open + 16)
      buffer.writeUInt16BE(resource, open + 18)
    },
    nest: (type) => attribute(type | nested, 0) - 4,
    close(nest) {
      const bytes = length - nest
      if (bytes > 0xffff) throw new RangeError(`netlink attribute of ${bytes} bytes`)
      buffer.writeUInt16LE(bytes, nest)
    },
    bytes(type, value) {
      const at = attribute(type, value.length)
      buffer.set(value, at)
    },
    text(type, value) {
      const bytes = Buffer.byteLength(value)
      const at = attribute(type, bytes + 1)
      buffer.write(value, at)
    },
    u8: (type, value) => void buffer.writeUInt8(value, attribute(type, 1)),
    u16: (type, value) => void buffer.writeUInt16BE(value, attribute(type, 2)),
    u32: (type, value) => void buffer.writeUInt32BE(value >>> 0, attribute(type, 4)),
    u64: (type, value) => void buffer.writeBigUInt64BE(value, attribute(type, 8)),
    space: attribute,
    get buffer() {
      return buffer
    },
    take() {
      closeMessage()
      const taken = buffer.subarray(0, length)
      buffer = Buffer.alloc(firstBytes)
      length = 0
      return taken
    },
  }
}

/** A received message; `body` is what follows nfgenmsg, a view into the datagram. */
export interface Message {
  type: number
  flags: number
  sequence: number
  portId: number
  family: number
  body: Buffer
}

/** An answer to a request of ours. `errno` 0 is an acknowledgement. */
export interface Acknowledgement {
  sequence: number
  errno: number
  /** What the kernel says in words (NLMSGERR_ATTR_MSG), where it does. */
  message: string | undefined
  /** Where in our message the offending attribute stands, counted from its header. */
  offset: number | undefined
}

/** All messages of a datagram; control messages go to `onControl` and have no nfgenmsg. */
export function readMessages(
  datagram: Buffer,
  onMessage: (message: Message) => void,
  onControl: (control: { type: number; flags: number; acknowledgement: Acknowledgement | undefined }) => void,
): void {
  walkMessages(datagram, (type, at, end) => {
    const flags = datagram.readUInt16LE(at + 6)
    const size = end - at
    if (type === control.error || type === control.done) {
      const acknowledgement = type === control.error || size > 16 ? readAcknowledgement(datagram, at, size) : undefined
      onControl({ type, flags, acknowledgement })
    } else if (size >= headerBytes) {
      onMessage({
        type,
        flags,
        sequence: datagram.readUInt32LE(at + 8),
        portId: datagram.readUInt32LE(at + 12),
        family: datagram.readUInt8(at + 16),
        body: datagram.subarray(at + headerBytes, end),
      })
    }
  })
}

/** Calls `visit` with type and bounds of each message, header included: for dumps so large that an object for each message is too much. */
export function walkMessages(datagram: Buffer, visit: (type: number, from: number, to: number) => void): void {
  for (let at = 0; at + 16 <= datagram.length; ) {
    const size = datagram.readUInt32LE(at)
    if (size < 16 || at + size > datagram.length) return
    visit(datagram.readUInt16LE(at + 4), at, at + size)
    at += (size + 3) & ~3
  }
}

const extendedAck = 0x200

function readAcknowledgement(datagram: Buffer, at: number, size: number): Acknowledgement | undefined {
  if (size < 20) return undefined
  const isError = datagram.readUInt16LE(at + 4) === control.error
  const errno = -datagram.readInt32LE(at + 16)
  let message: string | undefined
  let offset: number | undefined
  // NLM_F_ACK_TLVS; NETLINK_CAP_ACK leaves only the header of our message (16 bytes) before them.
  if (datagram.readUInt16LE(at + 6) & extendedAck) {
    const start = at + (isError ? 36 : 20)
    readAttributes(datagram, start, at + size, (type, from, to) => {
      if (type === 1) message = textOf(datagram, from, to)
      else if (type === 2) offset = datagram.readUInt32LE(from)
    })
  }
  const sequence = datagram.readUInt32LE(isError ? at + 28 : at + 8)
  return { sequence, errno: errno + 0, message, offset }
}

/** Calls `visit` with type and bounds of each attribute's value. */
export function readAttributes(
  bytes: Buffer,
  from: number,
  to: number,
  visit: (type: number, from: number, to: number) => void,
): void {
  for (let at = from; at + 4 <= to; ) {
    const size = bytes.readUInt16LE(at)
    if (size < 4 || at + size > to) return
    visit(bytes.readUInt16LE(at + 2) & typeMask, at + 4, at + size)
    at += (size + 3) & ~3
  }
}

/** A NUL-terminated attribute. */
export function textOf(bytes: Buffer, from: number, to: number): string {
  return bytes.toString('latin1', from, bytes[to - 1] === 0 ? to - 1 : to)
}
