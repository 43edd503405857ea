import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createApi } from '../sandbox/apiserver/api.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import type { KubeClient } from './client.ts'
import type { Clock } from './clock.ts'
import { type ElectionOptions, runElection } from './lease.ts'
import { silent } from './log.ts'
import { leases } from './resources.ts'
import { createVirtualClock, settled, type VirtualClock } from './virtual-clock.ts'

const at = { namespace: 'kube-system', name: 'roadstead' }

function cluster() {
  const clock = createVirtualClock()
  const api = createApi({ clock, random: () => 0.5 })
  const client = inProcessClient(api)
  const lease = async () => (await client.get(leases, at)).spec
  return { clock, api, client, lease, leaders: [] as string[] }
}

type Cluster = ReturnType<typeof cluster>

/** A candidate whose work lasts until its signal aborts, and then `windDownMs` longer. */
function candidate(c: Cluster, identity: string, more: Partial<ElectionOptions> & { windDownMs?: number } = {}) {
  const stopping = new AbortController()
  const state = { leading: false, ledAt: [] as number[] }
  const started = c.clock.now()
  const running = runElection({
    client: c.client,
    ...at,
    identity,
    clock: c.clock,
    random: () => 0,
    log: silent,
    onLeader: (leader) => c.leaders.push(`${identity} sees ${leader}`),
    lead: async (signal) => {
      state.leading = true
      state.ledAt.push(c.clock.now() - started)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      if (more.windDownMs) await new Promise<void>((resolve) => c.clock.after(more.windDownMs ?? 0, resolve))
      state.leading = false
    },
    signal: stopping.signal,
    ...more,
  })
  return { state, running, stop: () => stopping.abort() }
}

/** The same timers, but `now` shows another time. */
const skewed = (clock: VirtualClock, byMs: number): Clock => ({ ...clock, now: () => clock.now() + byMs })

/** A client that fails from the moment `broken` says so. */
function breakable(client: KubeClient, broken: () => boolean): KubeClient {
  return new Proxy(client, {
    get(target, name: keyof KubeClient) {
      if (!broken()) return target[name]
      return () => Promise.reject(new Error('connect ECONNREFUSED'))
    },
  })
}

