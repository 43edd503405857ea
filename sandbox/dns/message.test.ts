import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, test } from 'node:test'
import * as dns from 'dns-packet'
import * as fc from 'fast-check'
import { replyTo, type Transport } from './message.ts'
import { createRecordIndex } from './record-index.ts'

const many = 60
const name = 'many.default.svc.cluster.local'

function cluster() {
  const index = createRecordIndex()
  index.setNamespace({ metadata: { name: 'default' } })
  const web = { clusterIP: '10.96.0.80', ports: [{ name: 'http', port: 80 }] }
  index.setService({ metadata: { namespace: 'default', name: 'web' }, spec: web })
  index.setService({ metadata: { namespace: 'default', name: 'many' }, spec: { clusterIP: 'None' } })
  index.setSlice({
    metadata: { namespace: 'default', name: 'many-1', labels: { 'kubernetes.io/service-name': 'many' } },
    addressType: 'IPv4',
    endpoints: Array.from({ length: many }, (_, number) => ({ addresses: [`10.244.0.${number}`] })),
    ports: [{ name: 'http', port: 80 }],
  })
  return index
}

const index = cluster()
const web: dns.Question = { name: 'web.default.svc.cluster.local', type: 'A' }

function option(udpPayloadSize: number, ednsVersion = 0): dns.OptAnswer {
  return {
    name: '.',
    type: 'OPT',
    udpPayloadSize,
    ednsVersion,
    extendedRcode: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
}

function query(question: dns.Question, more: Partial<dns.Packet> = {}): Buffer {
  return dns.encode({ type: 'query', id: 4711, flags: dns.RECURSION_DESIRED, questions: [question], ...more })
}

/** The library's type leaves the response code out. */
type Decoded = dns.DecodedPacket & { rcode: string; opcode: string }

function exchange(bytes: Buffer, transport: Transport = 'udp', random = () => 0) {
  const reply = replyTo(bytes, transport, index, random)
  assert.ok(reply !== undefined)
  return { bytes: reply, packet: dns.decode(reply) as Decoded }
}

const data = ({ answers = [] }: dns.Packet) =>
  answers.map((record) => (record.type === 'A' ? record.data : record.type))

describe('DNS messages', () => {
  test('a reply repeats id, question and RD, and says what it is', () => {
    const { packet } = exchange(query(web))
    assert.deepEqual(
      [packet.id, packet.flag_qr, packet.flag_aa, packet.flag_rd, packet.flag_ra, packet.flag_tc, packet.rcode],
      [4711, true, true, true, true, false, 'NOERROR'],
    )
    assert.deepEqual(packet.questions, [{ name: web.name, type: 'A', class: 'IN' }])
    assert.deepEqual(data(packet), ['10.96.0.80'])
  })

  test('a name outside of the cluster is NXDOMAIN', () => {
    const { packet } = exchange(query({ name: 'example.com', type: 'A' }))
    assert.deepEqual([packet.rcode, packet.flag_aa], ['NXDOMAIN', false])
  })

  test('more than 512 bytes over UDP are cut and marked', () => {
    const { bytes, packet } = exchange(query({ name, type: 'A' }))
    assert.ok(bytes.length <= 512 && packet.flag_tc)
    assert.ok(data(packet).length > 0 && data(packet).length < many)
  })

  test('with EDNS0 up to 1232 bytes go over UDP', () => {
    const { bytes, packet } = exchange(query({ name, type: 'A' }, { additionals: [option(4096)] }))
    assert.ok(bytes.length > 512 && bytes.length <= 1232 && packet.flag_tc)
    assert.deepEqual(
      packet.additionals?.map(({ type }) => type),
      ['OPT'],
    )
  })

  test('an EDNS0 size below 512 counts as 512', () => {
    const { bytes } = exchange(query({ name, type: 'A' }, { additionals: [option(100)] }))
    assert.ok(bytes.length > 400)
  })

  test('over TCP everything goes', () => {
    const { packet } = exchange(query({ name, type: 'A' }), 'tcp')
    assert.deepEqual([packet.flag_tc, data(packet).length], [false, many])
  })

  test('additional records that do not fit are left out without a mark', () => {
    const { packet } = exchange(query({ name: `_http._tcp.${web.name}`, type: 'SRV' }))
    assert.equal(packet.additionals?.length, 1)
    const { packet: full } = exchange(query({ name: `_http._tcp.${name}`, type: 'SRV' }), 'tcp')
    assert.equal(full.additionals?.length, many)
  })

  test('addresses come in turn', () => {
    const first = (random: number) => data(exchange(query({ name, type: 'A' }), 'tcp', () => random).packet)[0]
    assert.deepEqual([first(0), first(0.5)], ['10.244.0.0', `10.244.0.${many / 2}`])
  })

  test('another EDNS version is BADVERS', () => {
    const { packet } = exchange(query(web, { additionals: [option(4096, 1)] }))
    const [answered] = packet.additionals ?? []
    assert.ok(answered?.type === 'OPT')
    assert.deepEqual([answered.extendedRcode, packet.rcode, packet.answers?.length], [1, 'NOERROR', 0])
  })

  const refused: [what: string, bytes: Buffer, rcode: string][] = [
    ['two questions', query(web, { questions: [web, web] }), 'FORMERR'],
    ['no question', query(web, { questions: [] }), 'FORMERR'],
    ['two OPT records', query(web, { additionals: [option(512), option(512)] }), 'FORMERR'],
    ['a name of foreign bytes', query({ name: 'wäb.default.svc.cluster.local', type: 'A' }), 'FORMERR'],
    ['the root', query({ name: '.', type: 'A' }), 'NXDOMAIN'],
    ['an update', query(web, { flags: 5 << 11 }), 'NOTIMP'],
    ['a zone transfer', query({ ...web, type: 'AXFR' }), 'REFUSED'],
    ['another class', query({ ...web, class: 'CH' }), 'REFUSED'],
  ]
  for (const [what, bytes, rcode] of refused) {
    test(`${what}: ${rcode}`, () => assert.equal(exchange(bytes).packet.rcode, rcode))
  }

  const ignored: [what: string, bytes: Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['half a header', query(web).subarray(0, 7)],
    ['a reply', dns.encode({ type: 'response', id: 1, questions: [web] })],
    ['a cut question', query(web).subarray(0, 20)],
    ['a name that points to itself', Buffer.from('000101000001000000000000c00c00010001', 'hex')],
  ]
  for (const [what, bytes] of ignored) {
    test(`no reply to ${what}`, () =>
      assert.equal(
        replyTo(bytes, 'udp', index, () => 0),
        undefined,
      ))
  }

  test('no bytes make it throw, and no reply over UDP passes its limit', () => {
    const valid = query(web, { additionals: [option(4096)] })
    const damaged = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
      const bytes = Buffer.from(valid)
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    })
    const anything = fc.oneof(
      damaged,
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    )
    fc.assert(
      fc.property(anything, (bytes) => {
        const reply = replyTo(bytes, 'udp', index, () => 0)
        if (reply === undefined) return
        assert.ok(reply.length <= 1232)
        assert.equal(reply.readUInt16BE(0), bytes.readUInt16BE(0))
        dns.decode(reply)
      }),
      { numRuns: 2000 },
    )
  })
})
