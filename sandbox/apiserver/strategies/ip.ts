/**
 * IP addresses and CIDR blocks as the API server reads them: leniently parsed (leading zeros, IPv4-mapped IPv6),
 * strictly judged. Source: k8s.io/apimachinery/pkg/util/validation/ip.go with the StrictIPCIDRValidation gate on (1.36).
 */
import ipaddr from 'ipaddr.js'
import type { IPFamily } from '../../../kube/objects.ts'
import type { FieldError } from '../strategy.ts'
import { invalid } from './field-error.ts'
import { goQuote } from './field-error.ts'

export interface Address {
  family: IPFamily
  /** IPv4-mapped IPv6 is IPv4 here, as in Go's net.IP. */
  value: bigint
  mapped: boolean
  leadingZeros: boolean
}

export interface Block {
  address: Address
  prefix: number
  leadingZeros: boolean
}

/** `undefined` when even the lenient reading fails. */
export function parseAddress(text: string): Address | undefined {
  const v4 = parseV4(text)
  if (v4 !== undefined) return { family: 'IPv4', ...v4, mapped: false }
  if (!text.includes(':')) return undefined
  const lastColon = text.lastIndexOf(':')
  const tail = text.includes('.') ? parseV4(text.slice(lastColon + 1)) : undefined
  if (text.includes('.') && tail === undefined) return undefined
  const plain = tail === undefined ? text : text.slice(0, lastColon + 1) + v4AsGroups(tail.value)
  if (text.includes('%') || !ipaddr.IPv6.isValid(plain)) return undefined
  const value = bytesToBigint(ipaddr.IPv6.parse(plain).toByteArray())
  const leadingZeros = tail?.leadingZeros ?? false
  if (value >> 32n === 0xffffn) return { family: 'IPv4', value: value & 0xffffffffn, mapped: true, leadingZeros }
  return { family: 'IPv6', value, mapped: false, leadingZeros }
}

function parseV4(text: string): { value: bigint; leadingZeros: boolean } | undefined {
  const octets = text.split('.')
  if (octets.length !== 4 || !octets.every((octet) => /^\d+$/.test(octet) && Number(octet) <= 255)) return undefined
  const value = octets.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)
  return { value, leadingZeros: octets.some((octet) => octet.length > 1 && octet.startsWith('0')) }
}

