/** The proxy around an AWS that answers at once and keeps nothing: counts, faults, buckets, latency, control over HTTP. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { DescribeVpcsCommand } from '@aws-sdk/client-ec2'
import {
  DeleteListenerCommand,
  DescribeAccountLimitsCommand,
  DescribeSSLPoliciesCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'
import { elbv2Buckets } from './buckets.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { type Clients, clients } from './sdk-clients.ts'

// What the SDK makes of ECONNRESET.
const cut = 'TimeoutError'

describe('the fault proxy', () => {
  let cloud: Server
  let carriedOut: string[]
  let proxy: FaultProxy
  let sdk: Clients
  let quiet: Clients

  before(async () => {
    carriedOut = []
    cloud = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        const action = new URLSearchParams(body).get('Action') ?? request.url ?? ''
        carriedOut.push(action)
        response.end(`<${action}Response><${action}Result/></${action}Response>`)
      })
    }).listen(0, '127.0.0.1')
    await once(cloud, 'listening')
    proxy = await startFaultProxy({
      upstream: `http://127.0.0.1:${(cloud.address() as AddressInfo).port}`,
      repairs: [],
    })
    sdk = clients(proxy.url)
    quiet = clients(proxy.quietUrl)
  })
  after(async () => {
    sdk.destroy()
    quiet.destroy()
    await proxy.close()
    cloud.closeAllConnections()
    cloud.close()
  })

  const limits = () => sdk.elbv2.send(new DescribeAccountLimitsCommand({}))
  const policies = () => sdk.elbv2.send(new DescribeSSLPoliciesCommand({}))
  const remove = () => sdk.elbv2.send(new DeleteListenerCommand({ ListenerArn: 'arn:aws:x' }))
  const vpcs = () => sdk.ec2.send(new DescribeVpcsCommand({}))
  const clean = () => {
    proxy.reset()
    carriedOut.length = 0
  }
  const code = async (work: Promise<unknown>) =>
    await work.then(
      () => 'ok',
      (error: Error & { Code?: string }) => error.Code ?? error.name,
    )

  test('counts calls by action, mutating and reading, and not those of the quiet address', async () => {
    clean()
    await limits()
    await limits()
    await remove()
    await quiet.elbv2.send(new DescribeSSLPoliciesCommand({}))
    assert.deepEqual(proxy.counts(), {
      total: 3,
      mutating: 1,
      reading: 2,
      throttled: 0,
      refused: 0,
      byAction: { DeleteListener: 1, DescribeAccountLimits: 2 },
    })
    assert.deepEqual(
      proxy
        .calls()
        .map(({ action, mutating, status }) => ({ action, mutating, status }))
        .at(-1),
      { action: 'DeleteListener', mutating: true, status: 200 },
    )
  })

  test('a refusal happens before anything is done, a lost reply after', async () => {
    clean()
    proxy.faults.add({
      match: { action: 'DeleteListener' },
      effect: { kind: 'error', code: 'ResourceInUse', message: 'in use' },
      times: 1,
    })
    assert.equal(await code(remove()), 'ResourceInUse')
    assert.deepEqual(carriedOut, [])
    proxy.faults.add({ match: { mutating: true }, effect: { kind: 'lost-reply' }, times: 1 })
    assert.notEqual(await code(remove()), 'ok')
    assert.deepEqual(carriedOut, ['DeleteListener'])
    assert.equal(proxy.calls().at(-1)?.status, 0)
    assert.equal(await code(remove()), 'ok')
  })

  test('a fault passes over the first calls, hits its number and is spent; others are not touched', async () => {
    clean()
    proxy.faults.add({ match: { action: 'DescribeA*' }, effect: { kind: 'throttled' }, skip: 1, times: 2 })
    const seen: string[] = []
    for (let call = 0; call < 4; call++) seen.push(await code(limits()), await code(policies()))
    assert.deepEqual(seen, ['ok', 'ok', 'ThrottlingException', 'ok', 'ThrottlingException', 'ok', 'ok', 'ok'])
    assert.equal(proxy.counts().throttled, 2)
  })

  test('permission denied and throttled speak as each service does', async () => {
    clean()
    proxy.faults.add({ effect: { kind: 'denied' }, times: 2 })
    assert.equal(await code(limits()), 'AccessDenied')
    assert.equal(await code(vpcs()), 'UnauthorizedOperation')
    proxy.faults.add({ effect: { kind: 'throttled' }, times: 2 })
    assert.equal(await code(limits()), 'ThrottlingException')
    assert.equal(await code(vpcs()), 'RequestLimitExceeded')
  })

  test('an error after the work: a 500 for what was done', async () => {
    clean()
    proxy.faults.add({
      effect: { kind: 'error-after', code: 'InternalFailure', message: 'lost', status: 500 },
      times: 1,
    })
    assert.equal(await code(remove()), 'InternalFailure')
    assert.deepEqual(carriedOut, ['DeleteListener'])
  })

  test('a connection that is cut, and one that hangs until the client gives up', async () => {
    clean()
    proxy.faults.add({ effect: { kind: 'reset' }, times: 1 })
    assert.equal(await code(limits()), cut)
    proxy.faults.add({ effect: { kind: 'hang' }, times: 1 })
    const patience = AbortSignal.timeout(100)
    assert.equal(
      await code(sdk.elbv2.send(new DescribeAccountLimitsCommand({}), { abortSignal: patience })),
      'AbortError',
    )
    assert.deepEqual(carriedOut, [])
  })

  test('buckets let the burst through, then as many as flow in, and refuse the rest as AWS does', async () => {
    clean()
    proxy.set({ buckets: elbv2Buckets })
    const started = Date.now()
    const seen = await Promise.all(Array.from({ length: 60 }, () => code(limits())))
    const flowed = Math.ceil(((Date.now() - started) / 1000) * 10)
    const passed = seen.filter((answer) => answer === 'ok').length
    assert.ok(passed >= 40 && passed <= 40 + flowed, `${passed} passed`)
    assert.equal(proxy.counts().throttled, 60 - passed)
    assert.equal(await code(remove()), 'ok', 'another bucket')
    assert.equal(await code(vpcs()), 'ok', 'ec2 has none')
  })

  test('latency is added to each call', async () => {
    clean()
    proxy.set({ latencyMs: 60 })
    const started = performance.now()
    await limits()
    assert.ok(performance.now() - started >= 58)
    assert.ok((proxy.calls().at(-1)?.ms ?? 0) >= 58)
  })

  test('a listener is waited for between the work and its answer', async () => {
    clean()
    const seen: string[] = []
    const off = proxy.onCarriedOut(async ({ action }) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      seen.push(`${action} ${carriedOut.length}`)
    })
    await remove()
    off()
    await remove()
    assert.deepEqual(seen, ['DeleteListener 1'])
  })

  test('is steered over HTTP', async () => {
    clean()
    const control = async (method: string, what: string, body?: unknown) => {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
      const answer = await fetch(`${proxy.url}/_proxy/${what}`, init)
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    }
    await control('POST', 'faults', { match: { action: 'DeleteListener' }, effect: { kind: 'denied' } })
    assert.equal(await code(remove()), 'AccessDenied')
    await control('DELETE', 'faults')
    assert.equal(await code(remove()), 'ok')
    assert.equal((await control('GET', 'counts')).body['mutating'], 2)
    const set = await control('POST', 'settings', { buckets: 'elbv2', quotas: { rulesPerSecurityGroup: 10 } })
    assert.deepEqual(set.body['buckets'], ['describe', 'register', 'mutate'])
    assert.equal(proxy.settings().quotas.rulesPerSecurityGroup, 10)
    assert.equal((await control('POST', 'settings', { buckets: 'frob' })).status, 400)
    assert.equal((await control('POST', 'reset')).body['total'], 0)
    assert.equal((await control('GET', 'frob')).status, 404)
  })

  test('a cloud that is gone looks like an endpoint that is gone', async (context) => {
    const lonely = await startFaultProxy({ upstream: 'http://127.0.0.1:9', repairs: [] })
    const client = clients(lonely.url)
    context.after(async () => {
      client.destroy()
      await lonely.close()
    })
    assert.equal(await code(client.elbv2.send(new DescribeAccountLimitsCommand({}))), cut)
  })
})
