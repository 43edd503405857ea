/**
 * Address pools, pure. Network, broadcast and (IPv6) subnet-router addresses are never given out; the lowest free one is next.
 */
import ipaddr from 'ipaddr.js'
import { Refusal } from '../wire.ts'

export type Family = 'IPv4' | 'IPv6'

export interface Pool {
  family: Family
  cidr: string
  first: bigint
  /** Last address that may be given out. */
  last: bigint
}

/** Throws a RangeError that names the text when it is no CIDR. */
export function parsePool(cidr: string): Pool {
  if (!ipaddr.isValidCIDR(cidr)) throw new RangeError(`"${cidr}" is not an address range such as 203.0.113.0/24`)
  const [address, prefix] = ipaddr.parseCIDR(cidr)
  const family = address.kind() === 'ipv4' ? 'IPv4' : 'IPv6'
  const bits = family === 'IPv4' ? 32 : 128
  const size = 1n << BigInt(bits - prefix)
  const network = (toNumber(address.toByteArray()) / size) * size
  const single = size === 1n
  const last = network + size - (family === 'IPv4' && !single ? 2n : 1n)
  return {
    family,
    cidr: `${fromNumber(family, network)}/${prefix}`,
    first: single ? network : network + 1n,
    last,
  }
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}

/** Short, lower-case, the way nft and Kubernetes print it. */
export function canonical(address: string): string {
  return fromNumber(familyOf(address), toNumber(ipaddr.parse(address).toByteArray()))
}

export function inPools(pools: readonly Pool[], address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const value = toNumber(ipaddr.parse(address).toByteArray())
  return pools.some((pool) => pool.family === familyOf(address) && value >= pool.first && value <= pool.last)
}

/** The same addresses as ranges without host bits, none inside another: nft refuses overlaps. */
export function disjoint(cidrs: readonly string[]): string[] {
  const ranges = cidrs.map((cidr) => {
    const [address, prefix] = ipaddr.parseCIDR(cidr)
    const family = familyOf(cidr)
    const size = 1n << BigInt((family === 'IPv4' ? 32 : 128) - prefix)
    const first = (toNumber(address.toByteArray()) / size) * size
    return { family, first, last: first + size - 1n, text: `${fromNumber(family, first)}/${prefix}` }
  })
  const unique = [...new Map(ranges.map((range) => [range.text, range])).values()]
  const outer = unique.filter(
    (range) =>
      !unique.some(
        (other) =>
          other !== range && other.family === range.family && other.first <= range.first && other.last >= range.last,
      ),
  )
  return outer.map(({ text }) => text).sort()
}

/** The lowest address of the family that `taken` does not contain. Refuses when there is none. */
export function allocate(pools: readonly Pool[], family: Family, taken: ReadonlySet<string>): string {
  const own = pools.filter((pool) => pool.family === family)
  if (own.length === 0) throw new Refusal('InvalidRequest', `the load balancer has no ${family} pool`)
  for (const pool of own) {
    for (let value = pool.first; value <= pool.last; value++) {
      const address = fromNumber(family, value)
      if (!taken.has(address)) return address
    }
  }
  const ranges = own.map(({ cidr }) => cidr).join(', ')
  throw new Refusal(
    'AddressPoolExhausted',
    `every address of ${ranges} is in use; delete a load balancer or add a pool`,
  )
}

function toNumber(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

function fromNumber(family: Family, value: bigint): string {
  const bytes = Array.from({ length: family === 'IPv4' ? 4 : 16 }, () => 0)
  let rest = value
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(rest % 256n)
    rest /= 256n
  }
  return ipaddr.fromByteArray(bytes).toString()
}
