/**
 * Elements as nf_tables messages and back: one datagram is one transaction over both families. Only elements are ever written this way,
 * never tables, chains or rules (nft would not be able to list them). Pure. Numbers: linux/netfilter/nf_tables.h.
 */
import { type Family, families } from '../rules/addresses.ts'
import type { Change, ElementId, ElementSet } from '../rules/elements.ts'
import {
  type Acknowledgement,
  control,
  createMessageWriter,
  flag,
  type Message,
  type MessageWriter,
  readAttributes,
  readMessages,
  textOf,
} from '../netlink/messages.ts'
import { fieldBytes, hasRange, readFields, writeFields } from './fields.ts'
import { intervalEnd, isInterval, stepBehind } from './intervals.ts'
import { isChoice } from './choices.ts'
import { type Field, type Layout, layouts, type SetName } from './layout.ts'
import { tableName } from './skeleton.ts'

export const subsystem = 10
export const command = {
  getTable: 1,
  getChain: 4,
  getRule: 7,
  newElements: 12,
  getElements: 13,
  deleteElements: 14,
  newGeneration: 15,
  getGeneration: 16,
} as const

/** Address families of nfgenmsg. */
const protocolFamily: Readonly<Record<Family, number>> = { ip: 2, ip6: 10 }
const listAttribute = { table: 1, set: 2, elements: 3, element: 1 } as const
const elementAttribute = { key: 1, data: 2, flags: 3, timeout: 4, expiration: 5, keyEnd: 10 } as const
const dataAttribute = { value: 1, verdict: 2 } as const
const verdictAttribute = { code: 1, chain: 2 } as const
const verdictCodes: Readonly<Record<string, number>> = { drop: 0, accept: 1, goto: -4, jump: -3, return: -5 }
const verdictNames = new Map(Object.entries(verdictCodes).map(([name, code]) => [code, name]))

/** An attribute holds at most 65,535 bytes, of which one element with its headers takes at most 150. */
const listBytes = 60_000
/** About what an IPv4 element takes, so that the buffer is seldom copied. */
const usualBytes = 64

export function messageType(of: number): number {
  return (subsystem << 8) | of
}

/** A message about nf_tables as a whole datagram; `write` adds attributes. */
export function request(of: number, family: Family | undefined, flags: number, write: (to: MessageWriter) => void) {
  const writer = createMessageWriter(256)
  writer.message(messageType(of), flag.request | flags, 1, family ? protocolFamily[family] : 0)
  write(writer)
  return writer.take()
}

/** One transaction: removals, then additions. Every message asks for an acknowledgement. Throws MalformedText. */
export function changeBatch({ remove, add }: Change): Buffer {
  const writer = createMessageWriter(4096 + (remove.size + add.size) * usualBytes)
  const sequence = { next: 1 }
  writer.message(control.batchBegin, flag.request, 0, 0, subsystem)
  for (const group of grouped(remove)) writeGroup(writer, sequence, command.deleteElements, group)
  for (const group of grouped(add)) writeGroup(writer, sequence, command.newElements, group)
  writer.message(control.batchEnd, flag.request, sequence.next, 0, subsystem)
  return writer.take()
}

/** Elements of one map: ids and, at the same places, values. */
interface Group {
  family: Family
  map: SetName
  /** `<family> <map> `, what all ids begin with. */
  prefix: string
  ids: string[]
  values: string[]
}

function grouped(elements: ElementSet): Iterable<Group> {
  const groups = new Map<string, Group>()
  let group: Group | undefined
  // No entry arrays, and neighbours are often of the same map: this runs for every element of a cold start.
  elements.forEach((value, id) => {
    if (group === undefined || !id.startsWith(group.prefix)) {
      const space = id.indexOf(' ')
      const prefix = id.slice(0, id.indexOf(' ', space + 1) + 1)
      group = groups.get(prefix)
      if (group === undefined) {
        const map = prefix.slice(space + 1, -1) as SetName
        if (!(map in layouts)) throw new RangeError(`no such map: ${map}`)
        groups.set(prefix, (group = { family: prefix.slice(0, space) as Family, map, prefix, ids: [], values: [] }))
      }
    }
    group.ids.push(id)
    group.values.push(value)
  })
  return groups.values()
}

