/** Outcomes from what was seen. Pure but for the provider's own pure functions and what is remembered in the placement. */
import type { Provider, Reason, Resource, TargetNode } from '../../providers/contract.ts'
import type { Interpretation } from '../requeue.ts'
import { withinPatience } from './first-checks.ts'
import type { Outcome } from './outcome.ts'
import type { Placement } from './placements.ts'

export interface Seen {
  policy: 'Cluster' | 'Local' | undefined
  /** Nothing differs and nothing is waited for, shared documents included. */
  inEffect: boolean
  waiting: readonly Resource[]
  /** What was replaced serves on, and why. */
  held: Reason | undefined
  nodes: readonly TargetNode[]
  notes: readonly Reason[]
  /** Milliseconds. */
  now: number
}

/** After a look that succeeded. */
export function lookOutcome(
  placement: Placement,
  provider: Pick<Provider, 'addresses' | 'targets'>,
  observed: readonly Resource[],
  { policy, inEffect, waiting, held, nodes, notes, now }: Seen,
): Outcome {
  const found = provider.addresses(observed)
  const ready = inEffect && found.kind === 'ready' && held === undefined
  const waitingFor = waiting.map(({ kind, key, state }) => `${kind} ${key} (${state})`).toSorted()
  const message = ready
    ? 'everything stands as it should'
    : found.kind === 'pending'
      ? found.message
      : held !== undefined
        ? held.message
        : waitingFor.length > 0
          ? `waiting for ${waitingFor.join(', ')}`
          : 'waiting for shared cloud objects'
  return {
    state: ready ? 'Ready' : 'Progressing',
    reason: ready ? 'Programmed' : found.kind === 'pending' ? found.reason : (held?.reason ?? 'Progressing'),
    message,
    event: 'never',
    addresses: found.kind === 'ready' ? found.addresses : [],
    ports: found.kind === 'ready' ? (found.ports ?? []) : [],
    targets: withinPatience(placement, observed, provider.targets(observed, nodes), now),
    resources: observed
      .map(({ kind, key, id = '', state }) => ({ kind, key, id, state }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    policy: ready ? policy : undefined,
    reasons: [],
    notes,
    changed: placement.changed,
  }
}

/** The cloud could not be asked, or refused: what was seen before still counts. */
export function failedOutcome(placement: Placement, { reason, message, requestId, event }: Interpretation): Outcome {
  const before = placement.outcome
  const told = requestId === undefined ? message : `${message} (request ${requestId})`
  // The same refusal has another request id each time; the first one stays, so that nothing is written again.
  const same = before?.state === 'Failed' && before.reason === reason && before.message.startsWith(message)
  return {
    ...carriedOver(placement),
    state: 'Failed',
    reason,
    message: same ? before.message : told,
    event,
    ports: [],
    reasons: [],
  }
}

/** The cloud cannot do what the Service asks for; nothing is provisioned half, what stands stays. */
export function unsupportedOutcome(placement: Placement, reasons: readonly Reason[]): Outcome {
  const [first] = reasons
  const ports = reasons.flatMap(({ port, reason }) => (port ? [{ ...port, error: portError(reason) }] : []))
  const others = (placement.base?.ports ?? []).flatMap(({ port, protocol }) =>
    ports.length === 0 || ports.some((failed) => failed.port === port && failed.protocol === protocol)
      ? []
      : [{ port, protocol }],
  )
  return {
    ...carriedOver(placement),
    state: 'Unsupported',
    reason: first?.reason ?? 'Unsupported',
    message: reasons.map(({ message }) => message).join('; '),
    event: 'specific',
    ports: [...ports, ...others].toSorted((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1)),
    reasons,
  }
}

/** core/v1: errors of others than Kubernetes itself are `domain/CamelCase`. */
function portError(reason: string): string {
  return `roadstead.dev/${reason}`
}

function carriedOver({ outcome, changed }: Placement) {
  return {
    addresses: outcome?.addresses,
    targets: outcome?.targets ?? [],
    resources: outcome?.resources ?? [],
    notes: outcome?.notes ?? [],
    policy: undefined,
    changed,
  }
}
