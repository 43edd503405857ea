/**
 * Brings the kernel after the ruleset, one batch at a time. What changes while a batch is being written goes into the next one.
 * A failed batch is followed by a look at what the kernel really holds; rules that others have removed come back.
 * The first write waits for `start`, which the caller makes when Services and EndpointSlices are complete.
 */
import { staleEntries } from './rules/affinity.ts'
import { type Change, difference, type ElementSet, elementId, isEmpty, partsOf } from './rules/elements.ts'
import type { Clock } from '../kube/clock.ts'
import type { Log } from '../kube/log.ts'
import type { Ruleset } from './rules/ruleset.ts'
import type { RuleWriter } from './writer.ts'

export interface SyncOptions {
  ruleset: Ruleset
  writer: RuleWriter
  clock: Clock
  log: Log
  /** Shortest time between the starts of two batches. The first one after a pause is never delayed. */
  minSyncMs: number
  /** Longest time between two attempts after a failure, and between two looks whether our tables are still there. */
  syncMs: number
  observe: SyncObserver
}

interface SyncObserver {
  /** Changes wait for being written since this time; `undefined`: none does. */
  waiting(since: number | undefined): void
  /** The kernel has got this change (which may be empty): what the ruleset settled on is in force. */
  committed(change: Change): void
  /** A batch is in the kernel (also an empty one: the kernel is known to be right). */
  wrote(batch: { kind: 'full' | 'partial'; elements: number; seconds: number }): void
  failed(error: unknown): void
  /** So many remembered clients were taken out. */
  forgot(entries: number): void
  /** Health checks may have changed. */
  settled(): void
}

export interface Sync {
  /** The elements of usable rules that a previous process has left; nothing is written before. */
  inherit(): Promise<ElementSet | undefined>
  /** From now on writes happen. */
  start(): void
  /** Something was marked in the ruleset. */
  poke(): void
  /** Waits for the batch being written, writes no other. The rules stay. */
  stop(): Promise<void>
}

const restoring = 'the rules were changed by somebody else: restoring them'
const firstRetryMs = 500
/** Between two batches, however long they take, or seem to when the clock is moved. */
const longestPauseMs = 4000
/** Somebody who writes into our tables all the time does not make us read them all the time. */
const foreignPauseMs = 400

