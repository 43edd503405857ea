/** The DNS server over real UDP and TCP on loopback, asked by Node's own resolver (c-ares) and by hand. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, describe, test } from 'node:test'
import * as dns from 'dns-packet'
import { silent } from '../../kube/log.ts'
import { createRecordIndex } from '../../sandbox/dns/record-index.ts'
import { startDnsServer } from '../../sandbox/dns/server.ts'

const many = 60
const index = createRecordIndex()
index.setNamespace({ metadata: { name: 'default' } })
const web = { clusterIP: '10.96.0.80', ports: [{ name: 'http', port: 80 }] }
index.setService({ metadata: { namespace: 'default', name: 'web' }, spec: web })
index.setService({ metadata: { namespace: 'default', name: 'many' }, spec: { clusterIP: 'None' } })
index.setService({
  metadata: { namespace: 'default', name: 'out' },
  spec: { type: 'ExternalName', externalName: 'www.example.com' },
})
index.setSlice({
  metadata: { namespace: 'default', name: 'many-1', labels: { 'kubernetes.io/service-name': 'many' } },
  addressType: 'IPv4',
  endpoints: Array.from({ length: many }, (_, number) => ({ addresses: [`10.244.0.${number}`] })),
})
const replies = { udp: 0, tcp: 0 }
const server = await startDnsServer({
  host: '127.0.0.1',
  port: 0,
  index,
  random: Math.random,
  log: silent,
  onReply: (transport) => replies[transport]++,
})
const resolver = new Resolver({ timeout: 2000, tries: 1 })
resolver.setServers([`127.0.0.1:${server.port}`])
after(async () => {
  resolver.cancel()
  await server.close()
})

const question = dns.encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'web.default.svc.cluster.local' }] })

describe('the DNS server on the wire', () => {
  test('answers A, SRV, PTR and CNAME', async () => {
    assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.96.0.80'])
    const [srv] = await resolver.resolveSrv('_http._tcp.web.default.svc.cluster.local')
    assert.deepEqual([srv?.name, srv?.port], ['web.default.svc.cluster.local', 80])
    assert.deepEqual(await resolver.reverse('10.96.0.80'), ['web.default.svc.cluster.local'])
    assert.deepEqual(await resolver.resolveCname('out.default.svc.cluster.local'), ['www.example.com'])
  })

  test('tells a missing name from a name without the type', async () => {
    await assert.rejects(resolver.resolve4('nope.default.svc.cluster.local'), { code: 'ENOTFOUND' })
    await assert.rejects(resolver.resolve6('web.default.svc.cluster.local'), { code: 'ENODATA' })
    await assert.rejects(resolver.resolve4('www.example.com'), { code: 'ENOTFOUND' })
  })

  test('a large answer comes over TCP after truncation', async () => {
    const before = replies.tcp
    assert.equal((await resolver.resolve4('many.default.svc.cluster.local')).length, many)
    assert.ok(replies.tcp > before)
  })

  test('queries in pieces and in a row over one TCP connection', async () => {
    const socket = connect(server.port, '127.0.0.1')
    const message = Buffer.concat([Buffer.from([0, question.length]), question])
    for (const part of [message.subarray(0, 1), message.subarray(1, 9), message.subarray(9)]) {
      socket.write(part)
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.write(Buffer.concat([message, message]))
    let received = Buffer.alloc(0)
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer])
      if (received.length >= 3 * (2 + received.readUInt16BE(0))) break
    }
    assert.deepEqual(dns.decode(received.subarray(2)).id, 7)
  })

  test('rubbish over UDP is ignored, the next question is answered', async () => {
    const socket = createSocket('udp4')
    socket.send(Buffer.from('rubbish'), server.port, '127.0.0.1')
    socket.send(Buffer.alloc(600, 0xff), server.port, '127.0.0.1')
    socket.send(question, server.port, '127.0.0.1')
    const [reply] = (await once(socket, 'message')) as [Buffer]
    assert.equal(dns.decode(reply).id, 7)
    socket.close()
  })

  test('rubbish over TCP ends the connection', async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.end(Buffer.from([0, 3, 1, 2, 3]))
    await once(socket, 'close')
    assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.96.0.80'])
  })
})
