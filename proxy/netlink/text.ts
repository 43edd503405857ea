/**
 * IP addresses and numbers between text and bytes without a detour over strings or arrays: what the hot paths over netlink are made of.
 * The spelling is RFC 5952. Pure but for the buffers given. Lengths of addresses are 4 and 16 bytes.
 */

/** The text has nothing of the kind at that place. */
export class MalformedText extends Error {
  override readonly name = 'MalformedText'
}

const zero = 48
const dot = 46
const colon = 58

/** Where the digits from `from` on end. */
export function endOfNumber(text: string, from: number): number {
  let position = from
  for (;;) {
    const digit = text.charCodeAt(position) - zero
    if (!(digit >= 0 && digit <= 9)) return position
    position++
  }
}

/** The number these digits mean, at most `most`. */
export function numberAt(text: string, from: number, end: number, most: number): number {
  let number = 0
  for (let position = from; position < end; position++) number = number * 10 + text.charCodeAt(position) - zero
  if (end === from || end - from > 10 || number > most) throw new MalformedText(text)
  return number
}

/** Writes the address at `from` of the text; returns where it ends there. Throws MalformedText. */
export function writeAddress(text: string, from: number, bytes: number, into: Buffer, at: number): number {
  return bytes === 4 ? writeIPv4(text, from, into, at) : writeIPv6(text, from, into, at)
}

function writeIPv4(text: string, from: number, into: Buffer, at: number): number {
  let position = from
  for (let index = 0; index < 4; index++) {
    if (index > 0) {
      if (text.charCodeAt(position) !== dot) throw new MalformedText(text)
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
      if (double ? gap >= 0 : written === 0) throw new MalformedText(text)
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
      throw new MalformedText(text)
    }
    if (text.charCodeAt(position) === dot) {
      // Embedded IPv4, as in ::ffff:192.0.2.1: the group was its first number.
      if (written > 12) throw new MalformedText(text)
      position = writeIPv4(text, start, into, at + written)
      written += 4
      break
    }
    if (written >= 16) throw new MalformedText(text)
    into[at + written] = group >> 8
    into[at + written + 1] = group & 255
    written += 2
  }
  if (gap < 0 ? written !== 16 : written >= 16) throw new MalformedText(text)
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

/** Writes the text of the address at `from` as ASCII into `out`; returns its end. */
export function readAddress(address: Buffer, from: number, bytes: number, out: Buffer, at: number): number {
  if (bytes === 16) return readIPv6(address, from, out, at)
  let position = writeNumber(address[from] as number, out, at)
  for (let index = 1; index < 4; index++) {
    out[position] = dot
    position = writeNumber(address[from + index] as number, out, position + 1)
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

/** Writes a number in decimal digits as ASCII; returns its end. */
export function writeNumber(number: number, out: Buffer, at: number): number {
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
