import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type Address, parseAddress, parseCidr, rangeKey } from '../rules/addresses.ts'
import { type Change, type ElementSet, elementId } from '../rules/elements.ts'
import { control, type Message, readMessages } from '../netlink/messages.ts'
import { changeBatch, command, elementReader, messageType, refusedStep, setOf, tableOf } from './element-messages.ts'
import type { SetName } from './layout.ts'

const nothing: ElementSet = new Map()

function messagesOf(datagram: Buffer): Message[] {
  const messages: Message[] = []
  readMessages(
    datagram,
    (message) => messages.push(message),
    () => assert.fail(),
  )
  return messages
}

/** What a batch adds or deletes, read back from its bytes. */
function meaning(datagram: Buffer): Change {
  const remove = new Map<string, string>()
  const add = new Map<string, string>()
  for (const message of messagesOf(datagram).slice(1, -1)) {
    const into = message.type === messageType(command.newElements) ? add : remove
    const family = message.family === 2 ? 'ip' : 'ip6'
    elementReader(family, setOf(message) as SetName)(message, (id, value) => into.set(id, value))
  }
  return { remove, add }
}

const addresses = fc
  .oneof(
    fc.ipV4(),
    fc.ipV6().filter((text) => !text.includes('.')),
  )
  .map((text) => parseAddress(text) as Address)

const element = fc
  .tuple(addresses, fc.constantFrom('tcp', 'udp', 'sctp'), fc.nat(65_535), fc.nat(999), fc.nat(32))
  .chain(([{ family, text }, protocol, port, slot, prefix]) => {
    const front = `${text} . ${protocol} . ${port}`
    const range = parseCidr(`${text}/${family === 'ip' ? prefix : prefix * 4}`)
    return fc.constantFrom<[string, string]>(
      [elementId(family, 'svc', front), `goto n${slot + 1}`],
      [elementId(family, 'svc-local', front), 'drop'],
      [elementId(family, 'ep', `${front} . ${slot}`), `${text} . ${port}`],
      [elementId(family, 'cluster-ips', text), ''],
      [elementId(family, 'hairpin', `${text} . ${text}`), ''],
      [elementId(family, 'fw-allow', `${front} . ${range ? rangeKey(range) : text}`), ''],
      [elementId(family, 'health-ports', `${port}`), text],
      [elementId(family, 'no-ep', front), ''],
    )
  })
const elementSet = fc.array(element, { maxLength: 60 }).map((pairs) => new Map(pairs))

describe('a batch', () => {
  test('says what it was made from', () => {
    fc.assert(
      fc.property(elementSet, elementSet, (remove, add) => {
        const read = meaning(changeBatch({ remove, add }))
        assert.deepEqual(new Set(read.remove.keys()), new Set(remove.keys()))
        assert.deepEqual(read.add, add)
      }),
    )
  })

  test('removes before it adds, between one begin and one end, all of our table, each acknowledged', () => {
    const id = 'ip svc 10.96.0.1 . tcp . 80'
    const messages = messagesOf(changeBatch({ remove: new Map([[id, 'goto n1']]), add: new Map([[id, 'goto n2']]) }))
    assert.deepEqual(
      messages.map(({ type }) => type),
      [control.batchBegin, messageType(command.deleteElements), messageType(command.newElements), control.batchEnd],
    )
    assert.deepEqual(messages.slice(1, -1).map(tableOf), ['roadstead', 'roadstead'])
    assert.deepEqual(
      messages.map(({ flags }) => flags & 4),
      [0, 4, 4, 0],
    )
  })

  test('of many elements has several messages, for an attribute is at most 65,535 bytes', () => {
    const add = new Map(
      Array.from({ length: 5000 }, (_, index): [string, string] => [
        `ip6 ep fd00:96::${(index + 1).toString(16)} . tcp . 80 . 0`,
        'fd00:244::1 . 80',
      ]),
    )
    const datagram = changeBatch({ remove: nothing, add })
    const messages = messagesOf(datagram).slice(1, -1)
    assert.ok(messages.length > 1)
    assert.ok(messages.every(({ body }) => body.length < 65_535))
    assert.equal(new Set(messages.map(({ sequence }) => sequence)).size, messages.length)
    assert.deepEqual(meaning(datagram).add, add)
  })

  test('what no map has is refused', () => {
    assert.throws(() => changeBatch({ remove: nothing, add: new Map([['ip nosuch 1.2.3.4', '']]) }), RangeError)
    assert.throws(() => changeBatch({ remove: nothing, add: new Map([['ip learn 1a:2b', 'fly t1']]) }), RangeError)
    for (const verdict of ['fly n1', 'goto n0', 'goto l70000', 'goto t1', 'goto']) {
      assert.throws(
        () => changeBatch({ remove: nothing, add: new Map([['ip svc 1.2.3.4 . tcp . 80', verdict]]) }),
        { name: 'MalformedText' },
        verdict,
      )
    }
    assert.throws(() => changeBatch({ remove: nothing, add: new Map([['ip svc 1.2.3.4 . tcp', 'drop']]) }), {
      name: 'MalformedText',
    })
  })
})

describe('a refusal', () => {
  const datagram = changeBatch({
    remove: new Map([['ip6 masq fd00::1 . tcp . 1', '']]),
    add: new Map([
      ['ip svc 10.0.0.1 . tcp . 1', 'drop'],
      ['ip svc 10.0.0.1 . tcp . 2', 'drop'],
    ]),
  })

  test('is told with verb, set and element', () => {
    const add = messagesOf(datagram)[2]
    const second = add?.body.indexOf(Buffer.from('0a000001060000000002', 'hex')) ?? 0
    assert.equal(
      refusedStep(datagram, { sequence: 2, errno: 17, message: undefined, offset: second + 20 - 12 }),
      'add ip svc 10.0.0.1 . tcp . 2',
    )
  })

  test('without a place in the message with the set, and of no message at all with the commit', () => {
    const refusal = { errno: 2, message: undefined, offset: undefined }
    assert.equal(refusedStep(datagram, { ...refusal, sequence: 1 }), 'delete ip6 masq')
    assert.equal(refusedStep(datagram, { ...refusal, sequence: 0 }), 'commit')
  })
})
