import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { type Netlink, NetlinkFailure, type RequestSocket, NetlinkUnavailable } from '../netlink/socket.ts'
import { chooseWriter } from './choose-writer.ts'

const skeleton = {
  local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } } as const,
  masqueradeAll: false,
  masqueradeBit: 14,
}
const nft = {
  load: () => assert.fail(),
  check: () => assert.fail(),
  list: () => assert.fail(),
  isOurs: () => false,
}

/** A kernel that answers the first question with this errno. */
function answering(errno: number): { netlink: Netlink; closed: () => boolean } {
  let closed = false
  const waiting: Buffer[] = []
  const socket: RequestSocket = {
    portId: 1,
    send() {
      const error = Buffer.alloc(36)
      error.writeUInt32LE(36, 0)
      error.writeUInt16LE(2, 4)
      error.writeInt32LE(-errno, 16)
      waiting.push(error)
    },
    receive: () => waiting.shift(),
    sendInThread: () => assert.fail(),
    receiveInThread: () => assert.fail(),
    close: () => (closed = true),
  }
  return { netlink: { open: () => socket, subscribe: () => assert.fail() }, closed: () => closed }
}

function choose(choice: 'auto' | 'netlink' | 'nft', load: () => Promise<Netlink>) {
  const warnings: string[] = []
  const log = { ...silent, warn: (_: object, text: string) => void warnings.push(text) }
  return { warnings, writer: chooseWriter(choice, { nft, skeleton, log, load }) }
}

describe('the writer', () => {
  test('is netlink where that works', async () => {
    const { writer, warnings } = choose('auto', () => Promise.resolve(answering(0).netlink))
    assert.equal((await writer).name, 'netlink')
    assert.deepEqual(warnings, [])
  })

  test('is nft text without koffi, and one line says so', async () => {
    const { writer, warnings } = choose('auto', () => Promise.reject(new NetlinkUnavailable('koffi cannot be loaded')))
    assert.equal((await writer).name, 'text')
    assert.equal(warnings.length, 1)
  })

  test('is nft text where the kernel permits no netlink, and the socket is closed', async () => {
    const kernel = answering(1)
    const { writer, warnings } = choose('auto', () => Promise.resolve(kernel.netlink))
    assert.equal((await writer).name, 'text')
    assert.equal(warnings.length, 1)
    assert.equal(kernel.closed(), true)
  })

  test('is nft text where no socket can be had', async () => {
    const netlink: Netlink = {
      open() {
        throw new NetlinkFailure('socket', 93)
      },
      subscribe: () => assert.fail(),
    }
    assert.equal((await choose('auto', () => Promise.resolve(netlink)).writer).name, 'text')
  })

  test('that was asked for is not silently another', async () => {
    const { writer } = choose('netlink', () => Promise.resolve(answering(1).netlink))
    await assert.rejects(writer, { name: 'WriteError', message: 'netlink cannot be used: nf_tables: EPERM' })
  })

  test('of nft text loads no koffi', async () => {
    assert.equal((await choose('nft', () => assert.fail()).writer).name, 'text')
  })

  test('a mistake of ours is no reason to fall back', async () => {
    await assert.rejects(choose('auto', () => Promise.reject(new TypeError('mistake'))).writer, TypeError)
  })
})
