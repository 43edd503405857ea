/** Requests and answers of ctnetlink against a socket that plays the kernel's part. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  control,
  createMessageWriter,
  flag,
  type MessageWriter,
  readAttributes,
  readMessages,
} from '../netlink/messages.ts'
import { NetlinkFailure, type RequestSocket } from '../netlink/socket.ts'
import { silent } from '../../kube/log.ts'
import { chooseTable } from './choose-table.ts'
import { type Flow, FlowFailure, type FlowQuery } from './flow.ts'
import { dumpRequest } from './flow-messages.ts'
import { netlinkTable } from './netlink-table.ts'

const udp: FlowQuery = { family: 'ip', protocol: 'udp', destination: undefined, unreplied: false }
const newFlow = 1 << 8
const ENOENT = 2
const EPERM = 1

type Step = Buffer | NetlinkFailure

/** Answers each datagram with the next list of parts. */
function kernel(...answers: Step[][]) {
  const state = { sent: [] as Buffer[], opened: 0, closed: 0 }
  const open = (): RequestSocket => {
    state.opened++
    let waiting: Step[] = []
    const send = (datagram: Uint8Array) => {
      state.sent.push(Buffer.from(datagram))
      waiting = [...waiting, ...(answers[state.sent.length - 1] ?? [])]
    }
    const receive = () => {
      const part = waiting.shift()
      if (part instanceof NetlinkFailure) throw part
      return part
    }
    return {
      portId: 1,
      send,
      receive,
      sendInThread: async (datagram) => send(datagram),
      receiveInThread: async () => receive(),
      close: () => state.closed++,
    }
  }
  return { state, open, table: netlinkTable(open, 3) }
}

function tuple(
  writer: MessageWriter,
  type: number,
  from: number[],
  to: number[],
  ports: [number, number],
  protocol = 17,
) {
  const whole = writer.nest(type)
  const addresses = writer.nest(1)
  writer.bytes(1, Buffer.from(from))
  writer.bytes(2, Buffer.from(to))
  writer.close(addresses)
  const proto = writer.nest(2)
  writer.u8(1, protocol)
  writer.u16(2, ports[0])
  writer.u16(3, ports[1])
  writer.close(proto)
  writer.close(whole)
}

/** A client's flow to 10.96.0.10:53 that was translated to 10.244.1.<endpoint>:8053; to itself without an endpoint. */
function shown(client: number, endpoint: number | undefined, status = 0b101110, protocol = 17): Buffer {
  const writer = createMessageWriter()
  writer.message(newFlow, flag.multi, 1, 2)
  tuple(writer, 1, [10, 1, 0, client], [10, 96, 0, 10], [5000, 53], protocol)
  const from = endpoint === undefined ? [10, 96, 0, 10] : [10, 244, 1, endpoint]
  tuple(writer, 2, from, [10, 1, 0, client], [endpoint === undefined ? 53 : 8053, 5000], protocol)
  writer.u32(3, status)
  writer.u32(7, 30)
  writer.u32(12, 0xabc0 + client)
  return writer.take()
}

function ending(type: number, errno = 0, sequence = 1): Buffer {
  const bytes = Buffer.alloc(type === control.done ? 20 : 36)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeInt32LE(-errno, 16)
  if (type === control.error) bytes.writeUInt32LE(sequence, 28)
  return bytes
}
const end = ending(control.done)

