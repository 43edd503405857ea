/**
 * Leader election on a coordination.k8s.io/v1 Lease, with the semantics of client-go's leaderelection package: one leader at a
 * time as long as clocks run at about the same rate; what the clocks show does not matter, because the age of somebody else's
 * lease is the time since we saw it change. Durations are timers, so a clock that is set forward or back changes nothing.
 */
import { isApiError, type KubeClient } from './client.ts'
import { type Clock, sleep } from './clock.ts'
import type { Log } from './log.ts'
import type { Lease } from './objects.ts'
import { leases } from './resources.ts'

export interface ElectionOptions {
  client: KubeClient
  namespace: string
  name: string
  /** Unique per process: `<host>_<uuid>`. */
  identity: string
  clock: Clock
  random: () => number
  log: Log
  /** How long others wait before they take a lease that is not renewed; default 15 s. */
  leaseDurationMs?: number
  /** How long the leader tries to renew before it gives up leading; default 10 s. Must be less than the lease duration. */
  renewDeadlineMs?: number
  /** Between two tries; default 2 s. */
  retryPeriodMs?: number
  /** Runs while we lead. Its signal aborts when the lease is lost or the election is stopped; it should then return soon. */
  lead: (signal: AbortSignal) => Promise<void>
  /** Somebody (perhaps we) was seen to hold the lease. */
  onLeader?: (identity: string) => void
  signal: AbortSignal
}

/** `lost`: the lease could not be renewed in time or was taken. `finished`: `lead` returned by itself. */
export type ElectionEnd = 'stopped' | 'lost' | 'finished'

/**
 * Waits for the lease, leads, and ends. When stopped it goes on renewing until `lead` has returned and then releases the lease,
 * so that the next leader starts at once and never beside us. Throws what `lead` throws.
 */
export async function runElection(options: ElectionOptions): Promise<ElectionEnd> {
  const { clock, signal, log } = options
  const times = electionTimes(options)
  const candidate = createCandidate(options, times)
  const who = { lease: `${options.namespace}/${options.name}`, identity: options.identity }
  try {
    while (!(await candidate.tryLease(signal, times.renewDeadlineMs))) {
      await sleep(clock, times.retryPeriodMs * (1 + jitterFactor * options.random()), signal)
      if (signal.aborted) return 'stopped'
    }
    if (signal.aborted) {
      await candidate.release()
      return 'stopped'
    }
    log.info(who, 'became leader')
    const end = await leadWhileRenewed(options, times, candidate)
    log.info({ ...who, end }, 'stopped leading')
    return end
  } finally {
    candidate.close()
  }
}

/** client-go leaderelection.JitterFactor. */
const jitterFactor = 1.2

interface ElectionTimes {
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
}

function electionTimes(options: ElectionOptions): ElectionTimes {
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options
  if (leaseDurationMs <= renewDeadlineMs)
    throw new RangeError('the lease duration must be longer than the renew deadline')
  if (renewDeadlineMs <= retryPeriodMs * jitterFactor) {
    throw new RangeError(`the renew deadline must be longer than ${jitterFactor} retry periods`)
  }
  return { leaseDurationMs, renewDeadlineMs, retryPeriodMs }
}

async function leadWhileRenewed(
  options: ElectionOptions,
  times: ElectionTimes,
  candidate: Candidate,
): Promise<ElectionEnd> {
  const { clock, signal, log } = options
  const leading = new AbortController()
  const ended = new AbortController()
  let lost = false
  const lose = () => {
    lost = true
    leading.abort()
    ended.abort()
  }
  const stop = () => leading.abort()
  signal.addEventListener('abort', stop, { once: true })
  const work = (async () => options.lead(leading.signal))().finally(() => ended.abort())

  let cancelDeadline = clock.after(times.renewDeadlineMs, lose)
  const renewing = (async () => {
    for (;;) {
      await sleep(clock, times.retryPeriodMs, ended.signal)
      if (ended.signal.aborted) return
      // The deadline counts from before the request: others may count from when it was stored.
      const cancelNext = clock.after(times.renewDeadlineMs, lose)
      const renewed = await candidate.tryLease(ended.signal, times.renewDeadlineMs)
      if (renewed) {
        cancelDeadline()
        cancelDeadline = cancelNext
      } else {
        cancelNext()
        if (candidate.heldByOther()) {
          log.warn({ holder: candidate.holder() }, 'the lease was taken by another')
          lose()
        }
      }
    }
  })()

  try {
    await work
  } finally {
    signal.removeEventListener('abort', stop)
    await renewing
    cancelDeadline()
    if (!lost) await candidate.release()
  }
  if (lost) return 'lost'
  return signal.aborted ? 'stopped' : 'finished'
}

