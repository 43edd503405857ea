/**
 * Networks in a set of plain addresses with `flags interval`. The kernel holds the ends of a network as two elements: its first address, and
 * the one behind its last, marked as an end (missing when there is none behind). In concatenations ranges are one element (element-messages.ts).
 */
import type { Family } from '../rules/addresses.ts'
import type { ElementId } from '../rules/elements.ts'
import { type Message, readAttributes } from '../netlink/messages.ts'
import { addressBytes, readFields } from './fields.ts'
import { type Layout, layouts } from './layout.ts'

export function isInterval({ key }: Layout): boolean {
  return key.length === 1 && key[0] === 'range'
}

/** Turns the last address of a network, `length` bytes at `at`, into the one behind it. False: there is none. */
export function stepBehind(bytes: Buffer, at: number, length: number): boolean {
  for (let index = at + length - 1; index >= at; index--) {
    const next = ((bytes[index] ?? 0) + 1) & 255
    bytes[index] = next
    if (next !== 0) return true
  }
  return false
}

const elements = 3
const elementAttribute = { key: 1, flags: 3 } as const
export const intervalEnd = 1

export interface IntervalReader {
  read(message: Message): void
  /** Forgets what was read: the dump begins again. */
  clear(): void
  /** The networks read, in the order of their addresses. */
  ids(): ElementId[]
}

export function intervalReader(family: Family, set: keyof typeof layouts): IntervalReader {
  const length = addressBytes(family)
  const points = new Map<string, { address: Buffer; isEnd: boolean }>()
  const readOne = (body: Buffer, from: number, to: number) => {
    let address: Buffer | undefined
    let isEnd = false
    readAttributes(body, from, to, (type, start) => {
      if (type === elementAttribute.key) address = Buffer.from(body.subarray(start + 4, start + 4 + length))
      else if (type === elementAttribute.flags) isEnd = (body.readUInt32BE(start) & intervalEnd) !== 0
    })
    // Sorted by address; an end comes before the beginning at the same address.
    if (address !== undefined) points.set(`${address.toString('hex')} ${isEnd ? 0 : 1}`, { address, isEnd })
  }
  return {
    read({ body }) {
      readAttributes(body, 0, body.length, (type, from, to) => {
        if (type === elements) readAttributes(body, from, to, (_, start, end) => readOne(body, start, end))
      })
    },
    clear: () => points.clear(),
    ids() {
      const found: ElementId[] = []
      const out = Buffer.alloc(128)
      let first: Buffer | undefined
      const close = (last: Buffer) => {
        if (first === undefined) return
        const end = readFields(Buffer.concat([first, last]), 0, length, layouts[set].key, family, out, 0)
        found.push(`${family} ${set} ${out.toString('latin1', 0, end)}`)
        first = undefined
      }
      for (const [, { address, isEnd }] of [...points].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (isEnd) close(before(address))
        else first = address
      }
      close(Buffer.alloc(length, 255))
      return found
    },
  }
}

function before(address: Buffer): Buffer {
  const result = Buffer.from(address)
  for (let index = result.length - 1; index >= 0; index--) {
    const byte = result[index] ?? 0
    result[index] = (byte - 1) & 255
    if (byte !== 0) break
  }
  return result
}