describe('a sweep', () => {
  test('shows what the kernel has, with its translation and its answer', async () => {
    const { table } = kernel([Buffer.concat([shown(1, 2), shown(2, undefined, 0b1000), shown(3, 2, 0b1110)]), end])
    const flows: Flow[] = []
    const swept = await table.sweep(udp, (flow) => {
      assert.equal(flow.frontend, 'ip 10.96.0.10 . udp . 53')
      flows.push({ ...flow })
      return false
    })
    assert.deepEqual(swept, { seen: 3, removed: 0 })
    assert.deepEqual(
      flows.map(({ target, translated, byIpvs, replied }) => ({ target, translated, byIpvs, replied })),
      [
        { target: '10.244.1.2 . 8053', translated: true, byIpvs: false, replied: true },
        { target: '10.96.0.10 . 53', translated: false, byIpvs: false, replied: false },
        { target: '10.244.1.2 . 8053', translated: true, byIpvs: true, replied: true },
      ],
    )
  })

  test('leaves out what is no protocol of Services', async () => {
    const { table } = kernel([shown(1, 2, 0, 1), end])
    assert.deepEqual(await table.sweep(udp, () => assert.fail()), { seen: 0, removed: 0 })
  })

  test('deletes by tuple and id, and counts what was there', async () => {
    const { state, table } = kernel(
      [shown(1, 2), shown(2, 9), shown(3, 9), end],
      [Buffer.concat([ending(control.error, ENOENT, 1), ending(control.error, 0, 2)])],
    )
    const swept = await table.sweep(udp, ({ target }) => target === '10.244.1.9 . 8053')
    assert.deepEqual(swept, { seen: 3, removed: 1 })
    const deletions: string[] = []
    readMessages(
      state.sent[1] ?? Buffer.alloc(0),
      ({ type, flags, body }) => {
        const attributes: number[] = []
        readAttributes(body, 0, body.length, (attribute, from) => {
          attributes.push(attribute)
          if (attribute === 12)
            deletions.push(`${type & 255} ${body.readUInt32BE(from).toString(16)} ${flags & flag.ack}`)
        })
        assert.deepEqual(attributes, [1, 12])
      },
      () => {},
    )
    assert.deepEqual(deletions, ['2 abc2 0', `2 abc3 ${flag.ack}`])
    assert.equal(state.closed, state.opened)
  })

  test('looks again after as many stale ones as are remembered at once', async () => {
    const acknowledged = [ending(control.error)]
    const { state, table } = kernel(
      [shown(1, 9), shown(2, 9), shown(3, 9), shown(4, 9), end],
      acknowledged,
      [shown(4, 9), end],
      acknowledged,
    )
    assert.deepEqual(await table.sweep(udp, () => true), { seen: 1, removed: 4 })
    assert.equal(state.sent.length, 4)
  })

  test('of nothing stale deletes nothing', async () => {
    const { state, table } = kernel([shown(1, 2), end])
    await table.sweep(udp, () => false)
    assert.equal(state.sent.length, 1)
  })

  for (const [what, ...answers] of [
    ['the look is refused', [ending(control.error, EPERM)]],
    ['the look has no end', [shown(1, 2)]],
    ['answers were lost', [shown(1, 2), new NetlinkFailure('recv', 105)]],
    ['a deletion is refused', [shown(1, 2), end], [ending(control.error, EPERM)]],
  ] satisfies [string, ...Step[][]][]) {
    test(`fails when ${what}, and leaves no socket behind`, async () => {
      const { state, table } = kernel(...answers)
      await assert.rejects(
        table.sweep(udp, () => true),
        FlowFailure,
      )
      assert.deepEqual([state.opened, state.closed], [1, 1])
    })
  }
})

describe('a request', () => {
  const attributesOf = (query: FlowQuery) => {
    const found = new Map<string, string>()
    readMessages(
      dumpRequest(query),
      ({ body }) => {
        const visit = (path: string) => (type: number, from: number, to: number) => {
          const at = path === '' ? `${type}` : `${path}.${type}`
          const isNest = ['1', '1.1', '1.2', '25'].includes(at)
          if (isNest) readAttributes(body, from, to, visit(at))
          else found.set(at, body.toString('hex', from, to))
        }
        readAttributes(body, 0, body.length, visit(''))
      },
      () => {},
    )
    return Object.fromEntries(found)
  }

  test('for a protocol compares the protocol', () => {
    assert.deepEqual(attributesOf(udp), { '1.2.1': '11', '25.1': '08000000' })
  })
  test('for a frontend compares address and port', () => {
    assert.deepEqual(attributesOf({ ...udp, destination: { address: '10.96.0.10', port: 53 } }), {
      '1.1.2': '0a60000a',
      '1.2.1': '11',
      '1.2.3': '0035',
      '25.1': '2a000000',
    })
  })
  test('for one of IPv6 only the port: the kernel compares those addresses the wrong way round', () => {
    assert.deepEqual(attributesOf({ ...udp, family: 'ip6', destination: { address: 'fd00:96::a', port: 53 } }), {
      '1.2.1': '11',
      '1.2.3': '0035',
      '25.1': '28000000',
    })
  })
  test('for attempts compares that no answer was seen', () => {
    const attempts = attributesOf({ ...udp, protocol: 'tcp', unreplied: true })
    assert.deepEqual(attempts, { '1.2.1': '06', '25.1': '08000000', '3': '00000000', '26': '00000002' })
  })
})

describe('where the kernel refuses', () => {
  test('the conntrack program is asked instead, and both reasons are told', async () => {
    const { state, open } = kernel([ending(control.error, EPERM)])
    const told: object[] = []
    const table = await chooseTable({
      run: () => Promise.resolve({ code: 1, stdout: '', stderr: 'you need to be root' }),
      turn: () => Promise.resolve(),
      log: { ...silent, warn: (fields) => void told.push(fields) },
      load: () => Promise.resolve({ open, subscribe: () => assert.fail() }),
    })
    assert.equal(table, undefined)
    assert.deepEqual(told, [{ reason: 'connection tracking: EPERM', conntrack: 'you need to be root' }])
    assert.equal(state.closed, 1)
  })
})

describe('the number of flows', () => {
  test('is what the kernel says', async () => {
    const writer = createMessageWriter()
    writer.message((1 << 8) | 5, 0, 1, 0)
    writer.u32(1, 1234)
    const { table } = kernel([writer.take()])
    assert.equal(await table.count(), 1234)
  })
  test('is refused where connections are not tracked', async () => {
    const { table } = kernel([ending(control.error, 22)])
    await assert.rejects(table.count(), /EINVAL/)
  })
})
