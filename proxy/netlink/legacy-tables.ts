/**
 * Tables of iptables-legacy as the kernel keeps them, read without its programs: a container has them seldom. Not netlink but options of
 * a socket (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h). Nothing is changed, and no module loaded.
 */
import { readFile } from 'node:fs/promises'
import { type Calls, loadCalls } from './calls.ts'

/** Families as nftables names them. */
const places = {
  ip: { names: '/proc/net/ip_tables_names', family: 2, level: 0 },
  ip6: { names: '/proc/net/ip6_tables_names', family: 10, level: 41 },
} as const

const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000
/** IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES; the same numbers for IPv6. */
const getInfo = 64
const getEntries = 65
/** XT_TABLE_MAXNAMELEN. */
const nameBytes = 32
/** struct ipt_getinfo ends with the size of the entries. */
const infoBytes = 84
/** struct ipt_get_entries: name, size, padding. */
const entriesAt = 40
/** The table changes between the two questions when somebody is writing. */
const attempts = 3

/**
 * The entries of a table, among them one with the name of each chain; undefined when there is no such table, or it cannot be looked at.
 * A large one takes the kernel some time: that is spent in a thread.
 */
export async function legacyTable(family: keyof typeof places, table: string): Promise<Buffer | undefined> {
  const { names, family: protocolFamily, level } = places[family]
  // The kernel would make the table if it were asked for it.
  const present = await readFile(names, 'latin1').catch(() => '')
  if (!present.split('\n').includes(table)) return undefined
  const calls = await loadCalls().catch(() => undefined)
  if (calls === undefined) return undefined
  const fd = calls.socket(protocolFamily, SOCK_DGRAM_CLOEXEC, 0)
  if (fd < 0) return undefined
  try {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const info = await option(calls, fd, level, getInfo, named(table, infoBytes))
      if (info === undefined) return undefined
      const size = info.readUInt32LE(infoBytes - 4)
      const request = Buffer.allocUnsafeSlow(entriesAt + size)
      named(table, entriesAt).copy(request)
      request.writeUInt32LE(size, nameBytes)
      const entries = await option(calls, fd, level, getEntries, request)
      if (entries !== undefined) return entries.subarray(entriesAt)
    }
    return undefined
  } finally {
    calls.close(fd)
  }
}

function named(table: string, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  buffer.write(table, 'latin1')
  return buffer
}

/** What the kernel wrote over the request; undefined when it refused. */
async function option(calls: Calls, fd: number, level: number, name: number, request: Buffer) {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(request.length)
  return (await calls.getsockoptInThread(fd, level, name, request, length)) < 0 ? undefined : request
}
