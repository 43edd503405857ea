/**
 * Netlink sockets of the kernel's netfilter subsystems (protocol 12), through the C library's calls. Nothing here blocks: the
 * kernel works inside `send`, so its answer is there when `send` returns; what it says by itself is told by a signal (O_ASYNC), which costs
 * neither a thread nor polling.
 */
import { constants, endianness } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { type Calls, loadCalls } from './calls.ts'

/** A system call or a request that the kernel refused. */
export class NetlinkFailure extends Error {
  override readonly name = 'NetlinkFailure'
  /** `ENOENT`, `ENOBUFS`, ... */
  readonly code: string
  constructor(what: string, errno: number) {
    const code = errorName(errno)
    super(`${what}: ${code}`)
    this.code = code
  }
}

/** koffi or the machine cannot do it: the caller has to do without netlink. */
export class NetlinkUnavailable extends Error {
  override readonly name = 'NetlinkUnavailable'
}

export interface NetlinkSocket {
  /** What the kernel calls this socket: `nlmsg_pid` of its answers and of the changes it makes. */
  readonly portId: number
  /** One datagram; throws NetlinkFailure. EMSGSIZE: larger than the send buffer, EPERM: without CAP_NET_ADMIN. */
  send(datagram: Uint8Array): void
  /** The next datagram, good until the next call; undefined when none waits. Throws NetlinkFailure, with ENOBUFS when some were lost. */
  receive(): Buffer | undefined
  close(): void
}

/** `send` and `receive` in a thread as well, for requests that the kernel works on for long. One at a time, and `close` only after it. */
export interface RequestSocket extends NetlinkSocket {
  sendInThread(datagram: Uint8Array): Promise<void>
  receiveInThread(): Promise<Buffer | undefined>
}

export interface Subscription {
  /** Group of the netfilter protocol; 7 is nftables (NFNLGRP_NFTABLES), 1 to 3 conntrack. */
  group: number
  /** Messages that this socket caused are dropped in the kernel. */
  except?: NetlinkSocket
  /** Something can be received, or was lost. Called once at first. Must receive until there is nothing. */
  onReadable: (socket: NetlinkSocket) => void
}

export interface Netlink {
  open(): RequestSocket
  subscribe(subscription: Subscription): NetlinkSocket
}

const AF_NETLINK = 16
const NETLINK_NETFILTER = 12
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_ATTACH_FILTER = 26
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const F_SETFL = 4
const F_SETOWN = 8
const F_SETSIG = 10
const O_ASYNC = 0o20000
const O_NONBLOCK = 0o4000
const SOCK_RAW_CLOEXEC = 3 | 0o2000000
const MSG_TRUNC_DONTWAIT = 0x20 | 0x40

/** A batch is one datagram: some 100 bytes an element. Memory is used only while one is being sent. */
const sendBytes = 128 * 1024 * 1024
/** Acknowledgements that wait for us: one for each message of a batch. */
const answerBytes = 8 * 1024 * 1024
/** Notifications that wait for us. When others write a lot, reading it all would cost more than the one look that follows a loss. */
const notificationBytes = 1024 * 1024
/** The kernel fills at most 32 KiB of a dump at once. */
const datagramBytes = 64 * 1024
/** Ignored by every process that does not ask for it, so one that comes too late does no harm; nothing else in Node uses it. */
const readableSignal = 'SIGURG'

