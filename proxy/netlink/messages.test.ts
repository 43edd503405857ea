import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type Acknowledgement,
  control,
  createMessageWriter,
  flag,
  type Message,
  readAttributes,
  readMessages,
  textOf,
} from './messages.ts'

function read(datagram: Buffer) {
  const messages: Message[] = []
  const acknowledgements: (Acknowledgement | undefined)[] = []
  readMessages(
    datagram,
    (message) => messages.push(message),
    ({ acknowledgement }) => acknowledgements.push(acknowledgement),
  )
  return { messages, acknowledgements }
}

describe('writing messages', () => {
  test('a message is its header, nfgenmsg and padded attributes, as the kernel headers lay them out', () => {
    const writer = createMessageWriter()
    writer.message(0x0a0c, flag.request | flag.ack, 7, 2, 10)
    writer.text(1, 'ab')
    writer.u32(2, 0x01020304)
    assert.equal(
      writer.take().toString('hex'),
      // length 36, type, flags, sequence, port id; nfgenmsg: family, version, resource; text with NUL and one byte of padding; number.
      '240000000c0a0500070000000000000002 00 000a 07000100616200 00 08000200 01020304'.replaceAll(' ', ''),
    )
  })

  test('a nested attribute holds what was written until it was closed', () => {
    const writer = createMessageWriter()
    writer.message(0x0a0c, 0, 1, 2)
    const nest = writer.nest(3)
    writer.u16(1, 80)
    writer.close(nest)
    writer.u8(4, 9)
    const [message] = read(writer.take()).messages
    const seen: string[] = []
    readAttributes(message?.body ?? Buffer.alloc(0), 0, message?.body.length ?? 0, (type, from, to) =>
      seen.push(`${type}: ${message?.body.toString('hex', from, to)}`),
    )
    assert.deepEqual(seen, ['3: 0600010000500000', '4: 09'])
  })

  test('the buffer grows; space given before a write stays at its place', () => {
    const writer = createMessageWriter(16)
    writer.message(0x0a0c, 0, 1, 2)
    const at = writer.space(1, 4)
    for (let index = 0; index < 100; index++) writer.text(2, 'x'.repeat(100))
    writer.buffer.writeUInt32BE(0xdeadbeef, at)
    const [message] = read(writer.take()).messages
    assert.equal(message?.body.readUInt32BE(4), 0xdeadbeef)
    assert.equal(message?.body.length, 8 + 100 * 108)
  })

  test('an attribute longer than its length field can say is refused', () => {
    const writer = createMessageWriter()
    writer.message(0x0a0c, 0, 1, 2)
    const nest = writer.nest(3)
    writer.bytes(1, Buffer.alloc(40_000))
    writer.bytes(1, Buffer.alloc(40_000))
    assert.throws(() => writer.close(nest), RangeError)
  })
})

describe('reading messages', () => {
  test('several in one datagram, each with its own sequence', () => {
    const writer = createMessageWriter()
    writer.message(control.batchBegin, flag.request, 0, 0, 10)
    writer.message(0x0a0c, 0, 1, 10)
    writer.text(1, 'roadstead')
    writer.message(control.batchEnd, flag.request, 2, 0, 10)
    const { messages } = read(writer.take())
    assert.deepEqual(
      messages.map(({ type, sequence, family }) => [type, sequence, family]),
      [
        [control.batchBegin, 0, 0],
        [0x0a0c, 1, 10],
        [control.batchEnd, 2, 0],
      ],
    )
    const body = messages[1]?.body ?? Buffer.alloc(0)
    assert.equal(textOf(body, 4, 14), 'roadstead')
  })

  test('an error carries our sequence, the errno, and with extended acknowledgement where and why', () => {
    const text = Buffer.from('no such set\0')
    const size = 16 + 4 + 16 + 8 + 4 + text.length
    const datagram = Buffer.alloc(size)
    datagram.writeUInt32LE(size, 0)
    datagram.writeUInt16LE(control.error, 4)
    datagram.writeUInt16LE(0x300, 6)
    datagram.writeInt32LE(-2, 16)
    datagram.writeUInt32LE(42, 28)
    datagram.writeUInt16LE(8, 36)
    datagram.writeUInt16LE(2, 38)
    datagram.writeUInt32LE(96, 40)
    datagram.writeUInt16LE(4 + text.length, 44)
    datagram.writeUInt16LE(1, 46)
    text.copy(datagram, 48)
    assert.deepEqual(read(datagram).acknowledgements, [{ sequence: 42, errno: 2, message: 'no such set', offset: 96 }])
  })

  test('what is cut off or has nonsense for a length ends the reading', () => {
    const writer = createMessageWriter()
    writer.message(0x0a0c, 0, 1, 2)
    writer.text(1, 'roadstead')
    const whole = writer.take()
    assert.equal(read(whole.subarray(0, whole.length - 4)).messages.length, 0)
    assert.equal(read(Buffer.alloc(64)).messages.length, 0)
    const wrong = Buffer.from(whole)
    wrong.writeUInt16LE(0xffff, 20)
    let attributes = 0
    for (const { body } of read(wrong).messages) readAttributes(body, 0, body.length, () => attributes++)
    assert.equal(attributes, 0)
  })
})
