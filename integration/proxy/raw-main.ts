/**
 * Packets that Node and this kernel have no sockets for, through raw sockets: SCTP's first two (INIT, INIT ACK), a TCP segment out of nowhere,
 * an ICMP echo. One process in one network namespace: `raw-main.ts sctp-answer PORT NAME`, `sctp-ask HOST PORT FROM-PORT COUNT` (a line for each port),
 * `tcp-segment PEER PEER-PORT OWN-PORT OWN-ADDRESS`, `ping HOST`. Prints one line for what came back.
 */
import { isIPv6 } from 'node:net'
import koffi from 'koffi'

const [task = '', ...args] = process.argv.slice(2)
const library = koffi.load(null)
const socket = library.func('socket', 'int', ['int', 'int', 'int'])
const sendto = library.func('sendto', 'int', ['int', 'const void *', 'uint64', 'int', 'const void *', 'int'])
const recvfrom = library.func('recvfrom', 'int', ['int', 'void *', 'uint64', 'int', 'void *', 'void *'])
const setsockopt = library.func('setsockopt', 'int', ['int', 'int', 'int', 'const void *', 'int'])

const SOCK_RAW = 3
const protocolNumbers = { icmp: 1, tcp: 6, icmp6: 58, sctp: 132 }
const INIT = 1
const INIT_ACK = 2

function open(v6: boolean, protocol: keyof typeof protocolNumbers, timeoutMs: number): number {
  const fd: number = socket(v6 ? 10 : 2, SOCK_RAW, protocolNumbers[protocol])
  if (fd < 0) throw new Error(`no raw socket: errno ${koffi.errno()}`)
  const time = Buffer.alloc(16)
  time.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0)
  time.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8)
  // SO_RCVTIMEO; for ICMPv6 and TCP over IPv6 the kernel fills in the checksum (IPV6_CHECKSUM).
  setsockopt(fd, 1, 20, time, time.length)
  if (v6 && protocol === 'tcp') setsockopt(fd, 41, 7, Buffer.from([16, 0, 0, 0]), 4)
  return fd
}

function send(fd: number, packet: Buffer, host: string): void {
  const at = isIPv6(host) ? Buffer.alloc(28) : Buffer.alloc(16)
  at.writeUInt16LE(isIPv6(host) ? 10 : 2, 0)
  if (isIPv6(host)) bytesOf(host).copy(at, 8)
  else bytesOf(host).copy(at, 4)
  if (sendto(fd, packet, packet.length, 0, at, at.length) < 0) throw new Error(`not sent: errno ${koffi.errno()}`)
}

/** Undefined after the timeout. The IPv4 header is taken off. */
function receive(fd: number, v6: boolean): { from: string; packet: Buffer } | undefined {
  const packet = Buffer.alloc(2048)
  const at = Buffer.alloc(28)
  const length = Buffer.from([28, 0, 0, 0])
  const size: number = recvfrom(fd, packet, packet.length, 0, at, length)
  if (size < 0) return undefined
  const header = v6 ? 0 : ((packet[0] ?? 0) & 15) * 4
  return { from: textOf(v6 ? at.subarray(8, 24) : at.subarray(4, 8)), packet: packet.subarray(header, size) }
}

function bytesOf(host: string): Buffer {
  if (!isIPv6(host)) return Buffer.from(host.split('.').map(Number))
  const [left = '', right] = host.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [groups(left), groups(right ?? '')]
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]))
}

/** Good enough to compare: IPv6 without shortening. */
function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':')
}

/** A packet of one chunk, with its checksum (CRC-32C, RFC 9260 appendix A): connection tracking looks at it. */
function sctp(from: number, to: number, tag: number, type: number, parameter = ''): Buffer {
  const info = Buffer.from(parameter)
  const padded = (info.length + 3) & ~3
  const chunk = Buffer.alloc(20 + (info.length > 0 ? 4 + padded : 0))
  chunk.writeUInt8(type, 0)
  chunk.writeUInt16BE(chunk.length, 2)
  chunk.writeUInt32BE(0x1234_5678, 4)
  chunk.writeUInt32BE(65_536, 8)
  chunk.writeUInt16BE(1, 12)
  chunk.writeUInt16BE(1, 14)
  if (info.length > 0) {
    // Heartbeat info: any bytes.
    chunk.writeUInt16BE(1, 20)
    chunk.writeUInt16BE(4 + info.length, 22)
    info.copy(chunk, 24)
  }
  const packet = Buffer.concat([Buffer.alloc(12), chunk])
  packet.writeUInt16BE(from, 0)
  packet.writeUInt16BE(to, 2)
  packet.writeUInt32BE(tag, 4)
  packet.writeUInt32LE(crc32c(packet), 8)
  return packet
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
  }
  return ~crc >>> 0
}

