/**
 * Text of an element to the bytes of its fields and back, the hot path of the netlink writer: no splitting, no regular expressions.
 * The spelling is that of nft and of addresses.ts (RFC 5952). Pure but for the buffer given.
 */
import type { Family } from '../addresses.ts'
import type { Field } from './layout.ts'

export class MalformedElement extends Error {
  override readonly name = 'MalformedElement'
}

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 }
const protocolNames = new Map(Object.entries(protocols).map(([name, number]) => [number, name]))
const separator = ' . '

export function addressBytes(family: Family): number {
  return family === 'ip' ? 4 : 16
}

/** Bytes of these fields together; fields of a concatenation are padded. */
export function fieldBytes(fields: readonly Field[], family: Family): number {
  if (fields.length === 1) return plainBytes(fields[0] as Field, family)
  return fields.reduce((sum, field) => sum + ((plainBytes(field, family) + 3) & ~3), 0)
}

export function hasRange(fields: readonly Field[]): boolean {
  return fields.includes('range')
}

function plainBytes(field: Field, family: Family): number {
  if (field === 'port') return 2
  if (field === 'protocol') return 1
  return field === 'slot' ? 4 : addressBytes(family)
}

/**
 * Writes the fields of `text` from its position `from` on. `last`: of a range its last address instead of its first.
 * Throws MalformedElement.
 */
export function writeFields(
  text: string,
  from: number,
  fields: readonly Field[],
  family: Family,
  into: Buffer,
  at: number,
  last = false,
): void {
  let position = from
  let offset = at
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index] as Field
    if (index > 0) {
      if (!text.startsWith(separator, position)) throw new MalformedElement(text)
      position += separator.length
    }
    position = writeField(text, position, field, family, into, offset, last)
    offset += (plainBytes(field, family) + 3) & ~3
  }
  if (position !== text.length) throw new MalformedElement(text)
}

function writeField(
  text: string,
  from: number,
  field: Field,
  family: Family,
  into: Buffer,
  at: number,
  last: boolean,
): number {
  switch (field) {
    case 'address':
      return writeAddress(text, from, family, into, at)
    case 'range': {
      const position = writeAddress(text, from, family, into, at)
      if (text.charCodeAt(position) !== slash) return position
      const end = endOfNumber(text, position + 1)
      const prefix = numberAt(text, position + 1, end, addressBytes(family) * 8)
      if (last) fillHostBits(into, at, addressBytes(family), prefix)
      return end
    }
    case 'protocol': {
      const end = text.indexOf(' ', from)
      const number = protocols[text.slice(from, end === -1 ? text.length : end)]
      if (number === undefined) throw new MalformedElement(text)
      into[at] = number
      return end === -1 ? text.length : end
    }
    case 'port': {
      const end = endOfNumber(text, from)
      const port = numberAt(text, from, end, 65_535)
      into[at] = port >> 8
      into[at + 1] = port & 255
      return end
    }
    default: {
      const end = endOfNumber(text, from)
      into.writeUInt32LE(numberAt(text, from, end, 0xffff_ffff), at)
      return end
    }
  }
}

const zero = 48
const dot = 46
const colon = 58
const slash = 47

function endOfNumber(text: string, from: number): number {
  let position = from
  for (;;) {
    const digit = text.charCodeAt(position) - zero
    if (!(digit >= 0 && digit <= 9)) return position
    position++
  }
}

function numberAt(text: string, from: number, end: number, most: number): number {
  let number = 0
  for (let position = from; position < end; position++) number = number * 10 + text.charCodeAt(position) - zero
  if (end === from || end - from > 10 || number > most) throw new MalformedElement(text)
  return number
}

function writeAddress(text: string, from: number, family: Family, into: Buffer, at: number): number {
  return family === 'ip' ? writeIPv4(text, from, into, at) : writeIPv6(text, from, into, at)
}

function writeIPv4(text: string, from: number, into: Buffer, at: number): number {
  let position = from
  for (let index = 0; index < 4; index++) {
    if (index > 0) {
      if (text.charCodeAt(position) !== dot) throw new MalformedElement(text)
      position++
    }
    const end = endOfNumber(text, position)
    into[at + index] = numberAt(text, position, end, 255)
    position = end
  }
  return position
}

function writeIPv6(text: string, from: number, into: Buffer, at: number): number {
  let position = from
  let written = 0
  // Where `::` stood, in bytes; what follows it is moved to the end.
  let gap = -1
  for (;;) {
    if (text.charCodeAt(position) === colon) {
      const double = text.charCodeAt(position + 1) === colon
      if (double ? gap >= 0 : written === 0) throw new MalformedElement(text)
      if (double) gap = written
      position += double ? 2 : 1
    } else if (written > 0) break
    const start = position
    let group = 0
    for (; position < start + 4; position++) {
      const digit = hexDigit(text.charCodeAt(position))
      if (digit < 0) break
      group = group * 16 + digit
    }
    if (position === start) {
      if (gap === written) break
      throw new MalformedElement(text)
    }
    if (text.charCodeAt(position) === dot) {
      // Embedded IPv4, as in ::ffff:192.0.2.1: the group was its first number.
      if (written > 12) throw new MalformedElement(text)
      position = writeIPv4(text, start, into, at + written)
      written += 4
      break
    }
    if (written >= 16) throw new MalformedElement(text)
    into[at + written] = group >> 8
    into[at + written + 1] = group & 255
    written += 2
  }
  if (gap < 0 ? written !== 16 : written >= 16) throw new MalformedElement(text)
  if (gap >= 0) {
    const moved = written - gap
    into.copyWithin(at + 16 - moved, at + gap, at + written)
    into.fill(0, at + gap, at + 16 - moved)
  }
  return position
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  if (code >= 97 && code <= 102) return code - 87
  return code >= 65 && code <= 70 ? code - 55 : -1
}

