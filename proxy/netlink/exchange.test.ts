/** Dumps and acknowledgements against a socket that plays its part. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dump, exchange, refusalIn } from './exchange.ts'
import { control, createMessageWriter, flag } from './messages.ts'
import { NetlinkFailure, type NetlinkSocket } from './socket.ts'

type Part = Buffer | 'ENOBUFS'

/** Answers each datagram sent with the next list of parts. */
function scripted(...answers: Part[][]): NetlinkSocket & { sent: number; waiting: Part[] } {
  const socket = {
    portId: 1,
    sent: 0,
    waiting: [] as Part[],
    send() {
      socket.waiting.push(...(answers[socket.sent++] ?? []))
    },
    receive() {
      const part = socket.waiting.shift()
      if (part === 'ENOBUFS') throw new NetlinkFailure('recv', 105)
      return part
    },
    close() {},
  }
  return socket
}

function message(flags: number, text: string): Buffer {
  const writer = createMessageWriter()
  writer.message(0x0a0c, flags, 1, 2)
  writer.text(1, text)
  return writer.take()
}

function ending(type: number, errno = 0): Buffer {
  const bytes = Buffer.alloc(type === control.done ? 20 : 36)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeInt32LE(-errno, 16)
  return bytes
}

const collect = (socket: NetlinkSocket) => {
  let seen: string[] = []
  dump(
    socket,
    'elements',
    Buffer.alloc(0),
    () => (seen = []),
    ({ body }) => seen.push(body.toString('latin1', 4, 5)),
  )
  return seen
}

describe('a dump', () => {
  test('is all its parts', () => {
    const socket = scripted([message(flag.multi, 'a'), message(flag.multi, 'b'), ending(control.done)])
    assert.deepEqual(collect(socket), ['a', 'b'])
  })

  test('that was interrupted is made again, and what came before is void', () => {
    const socket = scripted(
      [message(flag.multi, 'a'), message(flag.multi | flag.interrupted, 'b'), ending(control.done)],
      [message(flag.multi, 'c'), ending(control.done)],
    )
    assert.deepEqual(collect(socket), ['c'])
    assert.equal(socket.sent, 2)
  })

  test('that is interrupted every time ends with EINTR', () => {
    const socket = scripted(...Array.from({ length: 50 }, () => [message(flag.interrupted, 'a')]))
    assert.throws(() => collect(socket), { name: 'NetlinkFailure', code: 'EINTR' })
    assert.ok(socket.sent < 50)
  })

  test('of what is not there is ENOENT', () => {
    assert.throws(() => collect(scripted([ending(control.error, 2)])), { code: 'ENOENT', message: 'elements: ENOENT' })
  })

  test('answers that were lost are an error, not an empty list', () => {
    assert.throws(() => collect(scripted(['ENOBUFS'])), { code: 'ENOBUFS' })
  })
})

describe('an exchange', () => {
  test('does not take what an earlier one left behind for its answer', () => {
    const socket = scripted([ending(control.error, 0)])
    socket.waiting.push(ending(control.error, 17), 'ENOBUFS', ending(control.error, 17))
    const answer = exchange(socket, Buffer.alloc(0))
    assert.deepEqual(
      answer.acknowledgements.map(({ errno }) => errno),
      [0],
    )
    assert.equal(refusalIn(answer, 'batch'), undefined)
  })
})