function writeGroup(writer: MessageWriter, sequence: { next: number }, of: number, group: Group): void {
  const { family, map, prefix, ids, values } = group
  const { key, value }: Layout = layouts[map]
  const keyBytes = fieldBytes(key, family)
  const valueBytes = value === undefined || value === 'verdict' ? 0 : fieldBytes(value, family)
  const interval = isInterval(layouts[map])
  const ranged = hasRange(key) && !interval
  const create = of === command.newElements ? flag.create : 0
  for (let next = 0; next < ids.length; ) {
    writer.message(messageType(of), flag.request | flag.ack | create, sequence.next++, protocolFamily[family])
    writer.text(listAttribute.table, tableName)
    writer.text(listAttribute.set, map)
    const list = writer.nest(listAttribute.elements)
    for (; next < ids.length && writer.length - list < listBytes; next++) {
      const element = writer.nest(listAttribute.element)
      const id = ids[next] as string
      writeKey(writer, elementAttribute.key, key, keyBytes, family, id, prefix.length, false)
      if (ranged) writeKey(writer, elementAttribute.keyEnd, key, keyBytes, family, id, prefix.length, true)
      if (create !== 0 && value !== undefined) {
        const text = values[next] as string
        if (value === 'verdict') writeVerdict(writer, text)
        else writeValue(writer, value, valueBytes, family, text)
      }
      writer.close(element)
      if (interval) writeEnd(writer, key, keyBytes, family, id, prefix.length)
    }
    writer.close(list)
  }
}

/** The element that ends the network `id`, if one does. */
function writeEnd(
  writer: MessageWriter,
  fields: readonly Field[],
  bytes: number,
  family: Family,
  id: string,
  from: number,
): void {
  const behind = Buffer.alloc(bytes)
  writeFields(id, from, fields, family, behind, 0, true)
  if (!stepBehind(behind, 0, bytes)) return
  const element = writer.nest(listAttribute.element)
  const key = writer.nest(elementAttribute.key)
  const at = writer.space(dataAttribute.value, bytes)
  behind.copy(writer.buffer, at)
  writer.close(key)
  writer.u32(elementAttribute.flags, intervalEnd)
  writer.close(element)
}

function writeKey(
  writer: MessageWriter,
  attribute: number,
  fields: readonly Field[],
  bytes: number,
  family: Family,
  id: string,
  from: number,
  last: boolean,
): void {
  const nest = writer.nest(attribute)
  const at = writer.space(dataAttribute.value, bytes)
  writeFields(id, from, fields, family, writer.buffer, at, last)
  writer.close(nest)
}

function writeValue(
  writer: MessageWriter,
  fields: readonly Field[],
  bytes: number,
  family: Family,
  value: string,
): void {
  const data = writer.nest(elementAttribute.data)
  const at = writer.space(dataAttribute.value, bytes)
  writeFields(value, 0, fields, family, writer.buffer, at)
  writer.close(data)
}

function writeVerdict(writer: MessageWriter, value: string): void {
  const space = value.indexOf(' ')
  const code = verdictCodes[space === -1 ? value : value.slice(0, space)]
  if (code === undefined) throw new RangeError(`no such verdict: ${value}`)
  const data = writer.nest(elementAttribute.data)
  const verdict = writer.nest(dataAttribute.verdict)
  writer.u32(verdictAttribute.code, code)
  if (space !== -1) writer.text(verdictAttribute.chain, value.slice(space + 1))
  writer.close(verdict)
  writer.close(data)
}

/** Asks for all elements of a set; the answer is read by an element reader. */
export function elementsRequest(family: Family, set: SetName): Buffer {
  return request(command.getElements, family, flag.dump, (to) => {
    to.text(listAttribute.table, tableName)
    to.text(listAttribute.set, set)
  })
}

