/**
 * Whether this node can serve, as load balancers and the kubelet ask for it. Pure but for its own state; time comes in.
 * The rules are kube-proxy's (KEP-3836): unhealthy when a change has waited for longer than twice the sync period. One more is ours: until the
 * first write, a node without usable rules of a previous run is not healthy for load balancers.
 */
import type { Clock } from '../kube/clock.ts'

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
  body: { lastUpdated: string; currentTime: string; nodeEligible?: boolean }
}

export function createHealth(clock: Clock, syncMs: number): Health {
  let waitingSince: number | undefined
  let lastWritten: number | undefined
  let usable = false
  let eligible = true

  const alive = () => waitingSince === undefined || clock.now() - waitingSince <= 2 * syncMs
  const serving = () => usable && alive()
  const times = () => {
    const now = clock.now()
    // As kube-proxy does it: with nothing waiting, the rules are as new as they can be.
    const updated = waitingSince === undefined && lastWritten !== undefined ? now : (lastWritten ?? 0)
    return { lastUpdated: new Date(updated).toISOString(), currentTime: new Date(now).toISOString() }
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
    healthz: () => ({ code: serving() && eligible ? 200 : 503, body: { ...times(), nodeEligible: eligible } }),
    livez: () => ({ code: alive() ? 200 : 503, body: times() }),
  }
}