interface Candidate {
  /** Takes or renews the lease. False when another holds it or the request failed; never throws. */
  tryLease(signal: AbortSignal, timeoutMs: number): Promise<boolean>
  holder(): string | undefined
  heldByOther(): boolean
  /** Leaves the lease without a holder, when it is ours. Never throws. */
  release(): Promise<void>
  close(): void
}

function createCandidate(options: ElectionOptions, times: ElectionTimes): Candidate {
  const { client, namespace, name, identity, clock, log } = options
  let seen: Lease | undefined
  let expired = false
  let cancelExpiry = () => {}

  const holder = () => seen?.spec?.holderIdentity || undefined
  const heldByOther = () => holder() !== undefined && holder() !== identity && !expired

  function observe(lease: Lease): void {
    const changed = JSON.stringify(lease.spec) !== JSON.stringify(seen?.spec)
    const before = holder()
    seen = lease
    if (!changed) return
    cancelExpiry()
    expired = false
    const seconds = lease.spec?.leaseDurationSeconds
    cancelExpiry = clock.after(seconds ? seconds * 1000 : times.leaseDurationMs, () => {
      expired = true
    })
    const now = holder()
    if (now !== undefined && now !== before) options.onLeader?.(now)
  }

  async function takeOrRenew(signal: AbortSignal): Promise<boolean> {
    // Renewing is one request as long as nobody else writes the lease.
    if (seen && holder() === identity && !expired) {
      try {
        observe(await client.replace(leases, { ...seen, spec: renewed(seen) }, {}, signal))
        return true
      } catch (error) {
        if (signal.aborted) throw error
        log.debug({ err: error }, 'lease renewal failed, reading the lease again')
      }
    }
    let lease: Lease
    try {
      lease = await client.get(leases, { namespace, name }, signal)
    } catch (error) {
      if (!isApiError(error, 404)) throw error
      const spec = { ...renewed(undefined), leaseTransitions: 0 }
      observe(await client.create(leases, { ...typed, metadata: { namespace, name }, spec }, {}, signal))
      return true
    }
    observe(lease)
    if (heldByOther()) return false
    observe(await client.replace(leases, { ...lease, spec: renewed(lease) }, {}, signal))
    return true
  }

  function renewed(lease: Lease | undefined): NonNullable<Lease['spec']> {
    const now = microTime(clock.now())
    const ours = lease?.spec?.holderIdentity === identity
    return {
      ...lease?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(times.leaseDurationMs / 1000),
      acquireTime: (ours && lease.spec?.acquireTime) || now,
      renewTime: now,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (ours ? 0 : 1),
    }
  }

  /** Runs `request` with a signal that aborts with `outer` or after `timeoutMs`; false when it failed. */
  async function limited(
    outer: AbortSignal | undefined,
    timeoutMs: number,
    request: (signal: AbortSignal) => Promise<boolean>,
  ): Promise<boolean> {
    if (outer?.aborted) return false
    const limit = new AbortController()
    const abort = () => limit.abort()
    outer?.addEventListener('abort', abort, { once: true })
    const cancel = clock.after(timeoutMs, abort)
    try {
      return await request(limit.signal)
    } catch (error) {
      const conflict = isApiError(error, 409)
      if (!outer?.aborted) log[conflict ? 'debug' : 'warn']({ err: error }, 'could not take or renew the lease')
      return false
    } finally {
      cancel()
      outer?.removeEventListener('abort', abort)
    }
  }

  return {
    tryLease: (signal, timeoutMs) => limited(signal, timeoutMs, takeOrRenew),
    holder,
    heldByOther,
    async release() {
      await limited(undefined, times.renewDeadlineMs, async (signal) => {
        if (!seen || holder() !== identity) return false
        const now = microTime(clock.now())
        const spec = { ...seen.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now }
        await client.replace(leases, { ...seen, spec }, {}, signal)
        return true
      })
    },
    close: () => cancelExpiry(),
  }
}

const typed = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } as const

/** metav1.MicroTime demands six digits. */
function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
