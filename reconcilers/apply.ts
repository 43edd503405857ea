/**
 * Carries out a plan, one mutation after the other, and stops at the first one that fails. Nothing is undone: every step may be repeated,
 * the next look at the cloud decides what is still missing.
 */
import { CloudError } from '../providers/contract.ts'
import type { Provider, Step } from '../providers/contract.ts'
import type { Progress } from '../providers/plan.ts'

export interface Applied {
  /** Steps that were carried out and changed something. */
  done: number
  /** The step that failed, and how. */
  failed?: { step: Step; error: CloudError }
}

/** Deleting what is gone already counts as done. An abort ends it between two steps. Other errors than CloudError are thrown. */
export async function apply(
  steps: readonly Step[],
  provider: Pick<Provider, 'execute'>,
  signal: AbortSignal,
): Promise<Applied> {
  let done = 0
  for (const step of steps) {
    signal.throwIfAborted()
    try {
      if ((await provider.execute(step, signal)) === 'nothing') continue
    } catch (error) {
      if (!(error instanceof CloudError)) throw error
      const gone = step.verb === 'delete' && error.kind === 'not-found'
      if (!gone) return { done, failed: { step, error } }
    }
    done++
  }
  return { done }
}

/** Line by line what is done now, what is waited for, and what goes after that. */
export function describePlan({ steps, draining, leaving }: Omit<Progress, 'waiting'>): string[] {
  const now = new Set(steps.flatMap(({ verb, resource }) => (verb === 'delete' ? [resource] : [])))
  const later = leaving.filter((resource) => !now.has(resource))
  const waits = draining.map(({ resource, seconds, until }) => {
    const end = until === undefined ? '' : ` (until ${new Date(until).toISOString()})`
    return `wait ${seconds} s${end} for connections over ${resource.kind} ${resource.key} to run out`
  })
  return [
    ...steps.map(describeStep),
    ...waits,
    ...(waits.length === 0 ? [] : later.map((resource) => describeStep({ verb: 'delete', resource }))),
  ]
}

/** For logs and messages: `create listener tcp-80`. */
export function describeStep({ verb, resource }: Step): string {
  return `${verb} ${resource.kind} ${resource.key}`
}