/** Elements of one set out of its messages. One for many messages: it keeps what it allocates. */
export function elementReader(family: Family, set: SetName): (message: Message, onElement: OnElement) => void {
  const layout: Layout = layouts[set]
  const out = Buffer.alloc(512)
  const prefix = out.write(`${family} ${set} `, 0, 'latin1')
  const verdicts = new Map<string, string>()
  const shared = (text: string): string => {
    const known = verdicts.get(text)
    if (known === undefined) verdicts.set(text, text)
    return known ?? text
  }

  return ({ body }, onElement) => {
    const readOne = (from: number, to: number) => {
      let key = 0
      let keyEnd = 0
      let value = ''
      let timeout: bigint | undefined
      let expires: bigint | undefined
      readAttributes(body, from, to, (type, start, end) => {
        // A value within its attribute within the key's: 4 bytes of header.
        if (type === elementAttribute.key) key = start + 4
        else if (type === elementAttribute.keyEnd) keyEnd = start + 4
        else if (type === elementAttribute.data) {
          if (layout.value === 'verdict') value = shared(verdictText(body, start + 4, end))
          else if (layout.value !== undefined) {
            const end = readFields(body, start + 4, start + 4, layout.value, family, out, prefix)
            value = out.toString('latin1', prefix, end)
            if (isChoice(set)) value = shared(value)
          }
        } else if (type === elementAttribute.timeout) timeout = body.readBigUInt64BE(start)
        else if (type === elementAttribute.expiration) expires = body.readBigUInt64BE(start)
      })
      if (key === 0) return
      const end = readFields(body, key, keyEnd || key, layout.key, family, out, prefix)
      onElement(out.toString('latin1', 0, end), value, timeout, expires, from)
    }
    readAttributes(body, 0, body.length, (type, from, to) => {
      if (type === listAttribute.elements) readAttributes(body, from, to, (_, start, end) => readOne(start, end))
    })
  }
}

/** `at`: where in the message's body the element starts. */
export type OnElement = (
  id: ElementId,
  value: string,
  timeout: bigint | undefined,
  expires: bigint | undefined,
  at: number,
) => void

function verdictText(body: Buffer, from: number, to: number): string {
  let code = 0
  let chain = ''
  readAttributes(body, from, to, (type, start, end) => {
    if (type === verdictAttribute.code) code = body.readInt32BE(start)
    else if (type === verdictAttribute.chain) chain = textOf(body, start, end)
  })
  const name = verdictNames.get(code) ?? String(code)
  return chain === '' ? name : `${name} ${chain}`
}

/** What a refused message of this datagram was to do, and with which element, as far as the kernel says: `add ip svc: 10.96.0.1 . tcp . 80`. */
export function refusedStep(datagram: Buffer, { sequence, offset }: Acknowledgement): string {
  let step = 'commit'
  readMessages(
    datagram,
    (message) => {
      if (message.sequence !== sequence || message.type >> 8 !== subsystem) return
      const family = familyOf(message) ?? 'ip'
      const set = setOf(message)
      const verb = message.type === messageType(command.newElements) ? 'add' : 'delete'
      step = `${verb} ${family} ${set}`
      if (offset === undefined || !(set in layouts)) return
      // The kernel counts from the message's header, which with nfgenmsg has 20 bytes.
      let found: ElementId | undefined
      elementReader(family, set as SetName)(message, (id, _value, _timeout, _expires, at) => {
        if (at <= offset - 16) found = id
      })
      if (found !== undefined) step = `${verb} ${found}`
    },
    () => {},
  )
  return step
}

/** Undefined for the families where we have no table. */
export function familyOf(message: Message): Family | undefined {
  return families.find((family) => protocolFamily[family] === message.family)
}

/** Table that a message is about: in all of them but those of the generation it is the first attribute. */
export function tableOf(message: Message): string {
  return attributeText(message, listAttribute.table)
}

/** Set that a message with elements is about. */
export function setOf(message: Message): string {
  return attributeText(message, listAttribute.set)
}

function attributeText({ body }: Message, wanted: number): string {
  let text = ''
  readAttributes(body, 0, body.length, (type, from, to) => {
    if (type === wanted) text = textOf(body, from, to)
  })
  return text
}