export function createSync(options: SyncOptions): Sync {
  const { ruleset, writer, clock, log, observe, minSyncMs, syncMs } = options
  let inherited: ElementSet | undefined
  let started = false
  let stopped = false
  let running: Promise<void> | undefined
  let waitingSince: number | undefined
  let lastStart = -Infinity
  let lastTookMs = 0
  let retryMs = firstRetryMs
  let trusted = false
  let affinityDoubt = true
  /** Somebody else may have changed our tables since the last look. */
  let disturbed = false
  /** A look caused by others was not long ago. */
  let resting = false
  let restArmed = false
  let cancelRest = () => {}
  let stopWatching: (() => void) | undefined
  let cancelTimer = () => {}
  let timerAt = Infinity

  const wakeAt = (time: number) => {
    // A timer whose time is over and that did not run yet: it is about to, or the clock was moved.
    const overdue = timerAt <= clock.now()
    if (stopped || (time >= timerAt && !overdue)) return
    cancelTimer()
    timerAt = overdue ? clock.now() : time
    cancelTimer = clock.after(Math.max(0, timerAt - clock.now()), () => {
      timerAt = Infinity
      run()
    })
  }

  /**
   * Never further away than the shortest time between two batches, even if the clock was moved back. Where a batch takes long (iptables
   * with thousands of Services) the writing may take half of the time.
   */
  const nextStart = () => Math.min(lastStart, clock.now()) + Math.max(minSyncMs, lastTookMs * 2)

  const run = () => {
    if (!started || stopped || running) return
    running = round().finally(() => {
      running = undefined
      if (ruleset.hasMarked) wakeAt(nextStart())
      if (resting) rest()
      lookAtDisturbance()
    })
  }

  const round = async () => {
    lastStart = clock.now()
    const since = waitingSince
    waitingSince = undefined
    try {
      if (disturbed && !resting) trusted = false
      const kind = trusted && (await stillOurs()) ? 'partial' : 'full'
      const flipAt = ruleset.settle(lastStart)
      observe.settled()
      const elements = kind === 'full' ? await writeAll() : await writePending()
      lastTookMs = kind === 'full' ? 0 : Math.min(Math.max(0, clock.now() - lastStart), longestPauseMs / 2)
      retryMs = firstRetryMs
      observe.waiting(waitingSince)
      observe.wrote({ kind, elements, seconds: (clock.now() - lastStart) / 1000 })
      if (flipAt !== undefined) wakeAt(flipAt)
      wakeAt(clock.now() + syncMs)
      if (affinityDoubt) await forgetStale()
    } catch (error) {
      trusted = false
      waitingSince = since ?? waitingSince ?? lastStart
      observe.waiting(waitingSince)
      observe.failed(error)
      log.error({ error, retryMs }, 'the rules could not be written')
      wakeAt(clock.now() + retryMs)
      retryMs = Math.min(retryMs * 2, syncMs)
    }
  }

  /** Looked at only when there is nothing to write: a batch for missing tables fails by itself. */
  const stillOurs = async (): Promise<boolean> => {
    if (ruleset.hasMarked) return true
    const intact = await writer.intact()
    if (!intact) log.warn({}, 'the rules were removed or replaced by somebody else: writing them again')
    return intact
  }

  const writePending = async (): Promise<number> => {
    const change = ruleset.pending()
    if (!isEmpty(change)) {
      await writer.apply(change)
      written(change)
    }
    observe.committed(change)
    return change.add.size + change.remove.size
  }

  const watch = () => {
    stopWatching ??= writer.watch?.(() => {
      disturbed = true
      lookAtDisturbance()
    })
  }

  const lookAtDisturbance = () => {
    if (disturbed && started && !running && !resting) wakeAt(clock.now())
  }

  /** After the look, however long it took. */
  const rest = () => {
    if (stopped || restArmed) return
    restArmed = true
    cancelRest = clock.after(foreignPauseMs, () => {
      restArmed = false
      resting = false
      lookAtDisturbance()
    })
  }

  const writeAll = async (): Promise<number> => {
    const byOthers = disturbed
    disturbed = false
    if (byOthers) {
      inherited = undefined
      resting = true
    }
    const present = inherited ?? (await writer.read())
    inherited = undefined
    ruleset.disown()
    const { desired } = ruleset
    const change = present && difference(present, desired)
    ruleset.written()
    if (byOthers && (change === undefined || !isEmpty(change))) {
      log.warn({ tables: change === undefined ? 'missing or altered' : 'present', ...countsOf(change) }, restoring)
    }
    if (change === undefined) await writer.replace(desired)
    else await writer.apply(change).catch(() => writer.replace(desired))
    trusted = true
    affinityDoubt = true
    observe.committed(change ?? { remove: new Map(), add: desired })
    return change === undefined ? desired.size : change.add.size + change.remove.size
  }

  const written = (change: Change) => {
    ruleset.written()
    // Only a removal can leave clients remembered at an endpoint that they should not reach any more.
    for (const id of change.remove.keys()) {
      if (isRemembering(id)) affinityDoubt = true
    }
  }

  const isRemembering = (id: string): boolean => {
    const { family, map, key } = partsOf(id)
    if (map === 'session' || map === 'learn') return true
    if (map !== 'ep' && map !== 'ep-local') return false
    return ruleset.desired.has(elementId(family, 'session', key.slice(0, key.lastIndexOf(' . '))))
  }

  /** A failure here is tried again after the next batch or at the next look. */
  const forgetStale = async () => {
    try {
      const stale = staleEntries(await writer.affinity(), (family, id) => ruleset.sessionTargets(family, id))
      if (stale.length > 0) {
        await writer.forget(stale)
        observe.forgot(stale.length)
      }
      affinityDoubt = false
    } catch (error) {
      log.warn({ error }, 'clients remembered by session affinity could not be looked through')
    }
  }

  return {
    async inherit() {
      watch()
      inherited = await writer.read()
      if (inherited) ruleset.adopt(inherited)
      return inherited
    },
    start() {
      watch()
      started = true
      run()
    },
    poke() {
      if (waitingSince === undefined) {
        waitingSince = clock.now()
        observe.waiting(waitingSince)
      }
      if (started && !running) wakeAt(nextStart())
    },
    async stop() {
      stopped = true
      cancelTimer()
      cancelRest()
      stopWatching?.()
      await running
    },
  }
}

function countsOf(change: Change | undefined): { missing: number; foreign: number } | undefined {
  return change && { missing: change.add.size, foreign: change.remove.size }
}