describe('the election', () => {
  test('makes the Lease, leads at once and renews', async () => {
    const c = cluster()
    const a = candidate(c, 'a')
    await c.clock.advance(0)
    assert.equal(a.state.leading, true)
    const first = await c.lease()
    assert.deepEqual([first?.holderIdentity, first?.leaseDurationSeconds, first?.leaseTransitions], ['a', 15, 0])
    assert.match(first?.renewTime ?? '', /^2026-01-01T00:00:00\.000000Z$/)
    await c.clock.advance(2000)
    const second = await c.lease()
    assert.equal(second?.renewTime, '2026-01-01T00:00:02.000000Z')
    assert.equal(second?.acquireTime, first?.acquireTime)
    a.stop()
    assert.equal(await a.running, 'stopped')
  })

  test('has one leader of two, and the other follows when the first is stopped', async () => {
    const c = cluster()
    const [a, b] = [candidate(c, 'a'), candidate(c, 'b')]
    await c.clock.advance(60_000)
    assert.deepEqual([a.state.leading, b.state.leading], [true, false])
    a.stop()
    await c.clock.advance(0)
    assert.equal((await c.lease())?.holderIdentity, '')
    await c.clock.advance(2000)
    assert.equal(b.state.leading, true)
    assert.equal((await c.lease())?.leaseTransitions, 1)
    assert.ok(c.leaders.includes('b sees a') && c.leaders.includes('b sees b'))
    b.stop()
    await b.running
    assert.equal(c.clock.pending, 0)
  })

  test('passes a dead leader’s lease on after its duration, not before', async () => {
    const c = cluster()
    let dead = false
    const a = candidate(c, 'a', { client: breakable(c.client, () => dead) })
    const b = candidate(c, 'b')
    await c.clock.advance(30_000)
    dead = true
    await c.clock.advance(13_000)
    assert.equal(b.state.leading, false)
    await c.clock.advance(6000)
    assert.equal(b.state.leading, true)
    b.stop()
    await Promise.all([a.running, b.running])
  })

  test('makes a leader that cannot reach the API server step down before another may lead', async () => {
    const c = cluster()
    let broken = false
    const a = candidate(c, 'a', { client: breakable(c.client, () => broken) })
    const b = candidate(c, 'b')
    await c.clock.advance(30_000)
    broken = true
    let both = false
    for (let i = 0; i < 300; i += 1) {
      await c.clock.advance(100)
      both ||= a.state.leading && b.state.leading
    }
    assert.equal(both, false)
    assert.equal(await a.running, 'lost')
    assert.equal(b.state.leading, true)
    b.stop()
    await b.running
  })

  test('makes a leader step down in time when its request hangs', async () => {
    const c = cluster()
    const a = candidate(c, 'a')
    await c.clock.advance(30_000)
    c.api.faults.add({ kind: 'hang' })
    await c.clock.advance(10_000)
    assert.equal(a.state.leading, false)
    assert.equal(await a.running, 'lost')
    assert.equal(c.clock.pending, 0)
  })

  test('survives an API server that is away for less than the renew deadline', async () => {
    const c = cluster()
    const a = candidate(c, 'a')
    await c.clock.advance(30_000)
    c.api.faults.add({ kind: 'refuse', code: 503 })
    await c.clock.advance(7000)
    c.api.faults.clear()
    await c.clock.advance(30_000)
    assert.equal(a.state.leading, true)
    a.stop()
    await a.running
  })

  for (const hours of [-5, 5]) {
    test(`does not care that the other's clock shows a time ${hours} hours off`, async () => {
      const c = cluster()
      const a = candidate(c, 'a', { clock: skewed(c.clock, hours * 3_600_000) })
      const b = candidate(c, 'b')
      await c.clock.advance(120_000)
      assert.deepEqual([a.state.leading, b.state.leading], [true, false])
      a.stop()
      b.stop()
      await Promise.all([a.running, b.running])
    })

    test(`does not care that its own clock is set by ${hours} hours`, async () => {
      const c = cluster()
      const [a, b] = [candidate(c, 'a'), candidate(c, 'b')]
      await c.clock.advance(30_000)
      c.clock.jump(hours * 3_600_000)
      await c.clock.advance(60_000)
      assert.deepEqual([a.state.leading, b.state.leading], [true, false])
      a.stop()
      b.stop()
      await Promise.all([a.running, b.running])
    })
  }

  test('goes on renewing until the work has ended, and only then releases', async () => {
    const c = cluster()
    const a = candidate(c, 'a', { windDownMs: 40_000 })
    const b = candidate(c, 'b')
    await c.clock.advance(10_000)
    a.stop()
    await c.clock.advance(39_000)
    assert.deepEqual([a.state.leading, b.state.leading], [true, false])
    await c.clock.advance(3000)
    assert.deepEqual([a.state.leading, b.state.leading], [false, true])
    b.stop()
    await Promise.all([a.running, b.running])
  })

  test('ends at once when another has taken the lease by force', async () => {
    const c = cluster()
    const a = candidate(c, 'a')
    await c.clock.advance(10_000)
    await c.client.patch(leases, at, { type: 'merge', body: { spec: { holderIdentity: 'intruder' } } })
    await c.clock.advance(2000)
    assert.equal(await a.running, 'lost')
    assert.equal((await c.lease())?.holderIdentity, 'intruder')
  })

  test('leaves a lease alone that is renewed after its time was up, before it was taken', async () => {
    const c = cluster()
    const spec = { holderIdentity: 'slow', leaseDurationSeconds: 15 }
    await c.client.create(leases, { metadata: at, spec: { ...spec, renewTime: '2020-01-01T00:00:00.000000Z' } })
    const b = candidate(c, 'b')
    await c.clock.advance(15_500)
    await c.client.patch(leases, at, { type: 'merge', body: { spec: { renewTime: '2020-01-01T00:00:15.000000Z' } } })
    await c.clock.advance(14_000)
    assert.equal(b.state.leading, false)
    await c.clock.advance(4000)
    assert.equal(b.state.leading, true)
    b.stop()
    await b.running
  })

  test('keeps leading when somebody touches the Lease without taking it', async () => {
    const c = cluster()
    const a = candidate(c, 'a')
    await c.clock.advance(10_000)
    await c.client.patch(leases, at, { type: 'merge', body: { metadata: { labels: { touched: 'yes' } } } })
    await c.clock.advance(30_000)
    assert.equal(a.state.leading, true)
    assert.deepEqual((await c.client.get(leases, at)).metadata.labels, { touched: 'yes' })
    a.stop()
    await a.running
  })

  test('leads again at once after a restart under the same name', async () => {
    const c = cluster()
    let dead = false
    const a = candidate(c, 'a', { client: breakable(c.client, () => dead) })
    await c.clock.advance(5000)
    dead = true
    const again = candidate(c, 'a')
    await c.clock.advance(0)
    assert.equal(again.state.leading, true)
    assert.equal((await c.lease())?.leaseTransitions, 0)
    again.stop()
    await c.clock.advance(20_000)
    await Promise.all([a.running, again.running])
  })

  test('makes no leader of two that create the Lease at the same moment', async () => {
    const c = cluster()
    const all = ['a', 'b', 'c'].map((identity) => candidate(c, identity))
    await c.clock.advance(0)
    assert.equal(all.filter(({ state }) => state.leading).length, 1)
    for (const { stop } of all) stop()
    await Promise.all(all.map(({ running }) => running))
  })

  test('throws what the work throws, after releasing the lease', async () => {
    const c = cluster()
    const a = candidate(c, 'a', { lead: () => Promise.reject(new Error('no such cloud')) })
    await assert.rejects(a.running, /no such cloud/)
    assert.equal((await c.lease())?.holderIdentity, '')
  })

  test('is finished when the work returns by itself', async () => {
    const c = cluster()
    const a = candidate(c, 'a', { lead: () => Promise.resolve() })
    assert.equal(await a.running, 'finished')
  })

  test('stops while it waits for the lease, leaving no timer', async () => {
    const c = cluster()
    const a = candidate(c, 'a')
    await c.clock.advance(0)
    const b = candidate(c, 'b')
    await c.clock.advance(1000)
    b.stop()
    assert.equal(await b.running, 'stopped')
    a.stop()
    await a.running
    await settled()
    assert.equal(c.clock.pending, 0)
  })

  test('refuses times that cannot work', async () => {
    const c = cluster()
    await assert.rejects(candidate(c, 'a', { leaseDurationMs: 10_000 }).running, RangeError)
    await assert.rejects(candidate(c, 'a', { renewDeadlineMs: 2_400 }).running, RangeError)
  })
})
