/**
 * Flows made by hand in a namespace's connection tracking, many at once: what a node with much UDP traffic has, without the traffic.
 * Numbers: linux/netfilter/nfnetlink_conntrack.h.
 */
import { constants } from 'node:os'
import { createMessageWriter, flag, type MessageWriter, readMessages } from '../../proxy/netlink/messages.ts'
import type { NetlinkSocket } from '../../proxy/netlink/socket.ts'
import { writeAddress } from '../../proxy/netlink/text.ts'

export interface MadeFlow {
  protocol: 'tcp' | 'udp' | 'sctp'
  from: string
  fromPort: number
  to: string
  toPort: number
  /** Where the destination was translated to. */
  target?: { ip: string; port: number }
  replied?: boolean
  /** As some networks have one for each of their tenants. */
  zone?: number
}

const newFlow = (1 << 8) | 0
const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const
const perDatagram = 500

/** Throws when the kernel refuses one. */
export function makeFlows(socket: NetlinkSocket, flows: readonly MadeFlow[]): void {
  for (let from = 0; from < flows.length; from += perDatagram) {
    const writer = createMessageWriter(perDatagram * 256)
    for (const flow of flows.slice(from, from + perDatagram)) write(writer, flow)
    socket.send(writer.take())
    for (let part = socket.receive(); part !== undefined; part = socket.receive()) {
      readMessages(
        part,
        () => {},
        ({ acknowledgement }) => {
          const errno = acknowledgement?.errno ?? 0
          if (errno !== 0 && errno !== constants.errno.EEXIST) throw new Error(`a flow was refused: errno ${errno}`)
        },
      )
    }
  }
}

function write(writer: MessageWriter, flow: MadeFlow): void {
  const { protocol, from, fromPort, to, toPort, target, replied = true } = flow
  const isIPv6 = to.includes(':')
  const bytes = isIPv6 ? 16 : 4
  const address = (type: number, text: string) => {
    const value = Buffer.alloc(bytes)
    writeAddress(text, 0, bytes, value, 0)
    writer.bytes(type, value)
  }
  const tuple = (type: number, source: string, sourcePort: number, destination: string, destinationPort: number) => {
    const whole = writer.nest(type)
    const addresses = writer.nest(1)
    address(isIPv6 ? 3 : 1, source)
    address(isIPv6 ? 4 : 2, destination)
    writer.close(addresses)
    const ports = writer.nest(2)
    writer.u8(1, protocolNumbers[protocol])
    writer.u16(2, sourcePort)
    writer.u16(3, destinationPort)
    writer.close(ports)
    writer.close(whole)
  }
  writer.message(newFlow, flag.request | flag.create | flag.exclusive, 1, isIPv6 ? 10 : 2)
  tuple(1, from, fromPort, to, toPort)
  tuple(2, to, toPort, from, fromPort)
  // CONFIRMED; SEEN_REPLY and ASSURED.
  writer.u32(3, replied ? 0b1110 : 0b1000)
  writer.u32(7, 600)
  if (flow.zone !== undefined) writer.u16(18, flow.zone)
  if (protocol === 'tcp') {
    // CTA_PROTOINFO: SYN_SENT or ESTABLISHED.
    const info = writer.nest(4)
    const tcp = writer.nest(1)
    writer.u8(1, replied ? 3 : 1)
    writer.close(tcp)
    writer.close(info)
  }
  if (target === undefined) return
  const nat = writer.nest(13)
  for (const type of isIPv6 ? [4, 5] : [1, 2]) address(type, target.ip)
  const port = writer.nest(3)
  writer.u16(1, target.port)
  writer.u16(2, target.port)
  writer.close(port)
  writer.close(nat)
}
