/**
 * Text of an element to the bytes of its fields and back, the hot path of the netlink writer: no splitting, no regular expressions.
 * The spelling is that of nft and of addresses.ts (RFC 5952). Pure but for the buffer given.
 */
import type { Family } from '../rules/addresses.ts'
import { endOfNumber, MalformedText, numberAt, readAddress, writeAddress, writeNumber } from '../netlink/text.ts'
import { choiceNumber, chosenVerdict } from './choices.ts'
import type { Field } from './layout.ts'
import { slotBase } from './slot-handles.ts'

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 }
const protocolNames = new Map(Object.entries(protocols).map(([name, number]) => [number, name]))
/** Fields of four bytes in the machine's order. */
const numbers: ReadonlySet<Field> = new Set(['slot', 'id', 'choice', 'number'])
const separator = ' . '
const slash = 47
const dot = 46

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
  return numbers.has(field) ? 4 : addressBytes(family)
}

/**
 * Writes the fields of `text` from its position `from` on. `last`: of a range its last address instead of its first.
 * Throws MalformedText.
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
      if (!text.startsWith(separator, position)) throw new MalformedText(text)
      position += separator.length
    }
    position = writeField(text, position, field, family, into, offset, last)
    offset += (plainBytes(field, family) + 3) & ~3
  }
  if (position !== text.length) throw new MalformedText(text)
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
      return writeAddress(text, from, addressBytes(family), into, at)
    case 'range': {
      const position = writeAddress(text, from, addressBytes(family), into, at)
      if (text.charCodeAt(position) !== slash) return position
      const end = endOfNumber(text, position + 1)
      const prefix = numberAt(text, position + 1, end, addressBytes(family) * 8)
      if (last) fillHostBits(into, at, addressBytes(family), prefix)
      return end
    }
    case 'protocol': {
      const end = text.indexOf(' ', from)
      const number = protocols[text.slice(from, end === -1 ? text.length : end)]
      if (number === undefined) throw new MalformedText(text)
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
    case 'id': {
      const [matched = '', high = '', low = ''] =
        /^([\da-f]{1,4}):([\da-f]{1,4})/.exec(text.slice(from, from + 9)) ?? []
      if (matched === '') throw new MalformedText(text)
      into.writeUInt32LE(Number.parseInt(high, 16) * 0x1_0000 + Number.parseInt(low, 16), at)
      return from + matched.length
    }
    case 'choice': {
      const number = choiceNumber(text.slice(from))
      if (number === undefined) throw new MalformedText(text)
      into.writeUInt32LE(number, at)
      return text.length
    }
    case 'slot': {
      const end = endOfNumber(text, from)
      into.writeUInt32LE(slotBase + numberAt(text, from, end, 0xffff), at)
      return end
    }
    default: {
      const end = endOfNumber(text, from)
      into.writeUInt32LE(numberAt(text, from, end, 0xffff_ffff), at)
      return end
    }
  }
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
      return readAddress(bytes, from, addressBytes(family), out, at)
    case 'range': {
      const position = readAddress(bytes, from, addressBytes(family), out, at)
      const prefix = commonPrefix(bytes, from, end, addressBytes(family))
      if (prefix === addressBytes(family) * 8) return position
      if (prefix === undefined) {
        out[position] = 45
        return readAddress(bytes, end, addressBytes(family), out, position + 1)
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
    case 'id':
      return (
        at +
        out.write(`${bytes.readUInt16LE(from + 2).toString(16)}:${bytes.readUInt16LE(from).toString(16)}`, at, 'latin1')
      )
    case 'choice': {
      const number = bytes.readUInt32LE(from)
      return at + out.write(chosenVerdict(number) ?? String(number), at, 'latin1')
    }
    case 'slot':
      return writeNumber(bytes.readUInt32LE(from) - slotBase, out, at)
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
