/**
 * Time of connect() as the kernel gives it: blocking system calls, because Node's own connections take several times as long as what the
 * rules could add. A connection is reset at once, so nothing of it stays.
 */
import koffi from 'koffi'
import type { Target } from './connecting.ts'

const library = koffi.load(null)
const socket: (family: number, type: number, protocol: number) => number = library.func('int socket(int, int, int)')
const connect: (fd: number, address: Uint8Array, length: number) => number = library.func(
  'int connect(int, const void *, uint)',
)
const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number = library.func(
  'int setsockopt(int, int, int, const void *, uint)',
)
const close: (fd: number) => number = library.func('int close(int)')

const AF_INET = 2
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SO_LINGER = 13

/** Microseconds of each. Throws when one fails. */
export function connectTimes(targets: readonly Target[], count: number): number[] {
  const addresses = targets.map(socketAddress)
  const lingerNot = Buffer.alloc(8)
  lingerNot.writeInt32LE(1, 0)
  const times: number[] = []
  for (let done = 0; done < count; done++) {
    const address = addresses[done % addresses.length] as Buffer
    const fd = socket(AF_INET, SOCK_STREAM, 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerNot, lingerNot.length)
    const started = process.hrtime.bigint()
    const result = connect(fd, address, address.length)
    times.push(Number(process.hrtime.bigint() - started) / 1000)
    close(fd)
    if (result !== 0) throw new Error(`connect: errno ${koffi.errno()}`)
  }
  return times
}

function socketAddress({ host, port }: Target): Buffer {
  const address = Buffer.alloc(16)
  address.writeUInt16LE(AF_INET, 0)
  address.writeUInt16BE(port, 2)
  host.split('.').forEach((part, index) => (address[4 + index] = Number(part)))
  return address
}
