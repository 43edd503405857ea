/** What the writer makes of answers and notifications; what the kernel makes of its batches: integration/proxy/writers.test.ts. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMessageWriter } from '../netlink/messages.ts'
import { type Netlink, NetlinkFailure, type NetlinkSocket } from '../netlink/socket.ts'
import { command, messageType } from './element-messages.ts'
import { netlinkWriter } from './netlink-writer.ts'

const skeleton = {
  local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } } as const,
  masqueradeAll: false,
  masqueradeBit: 14,
}
const ourNft = 4711

type Part = Buffer | NetlinkFailure

/** A kernel whose answers and notifications the test gives. */
function setup(answers: Part[] = []) {
  const waiting: Part[] = []
  const notifications: Part[] = []
  const state = { sent: [] as Uint8Array[], open: true, sendFailure: undefined as NetlinkFailure | undefined }
  const socketOf = (queue: Part[]): NetlinkSocket => ({
    portId: 1,
    send(datagram) {
      if (state.sendFailure) throw state.sendFailure
      state.sent.push(datagram)
      queue.push(...answers)
    },
    receive() {
      const part = queue.shift()
      if (part instanceof NetlinkFailure) throw part
      return part
    },
    close: () => (state.open = false),
  })
  let readable = () => {}
  const netlink: Netlink = {
    open: () => assert.fail(),
    subscribe({ onReadable, except, group }) {
      assert.equal(group, 7)
      assert.equal(except?.portId, 1)
      const socket = socketOf(notifications)
      readable = () => onReadable(socket)
      readable()
      return socket
    },
  }
  const nft = {
    load: () => assert.fail(),
    check: () => assert.fail(),
    list: () => assert.fail(),
    isOurs: (portId: number) => portId === ourNft,
  }
  const writer = netlinkWriter({ netlink, socket: socketOf(waiting), nft, skeleton })
  const notify = (...parts: Part[]) => {
    notifications.push(...parts)
    readable()
  }
  return { writer, notify, state }
}

function acknowledgement(errno: number, sequence = 1): Buffer {
  const bytes = Buffer.alloc(36)
  bytes.writeUInt32LE(36, 0)
  bytes.writeUInt16LE(2, 4)
  bytes.writeInt32LE(-errno, 16)
  bytes.writeUInt32LE(sequence, 28)
  return bytes
}

const drop = { remove: new Map(), add: new Map([['ip svc 10.96.0.1 . tcp . 80', 'drop']]) }

describe('a batch', () => {
  test('that is acknowledged is written', async () => {
    const { writer, state } = setup([acknowledgement(0)])
    await writer.apply(drop)
    assert.equal(state.sent.length, 1)
  })

  test('of nothing is not sent', async () => {
    const { writer, state } = setup()
    await writer.apply({ remove: new Map(), add: new Map() })
    await writer.forget([])
    assert.equal(state.sent.length, 0)
  })

  test('that is refused says what and why', async () => {
    const { writer } = setup([acknowledgement(0, 2), acknowledgement(23, 1)])
    await assert.rejects(writer.apply(drop), { name: 'WriteError', message: 'add ip svc: ENFILE' })
  })

  test('whose acknowledgement is lost is not taken for written', async () => {
    await assert.rejects(setup([]).writer.apply(drop), { name: 'WriteError', message: /did not acknowledge/ })
    const lost = setup([new NetlinkFailure('recv', 105)])
    await assert.rejects(lost.writer.apply(drop), { name: 'WriteError', message: 'batch: recv: ENOBUFS' })
  })

  test('that cannot be sent or made is a WriteError as well', async () => {
    const { writer, state } = setup()
    state.sendFailure = new NetlinkFailure('send', 90)
    await assert.rejects(writer.apply(drop), { name: 'WriteError', message: 'batch: send: EMSGSIZE' })
    const wrong = { remove: new Map(), add: new Map([['ip svc 10.96.0.1', 'drop']]) }
    await assert.rejects(writer.apply(wrong), { name: 'WriteError', message: /^encode: ip svc 10\.96\.0\.1/ })
  })
})

describe('notifications', () => {
  interface Notification {
    of?: number
    table?: string
    set?: string
    family?: number
    portId?: number
  }
  const notification = ({
    of = command.deleteElements,
    table = 'roadstead',
    set = 'svc',
    family = 2,
    portId = 99,
  }: Notification) => {
    const message = createMessageWriter()
    message.message(messageType(of), 0, 1, family)
    message.text(1, table)
    message.text(2, set)
    const datagram = message.take()
    datagram.writeUInt32LE(portId, 12)
    return datagram
  }
  const heard = (...parts: Part[]) => {
    const { writer, notify } = setup()
    let calls = 0
    writer.watch?.(() => calls++)
    notify(...parts)
    return calls
  }

  test('of a change of our table by others are passed on, once for all that wait', () => {
    assert.equal(heard(notification({})), 1)
    assert.equal(heard(notification({ of: 8, set: 'services' })), 1)
    assert.equal(heard(notification({ family: 10 }), notification({}), notification({ portId: ourNft })), 1)
  })

  test('of other tables, of our own writes, of clients remembered and of generations are not', () => {
    assert.equal(heard(notification({ table: 'kube-proxy' })), 0)
    assert.equal(heard(notification({ family: 1 })), 0)
    assert.equal(heard(notification({ portId: ourNft })), 0)
    assert.equal(heard(notification({ set: 'affinity' })), 0)
    assert.equal(heard(notification({ of: command.newGeneration })), 0)
  })

  test('that were lost count as a change, and those after them are read', () => {
    assert.equal(heard(new NetlinkFailure('recv', 105)), 1)
    assert.equal(
      heard(notification({ table: 'other' }), new NetlinkFailure('recv', 105), notification({ table: 'other' })),
      1,
    )
  })

  test('end with the watch', () => {
    const { writer, state } = setup()
    writer.watch?.(() => {})()
    assert.equal(state.open, false)
  })
})
