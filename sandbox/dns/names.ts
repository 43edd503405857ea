/**
 * Spelling of names in the cluster's DNS: addresses as labels and as reverse names, and back.
 * Everything is lower case and without a trailing dot. The schema is the Kubernetes DNS specification 1.1.0.
 */
import ipaddr from 'ipaddr.js'

export type Family = 'A' | 'AAAA'

export function recordTypeOf(address: string): Family {
  return address.includes(':') ? 'AAAA' : 'A'
}

/** One spelling per address (`fd00::1`, not `fd00:0::01`); undefined for what is no address. */
export function canonicalAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text
  return text.includes(':') && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text).toString() : undefined
}

/** `10.244.1.5` -> `10-244-1-5`, `fd00:244:1::5` -> `fd00-244-1--5`: the name of an endpoint that has no hostname. */
export function dashed(address: string): string {
  return address.replaceAll(/[.:]/g, '-')
}

/** The address in a Pod record's first label, or undefined: four decimal numbers, or an IPv6 address with dashes. */
export function addressFromDashed(label: string): string | undefined {
  return canonicalAddress(label.replaceAll('-', '.')) ?? canonicalAddress(label.replaceAll('-', ':'))
}

/** The address that a name under in-addr.arpa or ip6.arpa stands for; undefined when it is no complete address. */
export function addressFromReverse(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    return canonicalAddress(name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed().join('.'))
  }
  if (!name.endsWith('.ip6.arpa')) return undefined
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.').toReversed()
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined
  const groups = Array.from({ length: 8 }, (_, index) => nibbles.slice(index * 4, index * 4 + 4).join(''))
  return canonicalAddress(groups.join(':'))
}
