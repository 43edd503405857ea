/**
 * The balancer's control API on a unix socket, served from this process with no kernel behind it. Time passes and nodes answer when the
 * test says so.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { parsePool } from '../../providers/local/balancer/addresses.ts'
import type { Balancer } from '../../providers/local/balancer/balancer.ts'
import { createBalancer } from '../../providers/local/balancer/balancer.ts'
import type { Clock } from '../../providers/local/balancer/clock.ts'
import { createControlApi } from '../../providers/local/balancer/control-api.ts'
import { emptyState } from '../../providers/local/balancer/model.ts'
import { isPending } from '../../providers/local/balancer/targets.ts'

export const hourMs = 3_600_000

export interface ApiServer {
  balancer: Balancer
  socketPath: string
  /** A path nobody listens on. */
  deadPath: string
  /** This much time goes by, and everything due happens. */
  pass(ms: number): void
  /** From now on no node answers a health check. */
  hold(): void
  /** Nodes answer, hours pass, nothing is pending or draining any more. */
  settle(): Promise<void>
  close(): Promise<void>
}

export interface ApiServerOptions {
  pools?: readonly string[]
  /** Rejects as nft does when the rules cannot be loaded. */
  apply?: () => Promise<void>
}

export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'roadstead-api-'))
  const socketPath = join(folder, 'control.sock')
  const clock = steppedClock()
  let gate: Promise<void> | undefined
  let open = () => {}
  const pools = (options.pools ?? ['203.0.113.0/24', '2001:db8:113::/64']).map(parsePool)
  const balancer = createBalancer({
    initial: emptyState,
    settings: { pools: { public: pools, internal: pools }, loadBalancerQuota: Infinity },
    insideInterfaces: [],
    firstZone: 1,
    clock,
    log: { info: () => {}, warn: () => {} },
    probe: async () => (await gate, { healthy: true }),
    dataPlane: { apply: options.apply ?? (async () => {}), clear: async () => {} },
    save: async () => {},
  })
  const { core } = balancer
  const server = createServer(createControlApi(balancer))
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return {
    balancer,
    socketPath,
    deadPath: join(folder, 'nobody.sock'),
    pass: (ms) => clock.pass(ms),
    hold() {
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
