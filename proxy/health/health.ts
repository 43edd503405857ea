/**
 * Whether this node can serve, as load balancers and the kubelet ask for it. Pure but for its own state; time comes in.
 * The rules and the body are kube-proxy's (KEP-3836): unhealthy when a change has waited for twice the sync period. One more is ours: until
 * the first write, a node without usable rules of a previous run is not healthy for load balancers.
 */
import type { Clock } from '../../kube/clock.ts'
import { type Family, families } from '../rules/addresses.ts'

export interface Health {
  /** See SyncObserver.waiting. */
  waiting(since: number | undefined): void
  /** The kernel holds what it should. */
  wrote(): void
  /** Rules of a previous run are in force. */
  inherited(): void
  /** Whether the Node may get new connections. */
  setEligible(eligible: boolean): void
  /** Traffic is forwarded and changes arrive: what health check node ports add to their own count. */
  serving(): boolean
  /** Answer of `/healthz`: for load balancers. */
  healthz(): HealthAnswer
  /** Answer of `/livez`: for liveness probes; the Node's state is not part of it. */
  livez(): HealthAnswer
}

interface HealthAnswer {
  code: 200 | 503
  body: HealthBody
}

interface HealthBody {
  lastUpdated: string
  currentTime: string
  nodeEligible?: boolean
  healthy: boolean
  /** By family; absent until the first write. */
  status?: Record<string, { lastUpdated: string; healthy: boolean }>
}

const familyNames = { ip: 'IPv4', ip6: 'IPv6' } as const

/** @param served families that the body speaks of */
export function createHealth(clock: Clock, syncMs: number, served: readonly Family[] = families): Health {
  let waitingSince: number | undefined
  let lastWritten: number | undefined
  let usable = false
  let eligible = true

  const alive = () => waitingSince === undefined || clock.now() - waitingSince < 2 * syncMs
  const serving = () => usable && alive()
  const text = (time: number) => new Date(time).toISOString()

  const answer = (good: boolean, healthy: boolean, more: { nodeEligible?: boolean }): HealthAnswer => {
    const now = clock.now()
    // Who answers 200 says that it is up to date, changed or not: so kube-proxy does it, and load balancers' dashboards read it.
    const updated = good ? now : (lastWritten ?? 0)
    const written = lastWritten
    return {
      code: good ? 200 : 503,
      body: {
        lastUpdated: text(updated),
        currentTime: text(now),
        ...more,
        healthy,
        // One batch serves all of them.
        ...(written !== undefined && {
          status: Object.fromEntries(
            served.map((family) => [familyNames[family], { lastUpdated: text(written), healthy: alive() }]),
          ),
        }),
      },
    }
  }

  return {
    waiting(since) {
      waitingSince = since
    },
    wrote() {
      lastWritten = clock.now()
      usable = true
    },
    inherited() {
      usable = true
    },
    setEligible(value) {
      eligible = value
    },
    serving,
    healthz: () => answer(serving() && eligible, serving(), { nodeEligible: eligible }),
    livez: () => answer(alive(), alive(), {}),
  }
}
