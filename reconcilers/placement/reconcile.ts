/**
 * One Service in one cloud: observe, plan, apply, until nothing differs, and remember what was found. Deletion is the same path with
 * nothing wanted. Before a destructive step, and before creating for a Service that only a cache vouches for, the Service is read again.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import type { WorkResult } from '../../kube/workers.ts'
import { CloudError } from '../../providers/contract.ts'
import type {
  LoadBalancerSpec,
  Lowered,
  Provider,
  Reason,
  Resource,
  Step,
  TargetNode,
  Unsupported,
} from '../../providers/contract.ts'
import type { Draining } from '../../providers/drain.ts'
import { progress } from '../../providers/plan.ts'
import { apply, describePlan, describeStep } from '../apply.ts'
import { interpret } from '../requeue.ts'
import type { Documents } from '../shared/documents.ts'
import { serviceKeyOf } from './placements.ts'
import type { Placement, Placements } from './placements.ts'
import { failedOutcome, lookOutcome, unsupportedOutcome } from './look.ts'
import type { Outcome } from './outcome.ts'
import { drainedAt, drainingReason, succession } from './succession.ts'
import type { Succession, SuccessionGoal } from './succession.ts'

export interface PlacementDeps {
  provider: Provider
  placements: Placements
  documents: Documents
  nodes: (selector?: Readonly<Record<string, string>>) => readonly TargetNode[]
  /** A fresh read: does the API server's Service still ask for exactly this of this cloud (or, with nothing wanted, no longer)? */
  confirm: (placement: Placement, signal: AbortSignal) => Promise<boolean>
  /** The outcome changed: the Service's status may have to. */
  settled: (serviceKey: string) => void
  clock: Clock
  random: () => number
  log: Log
  driftIntervalMs: number
  observed?: PlacementHooks
}

/** For metrics. */
interface PlacementHooks {
  /** A difference that nobody asked for was found in the cloud. */
  drift?(cloud: string): void
  failed?(cloud: string, error: CloudError): void
}

/** Plans after plans: a replacement takes two, a plan that never ends is the cloud's disagreement with us and has to wait. */
const rounds = 5

export function placementReconciler(deps: PlacementDeps) {
  return async (key: string, signal: AbortSignal): Promise<WorkResult> => {
    const placement = deps.placements.at(deps.provider.name, key)
    if (placement === undefined) return undefined
    const base = placement.base
    placement.looking = base
    try {
      return await (base === undefined
        ? release(deps, placement, signal)
        : provision(deps, placement, { ...base, nodes: deps.nodes(base.nodeSelector) }, signal))
    } catch (error) {
      if (!(error instanceof CloudError)) throw error
      return failed(deps, placement, error)
    }
  }
}

async function provision(
  deps: PlacementDeps,
  placement: Placement,
  spec: LoadBalancerSpec,
  signal: AbortSignal,
): Promise<WorkResult> {
  const { provider, documents } = deps
  const lowered = provider.lower(spec)
  if (lowered.kind === 'unsupported') return unsupported(deps, placement, lowered)
  documents.contribute(spec.owner, lowered.fragments)
  const { base, settled, outcome: last } = placement
  const unasked = last?.state === 'Ready' && settled?.base === base && settled?.nodes === spec.nodes
  const succeeding = placement.succession !== undefined
  const look = await converge(
    deps,
    placement,
    {
      own: lowered.own,
      lowered,
      drainSeconds: spec.drainSeconds ?? 0,
      deleteDrainSeconds: spec.deleteDrainSeconds ?? 0,
      waitSeconds: spec.replacementWaitSeconds,
      nodes: spec.nodes,
    },
    signal,
  )
  if (look.kind === 'stopped') return look.result
  if (look.written > 0 && unasked && !succeeding) deps.observed?.drift?.(provider.name)
  if (look.written > 0) documents.again(spec.owner)
  const failure = documents.failure(spec.owner)
  if (failure !== undefined) {
    finish(deps, placement, failedOutcome(placement, failure))
    return undefined
  }
  const asItStood = look.kind === 'looked' && look.written === 0 && look.waiting.length === 0 && look.held === undefined
  // After a restart what was told before stands until the documents have been looked at, which wakes this placement.
  if (asItStood && placement.outcome === undefined && documents.unseen(spec.owner)) return undefined
  const inEffect = look.waiting.length === 0 && documents.settled(spec.owner)
  const outcome = lookOutcome(placement, provider, look.observed, {
    policy: spec.policy,
    inEffect: inEffect && look.kind === 'looked',
    waiting: look.waiting,
    held: look.held,
    nodes: spec.nodes,
    now: deps.clock.now(),
    notes: [
      ...look.notes,
      ...(lowered.notes ?? []),
      ...(provider.notes?.(look.observed, spec.nodes) ?? []),
      ...documents.notes(spec.owner),
    ],
  })
  if (outcome.state === 'Ready') placement.settled = { base, nodes: spec.nodes }
  return wait(deps, placement, outcome, look.againMs)
}

