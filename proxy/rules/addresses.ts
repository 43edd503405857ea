/** IP addresses and ranges in the spelling nft prints (RFC 5952), sorted into the two tables. Pure. */
import ipaddr from 'ipaddr.js'

/** The nftables families, one table each. */
export type Family = 'ip' | 'ip6'

export const families: readonly Family[] = ['ip', 'ip6']

export interface Address {
  family: Family
  text: string
}

export interface Cidr {
  family: Family
  /** Network address and prefix length, host bits cleared. */
  text: string
  network: string
  prefix: number
}

/** IPv4 as it is printed: what nearly every address of an API server looks like, ten times faster than to parse it. */
const plainIPv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/

/** Undefined when `text` is not an IP address. IPv4 in IPv6 notation counts as IPv6. */
export function parseAddress(text: string): Address | undefined {
  if (plainIPv4.test(text)) return { family: 'ip', text }
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return { family: 'ip', text: ipaddr.IPv4.parse(text).toString() }
  if (ipaddr.IPv6.isValid(text) && !text.includes('%')) {
    return { family: 'ip6', text: ipaddr.IPv6.parse(text).toString() }
  }
  return undefined
}

/** Undefined when `text` is not `address/prefix`. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length = '', ...rest] = text.split('/')
  const parsed = parseAddress(address)
  if (parsed === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined
  const prefix = Number(length)
  if (prefix > (parsed.family === 'ip' ? 32 : 128)) return undefined
  const range = `${parsed.text}/${prefix}`
  const network = (
    parsed.family === 'ip' ? ipaddr.IPv4.networkAddressFromCIDR(range) : ipaddr.IPv6.networkAddressFromCIDR(range)
  ).toString()
  return { family: parsed.family, text: `${network}/${prefix}`, network, prefix }
}

export function contains(range: Cidr, address: Address): boolean {
  if (range.family !== address.family) return false
  return range.family === 'ip'
    ? ipaddr.IPv4.parse(address.text).match(ipaddr.IPv4.parse(range.network), range.prefix)
    : ipaddr.IPv6.parse(address.text).match(ipaddr.IPv6.parse(range.network), range.prefix)
}

/** As nft prints a range in a concatenated key: a single address without its prefix length. */
export function rangeKey(range: Cidr): string {
  return range.prefix === (range.family === 'ip' ? 32 : 128) ? range.network : range.text
}

/** Ranges that lie inside none of the others (the kernel refuses overlapping ranges in one set). Keeps the order. */
export function outermost(ranges: readonly Cidr[]): Cidr[] {
  const unique = [...new Map(ranges.map((range) => [range.text, range])).values()]
  const kept = new Set<Cidr>()
  let last: Cidr | undefined
  // Next to each other by address, the wider one first: whatever holds a range is the last one kept before it.
  for (const { range } of unique.map((each) => ({ range: each, place: placeOf(each) })).sort(byPlace)) {
    if (last !== undefined && contains(last, { family: range.family, text: range.network })) continue
    kept.add(range)
    last = range
  }
  return unique.filter((range) => kept.has(range))
}

/** Sorts as family, address and length. */
function placeOf({ family, network, prefix }: Cidr): string {
  const bytes = family === 'ip' ? ipaddr.IPv4.parse(network).toByteArray() : ipaddr.IPv6.parse(network).toByteArray()
  return `${family} ${Buffer.from(bytes).toString('hex')} ${String(prefix).padStart(3, '0')}`
}

function byPlace(a: { place: string }, b: { place: string }): number {
  return a.place < b.place ? -1 : 1
}