function v4AsGroups(value: bigint): string {
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`
}

function bytesToBigint(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

/** Canonical text: dotted IPv4, RFC 5952 IPv6. */
export function formatAddress(family: IPFamily, value: bigint): string {
  const size = family === 'IPv4' ? 4 : 16
  const bytes = Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * (size - 1 - i))) & 0xffn))
  const address = ipaddr.fromByteArray(bytes)
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
}

/** Reads `address/length` leniently. */
export function parseBlock(text: string): Block | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseAddress(text.slice(0, slash))
  const lengthText = text.slice(slash + 1)
  if (address === undefined || !/^\d+$/.test(lengthText)) return undefined
  const written = Number(lengthText)
  if (written > (address.family === 'IPv4' && !address.mapped ? 32 : 128)) return undefined
  const prefix = address.mapped ? Math.max(0, written - 96) : written
  return {
    address,
    prefix,
    leadingZeros: address.leadingZeros || (lengthText.length > 1 && lengthText.startsWith('0')),
  }
}

export function networkOf(block: Block): bigint {
  const hostBits = BigInt((block.address.family === 'IPv4' ? 32 : 128) - block.prefix)
  return (block.address.value >> hostBits) << hostBits
}

function formatBlock(block: Block): string {
  return `${formatAddress(block.address.family, networkOf(block))}/${block.prefix}`
}

/** `accepted`: values of the old object, which stay allowed whatever the rules are now. */
export function addressErrors(field: string, text: string, accepted: readonly string[] = []): FieldError[] {
  if (accepted.includes(text)) return []
  const address = parseAddress(text)
  if (address === undefined) {
    return [invalid(field, text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')]
  }
  const errors: FieldError[] = []
  if (address.leadingZeros) errors.push(invalid(field, text, 'must not have leading 0s'))
  else if (address.mapped) errors.push(invalid(field, text, 'must not be an IPv4-mapped IPv6 address'))
  return errors
}

export function blockErrors(field: string, text: string, accepted: readonly string[] = []): FieldError[] {
  if (accepted.includes(text)) return []
  const block = parseBlock(text)
  if (block === undefined) {
    return [invalid(field, text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')]
  }
  if (block.leadingZeros) return [invalid(field, text, 'must not have leading 0s in IP or prefix length')]
  if (block.address.mapped) return [invalid(field, text, 'must not have an IPv4-mapped IPv6 address')]
  if (networkOf(block) !== block.address.value) {
    return [invalid(field, text, 'must not have bits set beyond the prefix length')]
  }
  return []
}

/** Texts for values that are allowed and yet odd. */
export function addressWarnings(field: string, text: string): string[] {
  const address = parseAddress(text)
  if (address === undefined) return []
  const canonical = formatAddress(address.family, address.value)
  if (address.leadingZeros || address.mapped) {
    return [`${field}: non-standard IP address ${goQuote(text)} is invalid: use ${goQuote(canonical)}`]
  }
  if (address.family === 'IPv6' && canonical !== text) {
    return [`${field}: IPv6 address ${goQuote(text)} should be in RFC 5952 canonical format (${goQuote(canonical)})`]
  }
  return []
}

export function blockWarnings(field: string, text: string): string[] {
  const block = parseBlock(text)
  if (block === undefined) return []
  const canonical = formatBlock(block)
  const warnings: string[] = []
  if (networkOf(block) !== block.address.value) {
    const bits = block.address.family === 'IPv4' ? 32 : 128
    const single = `${formatAddress(block.address.family, block.address.value)}/${bits}`
    warnings.push(
      `${field}: CIDR value ${goQuote(text)} is ambiguous in this context (should be ${goQuote(canonical)} or ${goQuote(single)}?)`,
    )
  }
  if (block.leadingZeros || block.address.mapped) {
    warnings.push(`${field}: non-standard CIDR value ${goQuote(text)} is invalid: use ${goQuote(canonical)}`)
  }
  if (warnings.length === 0 && block.address.family === 'IPv6' && canonical !== text) {
    warnings.push(
      `${field}: IPv6 CIDR value ${goQuote(text)} should be in RFC 5952 canonical format (${goQuote(canonical)})`,
    )
  }
  return warnings
}

/** Addresses that make no sense as an endpoint: unspecified, loopback, link-local. */
export function endpointAddressErrors(field: string, text: string): FieldError[] {
  const address = parseAddress(text)
  if (address === undefined) return [invalid(field, text, 'must be a valid IP address')]
  const { family, value } = address
  const errors: FieldError[] = []
  const top = (bits: number) => value >> BigInt((family === 'IPv4' ? 32 : 128) - bits)
  if (value === 0n) errors.push(invalid(field, text, `may not be unspecified (${text})`))
  if (family === 'IPv4' ? top(8) === 127n : value === 1n) {
    errors.push(invalid(field, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
  }
  if (family === 'IPv4' ? top(16) === 0xa9fen : top(10) === 0x3fan) {
    errors.push(invalid(field, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  }
  if (family === 'IPv4' ? top(24) === 0xe00000n : top(8) === 0xffn && (top(16) & 0xfn) === 2n) {
    errors.push(invalid(field, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'))
  }
  return errors
}

/** The family a written address belongs to; anything that is not IPv6 counts as IPv4, as in the API server. */
export function familyOf(text: string): IPFamily {
  return parseAddress(text)?.family === 'IPv6' ? 'IPv6' : 'IPv4'
}