/** A line for each client that asks: who it was. */
function sctpAnswer(port: number, name: string): void {
  const sockets = [false, true].map((v6) => ({ v6, fd: open(v6, 'sctp', 20) }))
  process.stdout.write('ready\n')
  const look = () => {
    for (const { fd, v6 } of sockets) {
      const found = receive(fd, v6)
      if (found === undefined || found.packet.readUInt16BE(2) !== port || found.packet[12] !== INIT) continue
      const tag = found.packet.readUInt32BE(16)
      send(fd, sctp(port, found.packet.readUInt16BE(0), tag, INIT_ACK, `${name} ${found.from}`), found.from)
    }
    setImmediate(look)
  }
  look()
}

/** From as many ports, one after the other and all at once. */
function sctpAsk(host: string, port: number, from: number, count: number): string {
  const v6 = isIPv6(host)
  const fd = open(v6, 'sctp', 700)
  const answers = new Map(Array.from({ length: count }, (_, index) => [from + index, 'TIMEOUT']))
  for (const each of answers.keys()) send(fd, sctp(each, port, 0, INIT), host)
  for (let missing = count; missing > 0; ) {
    const found = receive(fd, v6)
    if (found === undefined) break
    const { packet } = found
    const to = packet.readUInt16BE(2)
    if (answers.get(to) !== 'TIMEOUT' || packet[12] !== INIT_ACK) continue
    const answer = packet.subarray(36, 32 + packet.readUInt16BE(34)).toString()
    answers.set(
      to,
      `${answer} from ${found.from === textOf(bytesOf(host)) ? host : found.from} ${packet.readUInt16BE(0)}`,
    )
    missing--
  }
  return [...answers.values()].join('\n')
}

/**
 * Waits for the next data that the peer sends to our port and answers it with a segment of one byte that is far outside of the window, but
 * acknowledges just that data: a reset that it provokes fits the connection.
 */
function tcpSegment(peer: string, peerPort: number, ownPort: number, own: string): void {
  const v6 = isIPv6(peer)
  const fd = open(v6, 'tcp', 3000)
  process.stdout.write('ready\n')
  for (;;) {
    const found = receive(fd, v6)
    if (found === undefined) throw new Error('the peer sent nothing')
    const data = found.packet
    const bytes = data.length - ((data[12] ?? 0) >> 4) * 4
    if (data.readUInt16BE(0) !== peerPort || data.readUInt16BE(2) !== ownPort || bytes <= 0) continue
    const packet = Buffer.alloc(21)
    packet.writeUInt16BE(ownPort, 0)
    packet.writeUInt16BE(peerPort, 2)
    packet.writeUInt32BE((data.readUInt32BE(8) + 0x4000_0000) >>> 0, 4)
    packet.writeUInt32BE((data.readUInt32BE(4) + bytes) >>> 0, 8)
    packet.writeUInt8(5 << 4, 12)
    packet.writeUInt8(0x18, 13)
    packet.writeUInt16BE(512, 14)
    if (!v6) packet.writeUInt16BE(checksum(pseudoHeader(own, peer, packet.length), packet), 16)
    return send(fd, packet, peer)
  }
}

function pseudoHeader(source: string, destination: string, length: number): Buffer {
  return Buffer.concat([bytesOf(source), bytesOf(destination), Buffer.from([0, 6, length >> 8, length & 255])])
}

function checksum(...parts: Buffer[]): number {
  const bytes = Buffer.concat([...parts, Buffer.alloc(1)])
  let sum = 0
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}

/** Type and code of what comes back: `0 0` is an answer over IPv4, `129 0` over IPv6. */
function ping(host: string): string {
  const v6 = isIPv6(host)
  const fd = open(v6, v6 ? 'icmp6' : 'icmp', 700)
  const packet = Buffer.from([v6 ? 128 : 8, 0, 0, 0, 0x12, 0x34, 0, 1])
  if (!v6) packet.writeUInt16BE(checksum(packet), 2)
  send(fd, packet, host)
  for (;;) {
    const found = receive(fd, v6)
    if (found === undefined) return 'TIMEOUT'
    const [type = 0, code = 0] = found.packet
    // Neighbour discovery, and on loopback our own.
    if (type !== packet[0] && (!v6 || type < 130)) return `${type} ${code}`
  }
}

const [first = '', second = '', third = '', fourth = ''] = args
if (task === 'sctp-answer') sctpAnswer(Number(first), second)
else if (task === 'sctp-ask') process.stdout.write(`${sctpAsk(first, Number(second), Number(third), Number(fourth))}\n`)
else if (task === 'tcp-segment') tcpSegment(first, Number(second), Number(third), fourth)
else if (task === 'ping') process.stdout.write(`${ping(first)}\n`)