/** Rejects with NetlinkUnavailable. */
export async function loadNetlink(): Promise<Netlink> {
  // koffi has no build for big-endian machines; numbers in netlink headers have the machine's order.
  if (process.platform !== 'linux' || endianness() !== 'LE') {
    throw new NetlinkUnavailable(`no netlink on ${process.platform} (${process.arch})`)
  }
  let calls: Calls
  try {
    calls = await loadCalls()
  } catch (cause) {
    throw new NetlinkUnavailable(`koffi cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  return {
    open: () => openSocket(calls, answerBytes),
    subscribe: (subscription) => openSubscription(calls, subscription),
  }
}

function openSocket(calls: Calls, receiveBytes: number): RequestSocket & { fd: number } {
  const fd = calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER)
  if (fd < 0) throw new NetlinkFailure('socket', calls.errno())
  let open = true
  const close = () => {
    if (open) calls.close(fd)
    open = false
  }
  const check = (what: string, result: number) => {
    if (result >= 0) return result
    const failure = new NetlinkFailure(what, calls.errno())
    close()
    throw failure
  }
  const set = (what: string, level: number, name: number, value: number) =>
    check(what, calls.setsockopt(fd, level, name, words(value), 4))

  // sockaddr_nl: family, padding, port id (0: the kernel chooses), groups.
  const address = words(AF_NETLINK, 0, 0)
  check('bind', calls.bind(fd, address, address.length))
  check('getsockname', calls.getsockname(fd, address, words(address.length)))
  // Beyond the system's limits only with CAP_NET_ADMIN, on older kernels that of the first user namespace.
  const size = (force: number, plain: number, bytes: number) =>
    calls.setsockopt(fd, SOL_SOCKET, force, words(bytes), 4) < 0 && set('buffer size', SOL_SOCKET, plain, bytes)
  size(SO_SNDBUFFORCE, SO_SNDBUF, sendBytes)
  size(SO_RCVBUFFORCE, SO_RCVBUF, receiveBytes)
  set('NETLINK_CAP_ACK', SOL_NETLINK, NETLINK_CAP_ACK, 1)
  set('NETLINK_EXT_ACK', SOL_NETLINK, NETLINK_EXT_ACK, 1)

  const buffer = Buffer.allocUnsafeSlow(datagramBytes)
  const send = (datagram: Uint8Array) => {
    if (!open) throw new NetlinkFailure('send', constants.errno.EBADF)
    if (calls.send(fd, datagram, datagram.length, 0) < 0) throw new NetlinkFailure('send', calls.errno())
  }
  const received = (length: number) => {
    if (length > buffer.length) throw new NetlinkFailure('recv', constants.errno.EMSGSIZE)
    return buffer.subarray(0, length)
  }
  const receive = () => {
    if (!open) throw new NetlinkFailure('recv', constants.errno.EBADF)
    const length = calls.recv(fd, buffer, buffer.length, MSG_TRUNC_DONTWAIT)
    if (length >= 0) return received(length)
    const errno = calls.errno()
    if (errno === constants.errno.EAGAIN || errno === constants.errno.EINTR) return undefined
    throw new NetlinkFailure('recv', errno)
  }
  return {
    fd,
    portId: address.readUInt32LE(4),
    send,
    receive,
    // A thread's errno cannot be asked for: what failed there is tried again here.
    async sendInThread(datagram) {
      if (!open || (await calls.sendInThread(fd, datagram, datagram.length, 0)) < 0) send(datagram)
    },
    async receiveInThread() {
      const length = open ? await calls.recvInThread(fd, buffer, buffer.length, MSG_TRUNC_DONTWAIT) : -1
      return length >= 0 ? received(length) : receive()
    },
    close,
  }
}

function openSubscription(calls: Calls, { group, except, onReadable }: Subscription): NetlinkSocket {
  const socket = openSocket(calls, notificationBytes)
  const { fd } = socket
  const check = (what: string, result: number) => {
    if (result >= 0) return
    const failure = new NetlinkFailure(what, calls.errno())
    socket.close()
    throw failure
  }
  if (except !== undefined) {
    const filter = exceptPort(except.portId)
    const program = { length: filter.length / 8, filter }
    check('SO_ATTACH_FILTER', calls.attachFilter(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, calls.filterProgramBytes))
  }
  check('NETLINK_ADD_MEMBERSHIP', calls.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, words(group), 4))
  const read = () => onReadable(socket)
  process.on(readableSignal, read)
  const stop = () => void process.off(readableSignal, read)
  try {
    check('F_SETOWN', calls.fcntl(fd, F_SETOWN, process.pid))
    check('F_SETSIG', calls.fcntl(fd, F_SETSIG, constants.signals[readableSignal]))
    check('F_SETFL', calls.fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK))
  } catch (error) {
    stop()
    throw error
  }
  // What came before the signal was switched on.
  read()
  return {
    ...socket,
    close() {
      stop()
      socket.close()
    },
  }
}

/** Classic BPF: a message whose `nlmsg_pid` (at byte 12, read as big-endian) is this port's is dropped, every other kept whole. */
function exceptPort(portId: number): Buffer {
  const instruction = (code: number, ifTrue: number, ifFalse: number, operand: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(code, 0)
    bytes.writeUInt8(ifTrue, 2)
    bytes.writeUInt8(ifFalse, 3)
    bytes.writeUInt32LE(operand >>> 0, 4)
    return bytes
  }
  const loadWord = 0x20
  const jumpIfEqual = 0x15
  const verdict = 0x06
  return Buffer.concat([
    instruction(loadWord, 0, 0, 12),
    instruction(jumpIfEqual, 0, 1, words(portId).readUInt32BE(0)),
    instruction(verdict, 0, 0, 0),
    instruction(verdict, 0, 0, 0xffffffff),
  ])
}

function words(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4)
  numbers.forEach((number, index) => bytes.writeUInt32LE(number >>> 0, index * 4))
  return bytes
}

function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}