async function release(deps: PlacementDeps, placement: Placement, signal: AbortSignal): Promise<WorkResult> {
  const { provider, documents } = deps
  const { deleteDrainSeconds } = placement
  if (!(await letGo(deps, placement, signal))) return { retryMs: 100 }
  const look = await converge(deps, placement, { own: [], drainSeconds: 0, deleteDrainSeconds, nodes: [] }, signal)
  if (look.kind === 'stopped') return look.result
  const empty = look.observed.length === 0
  if (empty && !placement.withdrawn) {
    await documents.withdraw(placement.owner, signal)
    placement.withdrawn = true
  }
  const failure = documents.failure(placement.owner)
  if (failure !== undefined) {
    finish(deps, placement, failedOutcome(placement, failure))
    return undefined
  }
  const state = empty && placement.withdrawn && documents.left(placement.owner) ? 'Released' : 'Releasing'
  const outcome = {
    ...lookOutcome(placement, provider, look.observed, {
      policy: undefined,
      inEffect: false,
      waiting: [],
      held: undefined,
      nodes: deps.nodes(),
      now: deps.clock.now(),
      notes: [],
    }),
  }
  const [drains] = look.notes
  const message = state === 'Released' ? 'nothing is left' : outcome.message
  return wait(deps, placement, { ...outcome, state, reason: state, message, ...drains }, look.againMs)
}

/** What the Service's own wishes keep from going is let go of, once they are wished no longer. False: the Service has changed since. */
async function letGo(deps: PlacementDeps, placement: Placement, signal: AbortSignal): Promise<boolean> {
  const { provider } = deps
  const { lastWords, owner } = placement
  if (lastWords === undefined || provider.letGo === undefined) return true
  const steps = provider.letGo(await provider.observe(owner, signal), lastWords)
  if (steps.length === 0) return true
  if (!(await deps.confirm(placement, signal))) return false
  const { failed } = await apply(steps, provider, signal)
  if (failed !== undefined) throw failed.error
  return true
}

interface Looked {
  kind: 'looked' | 'waiting'
  observed: readonly Resource[]
  waiting: readonly Resource[]
  written: number
  /** Something changes by the passing of time alone: replaced objects stay for so long yet, or drain. */
  againMs: number | undefined
  held: Reason | undefined
  notes: readonly Reason[]
}

type Look = Looked | { kind: 'stopped'; result: WorkResult }

interface Goal extends SuccessionGoal {
  lowered?: Lowered
  /** undefined: as it stands in the cloud. */
  deleteDrainSeconds: number | undefined
}

/** Observes, plans and applies until there is no step left that may be taken now. Throws CloudError. */
async function converge(deps: PlacementDeps, placement: Placement, goal: Goal, signal: AbortSignal): Promise<Look> {
  const { provider, log, documents, clock } = deps
  const { own, deleteDrainSeconds: seconds } = goal
  let written = 0
  for (let round = 1; ; round++) {
    const observed = await provider.observe(placement.owner, signal)
    const now = clock.now()
    const time = { now, ...(seconds === undefined ? {} : { seconds }) }
    const all = progress(own, observed, provider.refine, time)
    const { keep, standing, ...state } = succession({ provider, now }, placement, goal, all.leaving, observed)
    const ahead = keep ? progress(own, observed, provider.refine, { ...time, keep }) : all
    const { steps, waiting } = ahead
    const looked = { observed: standing, waiting, written, ...lookOf(state, ahead.draining, now) }
    if (steps.length === 0) return { kind: 'looked', ...looked }
    log.debug({ cloud: provider.name, ...placement.owner, plan: describePlan(ahead) }, 'planned')
    if (goal.lowered?.documentsFirst === true && !documents.settled(placement.owner)) {
      // Without its documents nothing new is made; what stands is served on, whatever ails a document.
      const failure = documents.failure(placement.owner)
      if (failure === undefined || observed.length === 0) {
        return { kind: 'waiting', ...looked }
      }
    }
    if (round > rounds) {
      throw new CloudError(
        'conflict',
        `${provider.name} does not keep what is written: ${steps.map(describeStep).join(', ')}`,
      )
    }
    if (needsProof(steps, observed, placement) && !(await deps.confirm(placement, signal))) {
      log.info({ cloud: provider.name, ...placement.owner }, 'the Service has changed since; looking again')
      return { kind: 'stopped', result: { retryMs: 100 } }
    }
    const { done, failed } = await apply(steps, provider, signal)
    written += done
    placement.changed ||= done > 0
    if (failed !== undefined) {
      log.debug({ cloud: provider.name, step: describeStep(failed.step), error: failed.error }, 'a step failed')
      throw failed.error
    }
  }
}

