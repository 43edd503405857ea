/**
 * Real SCTP associations, with the kernel's own sockets, which Node does not know: `sctp-main.ts answer ADDRESS PORT NAME` answers each
 * message with its name, the peer it saw and the length; `sctp-main.ts ask ADDRESS HOST PORT LENGTH COUNT` sends such a message in as many
 * associations and prints each answer, or the errno. Both bind to one address: an end that tells the other of all its addresses cannot be translated (RFC 3257, 4.4).
 */
import { isIPv6 } from 'node:net'
import koffi from 'koffi'

const [task = '', address = '', ...args] = process.argv.slice(2)
const library = koffi.load(null)
const socket = library.func('socket', 'int', ['int', 'int', 'int'])
const bind = library.func('bind', 'int', ['int', 'const void *', 'int'])
const listen = library.func('listen', 'int', ['int', 'int'])
const accept = library.func('accept', 'int', ['int', 'void *', 'void *'])
const connect = library.func('connect', 'int', ['int', 'const void *', 'int'])
const send = library.func('send', 'long', ['int', 'const void *', 'uint64', 'int'])
const recv = library.func('recv', 'long', ['int', 'void *', 'uint64', 'int'])
const setsockopt = library.func('setsockopt', 'int', ['int', 'int', 'int', 'const void *', 'int'])
const close = library.func('close', 'int', ['int'])

const SOCK_STREAM = 1
const IPPROTO_SCTP = 132
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
const SO_SNDTIMEO = 21

function open(): number {
  const fd: number = socket(isIPv6(address) ? 10 : 2, SOCK_STREAM, IPPROTO_SCTP)
  if (fd < 0) throw new Error(`no SCTP socket: errno ${koffi.errno()}`)
  return fd
}

/** As `sockaddr_in` and `sockaddr_in6`. */
function sockaddr(host: string, port: number): Buffer {
  const v6 = isIPv6(host)
  const bytes = Buffer.alloc(v6 ? 28 : 16)
  bytes.writeUInt16LE(v6 ? 10 : 2, 0)
  bytes.writeUInt16BE(port, 2)
  if (!v6) Buffer.from(host.split('.').map(Number)).copy(bytes, 4)
  else groupsOf(host).forEach((group, index) => bytes.writeUInt16BE(group, 8 + index * 2))
  return bytes
}

function groupsOf(host: string): number[] {
  const [left = '', right = ''] = host.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [groups(left), groups(right)]
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
}

function textOf(bytes: Buffer): string {
  if (bytes.readUInt16LE(0) === 2) return bytes.subarray(4, 8).join('.')
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + index * 2).toString(16)).join(':')
}

function answer(port: number, name: string): void {
  const fd = open()
  const at = sockaddr(address, port)
  if (bind(fd, at, at.length) < 0 || listen(fd, 64) < 0) throw new Error(`cannot listen: errno ${koffi.errno()}`)
  process.stdout.write('ready\n')
  const message = Buffer.alloc(65_536)
  for (;;) {
    const peer = Buffer.alloc(28)
    const association: number = accept(fd, peer, Buffer.from([28, 0, 0, 0]))
    if (association < 0) throw new Error(`no association: errno ${koffi.errno()}`)
    // One that was asked for nothing must not keep the next one waiting.
    setsockopt(association, SOL_SOCKET, SO_RCVTIMEO, seconds(1), 16)
    const length: number = recv(association, message, message.length, 0)
    const line = Buffer.from(`${name} ${textOf(peer)} ${length}`)
    send(association, line, line.length, 0)
    close(association)
  }
}

function ask(host: string, port: number, length: number): string {
  const fd = open()
  const own = sockaddr(address, 0)
  const at = sockaddr(host, port)
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) setsockopt(fd, SOL_SOCKET, option, seconds(3), 16)
  if (bind(fd, own, own.length) < 0) throw new Error(`cannot bind: errno ${koffi.errno()}`)
  if (connect(fd, at, at.length) < 0) return `errno ${koffi.errno()}`
  if (send(fd, Buffer.alloc(length), length, 0) < 0) return `not sent: errno ${koffi.errno()}`
  const heard = Buffer.alloc(512)
  const size: number = recv(fd, heard, heard.length, 0)
  const found = size < 0 ? `no answer: errno ${koffi.errno()}` : heard.subarray(0, size).toString()
  close(fd)
  return found
}

/** `struct timeval` */
function seconds(count: number): Buffer {
  const time = Buffer.alloc(16)
  time.writeBigInt64LE(BigInt(count), 0)
  return time
}

const [first = '', second = '', third = '', fourth = ''] = args
if (task === 'answer') answer(Number(first), second)
else if (task === 'ask') {
  for (let asked = 0; asked < Number(fourth); asked++) {
    process.stdout.write(`${ask(first, Number(second), Number(third))}\n`)
  }
}