function fillHostBits(bytes: Buffer, at: number, length: number, prefix: number): void {
  for (let index = 0; index < length; index++) {
    const kept = Math.min(8, Math.max(0, prefix - index * 8))
    bytes[at + index] = (bytes[at + index] ?? 0) | (0xff >> kept)
  }
}

/**
 * Writes the text of the fields at `from` as ASCII into `out` from `at` on and returns its end. `end`: where the last values of the
 * same fields stand (differs from `from` for ranges only).
 */
export function readFields(
  bytes: Buffer,
  from: number,
  end: number,
  fields: readonly Field[],
  family: Family,
  out: Buffer,
  at: number,
): number {
  let position = at
  let offset = 0
  for (let index = 0; index < fields.length; index++) {
    if (index > 0) {
      out[position] = 32
      out[position + 1] = dot
      out[position + 2] = 32
      position += 3
    }
    const field = fields[index] as Field
    position = readField(bytes, from + offset, end + offset, field, family, out, position)
    offset += (plainBytes(field, family) + 3) & ~3
  }
  return position
}

function readField(
  bytes: Buffer,
  from: number,
  end: number,
  field: Field,
  family: Family,
  out: Buffer,
  at: number,
): number {
  switch (field) {
    case 'address':
      return readAddress(bytes, from, family, out, at)
    case 'range': {
      const position = readAddress(bytes, from, family, out, at)
      const prefix = commonPrefix(bytes, from, end, addressBytes(family))
      if (prefix === addressBytes(family) * 8) return position
      if (prefix === undefined) {
        out[position] = 45
        return readAddress(bytes, end, family, out, position + 1)
      }
      out[position] = slash
      return writeNumber(prefix, out, position + 1)
    }
    case 'protocol': {
      const number = bytes[from] as number
      const name = protocolNames.get(number)
      return name === undefined ? writeNumber(number, out, at) : at + out.write(name, at, 'latin1')
    }
    case 'port':
      return writeNumber(bytes.readUInt16BE(from), out, at)
    default:
      return writeNumber(bytes.readUInt32LE(from), out, at)
  }
}

/** Prefix length of the network from first to last address; undefined when these are no network. */
function commonPrefix(bytes: Buffer, first: number, last: number, length: number): number | undefined {
  let prefix = 0
  let inHost = false
  for (let index = 0; index < length; index++) {
    const low = bytes[first + index] as number
    const high = bytes[last + index] as number
    if (inHost) {
      if (low !== 0 || high !== 255) return undefined
    } else if (low === high) prefix += 8
    else {
      const host = low ^ high
      if ((host & (host + 1)) !== 0 || (low & host) !== 0) return undefined
      prefix += Math.clz32(host) - 24
      inHost = true
    }
  }
  return prefix
}

function readAddress(bytes: Buffer, from: number, family: Family, out: Buffer, at: number): number {
  if (family === 'ip6') return readIPv6(bytes, from, out, at)
  let position = writeNumber(bytes[from] as number, out, at)
  for (let index = 1; index < 4; index++) {
    out[position] = dot
    position = writeNumber(bytes[from + index] as number, out, position + 1)
  }
  return position
}

/** RFC 5952: the first longest run of two and more zero groups is `::`. */
function readIPv6(bytes: Buffer, from: number, out: Buffer, at: number): number {
  let bestStart = -1
  let bestLength = 1
  let length = 0
  for (let group = 0; group < 8; group++) {
    length = bytes[from + group * 2] === 0 && bytes[from + group * 2 + 1] === 0 ? length + 1 : 0
    if (length > bestLength) {
      bestLength = length
      bestStart = group - length + 1
    }
  }
  let position = at
  for (let group = 0; group < 8; group++) {
    if (group === bestStart) {
      out[position++] = colon
      out[position++] = colon
      group += bestLength - 1
      continue
    }
    if (group > 0 && group !== bestStart + bestLength) out[position++] = colon
    const value = bytes.readUInt16BE(from + group * 2)
    let started = false
    for (let shift = 12; shift >= 0; shift -= 4) {
      const digit = (value >> shift) & 15
      started ||= digit !== 0 || shift === 0
      if (started) out[position++] = digit < 10 ? zero + digit : 87 + digit
    }
  }
  return position
}

function writeNumber(number: number, out: Buffer, at: number): number {
  let divisor = 1
  let digits = 1
  while (number >= divisor * 10) {
    divisor *= 10
    digits++
  }
  let rest = number
  for (let index = digits - 1; index >= 0; index--) {
    out[at + index] = zero + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return at + digits
}
