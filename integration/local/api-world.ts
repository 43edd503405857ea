/**
 * The local provider over its real control API (HTTP on a unix socket), as a world of the conformance suite. The server runs in this
 * process without a kernel behind it; time passes and nodes answer when the suite says so. Lost answers are connections really cut.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type { World } from '../../providers/conformance-world.ts'
import { parsePool } from '../../providers/local/balancer/addresses.ts'
import { createBalancer } from '../../providers/local/balancer/balancer.ts'
import type { Clock } from '../../providers/local/balancer/clock.ts'
import { createControlApi } from '../../providers/local/balancer/control-api.ts'
import type { Faults } from '../../providers/local/balancer/faults.ts'
import { emptyState } from '../../providers/local/balancer/model.ts'
import { isPending } from '../../providers/local/balancer/targets.ts'
import type { LocalCloud } from '../../providers/local/cloud.ts'
import { createHttpCloud } from '../../providers/local/http.ts'
import { createLocalProvider } from '../../providers/local/provider.ts'
import { asSuite, localNode, squatterOf } from '../../providers/local/world.ts'

const hourMs = 3_600_000

export async function apiWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'roadstead-api-'))
  const socketPath = join(folder, 'control.sock')
  const clock = steppedClock()
  let gate: Promise<void> | undefined
  let open = () => {}
  const pools = ['203.0.113.0/24', '2001:db8:113::/64'].map(parsePool)
  const balancer = createBalancer({
    initial: emptyState,
    settings: { pools: { public: pools, internal: pools }, loadBalancerQuota: Infinity },
    insideInterfaces: [],
    firstZone: 1,
    clock,
    log: { info: () => {}, warn: () => {} },
    probe: async () => (await gate, { healthy: true }),
    dataPlane: { apply: async () => {}, clear: async () => {} },
    save: async () => {},
  })
  const { core } = balancer
  const server = createControlApi(balancer)
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))

  const real = createHttpCloud(`unix:${socketPath}`)
  const nowhere = createHttpCloud(`unix:${join(folder, 'nobody.sock')}`)
  let interruption: { left: number; last: 'done' | 'not-done' } | undefined
  const forMutation = async (): Promise<LocalCloud> => {
    if (!interruption) return real
    if (--interruption.left < 0) return nowhere
    if (interruption.left > 0) return real
    if (interruption.last === 'not-done') return nowhere
    await patchFaults(socketPath, { lostReplies: 1 })
    return real
  }
  const cloud: LocalCloud = {
    list: (tags, signal) => (interruption && interruption.left <= 0 ? nowhere : real).list(tags, signal),
    create: async (object, signal) => (await forMutation()).create(object, signal),
    update: async (object, signal) => (await forMutation()).update(object, signal),
    remove: async (kind, name, tags, signal) => (await forMutation()).remove(kind, name, tags, signal),
  }

  return {
    provider: createLocalProvider(cloud),
    providerId: localNode,
    async restart() {
      interruption = undefined
      return createLocalProvider(cloud)
    },
    interrupt(calls, last) {
      interruption = { left: calls, last }
    },
    fail(kind) {
      const once = { throttled: { throttle: 1, retryAfterSeconds: 3 }, unavailable: { errors: 1 } }
      core.faults = { ...core.faults, ...once[kind] }
    },
    mutations: async () => core.mutations().map(asSuite),
    inventory: async () =>
      core
        .list(() => true)
        .map((object) => JSON.stringify(object))
        .sort(),
    squat: async (resource) => core.change({ verb: 'create', request: squatterOf(resource) }),
    hold() {
      core.faults = { ...core.faults, provisioningMs: hourMs / 2 }
      gate = new Promise((resolve) => (open = resolve))
    },
    async settle() {
      open()
      gate = undefined
      do {
        clock.pass(hourMs)
        await turn()
        await balancer.settled()
      } while (Object.values(core.state().targetGroups).some(isPending))
      core.expire()
    },
    async close() {
      open()
      await balancer.stop()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface SteppedClock extends Clock {
  /** This much time goes by, and everything due happens. */
  pass(ms: number): void
}

function steppedClock(): SteppedClock {
  let time = 0
  const timers = new Map<object, { at: number; run: () => void }>()
  return {
    now: () => time,
    after(ms, run) {
      const key = {}
      timers.set(key, { at: time + ms, run })
      return () => void timers.delete(key)
    },
    pass(ms) {
      time += ms
      for (const [key, { at, run }] of timers) {
        if (at > time) continue
        timers.delete(key)
        run()
      }
    },
  }
}

function patchFaults(socketPath: string, faults: Partial<Faults>): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method: 'PATCH', path: '/v1/faults', agent: false }, (response) => {
      response.resume()
      response.on('end', resolve)
    })
    call.on('error', reject)
    call.end(JSON.stringify(faults))
  })
}