/** What is said of a look, drains included, and when to look again. */
function lookOf(
  { againMs, held, notes }: Pick<Succession, 'againMs' | 'held' | 'notes'>,
  draining: readonly Draining[],
  now: number,
): Pick<Looked, 'againMs' | 'held' | 'notes'> {
  const reason = drainingReason(draining)
  const until = drainedAt(draining)
  const all = reason === undefined ? notes : [reason, ...notes]
  return { againMs: until === undefined ? againMs : Math.min(againMs ?? Infinity, until - now), held, notes: all }
}

/** Deleting always; creating from nothing unless this process has just written to the Service itself. */
function needsProof(steps: readonly Step[], observed: readonly Resource[], placement: Placement): boolean {
  return steps.some(({ verb }) => verb === 'delete') || (observed.length === 0 && !placement.proven)
}

function unsupported(deps: PlacementDeps, placement: Placement, refusal: Unsupported): WorkResult {
  finish(deps, placement, unsupportedOutcome(placement, refusal.reasons))
  return undefined
}

function failed(deps: PlacementDeps, placement: Placement, error: CloudError): WorkResult {
  const { provider, log } = deps
  const failure = interpret(error)
  deps.observed?.failed?.(provider.name, error)
  const fields = {
    cloud: provider.name,
    kind: error.kind,
    code: error.code,
    requestId: error.requestId,
    ...placement.owner,
  }
  log.warn(fields, `the cloud refused: ${error.message}`)
  finish(deps, placement, failedOutcome(placement, failure))
  // The cloud lets go of it in its own time: no fault that grows, and nobody waits for it but this placement.
  if (error.kind === 'in-use')
    return { afterMs: Math.min(failure.pace.maxMs, failure.pace.initialMs * 1.5 ** placement.waits++) }
  return { retryMs: failure.waitMs, pace: failure.pace }
}

/** Remembers the outcome and decides when to look again. */
function wait(deps: PlacementDeps, placement: Placement, outcome: Outcome, againMs = Infinity): WorkResult {
  const before = placement.outcome
  finish(deps, placement, outcome)
  if (outcome.state === 'Released') return undefined
  if (outcome.state !== 'Ready' && againMs < Infinity) return { afterMs: Math.min(againMs, deps.driftIntervalMs) }
  if (outcome.state !== 'Ready') {
    const afterMs = Math.min(10_000, 300 * 1.5 ** placement.waits)
    placement.waits++
    return { afterMs }
  }
  const drift = deps.driftIntervalMs * (0.75 + 0.25 * deps.random())
  const unhealthy = outcome.targets.some(({ healthy, draining }) => !healthy && draining !== true)
  const same = before?.state === 'Ready' && JSON.stringify(before.targets) === JSON.stringify(outcome.targets)
  placement.waits = same ? placement.waits + 1 : 0
  // Nothing serves: people wait for the first healthy target. Some do not: with policy Local that is how it should be.
  const patience = outcome.targets.some(({ healthy }) => healthy) ? drift : Math.min(drift, 30_000)
  return { afterMs: Math.min(againMs, unhealthy ? Math.min(patience, 2000 * 2 ** placement.waits) : drift) }
}

function finish(deps: PlacementDeps, placement: Placement, outcome: Outcome): void {
  const answers = placement.asked && placement.looking === placement.base
  const same = JSON.stringify(placement.outcome) === JSON.stringify(outcome)
  placement.outcome = outcome
  if (answers) placement.asked = false
  if (!same || answers) deps.settled(serviceKeyOf(placement.owner))
}
