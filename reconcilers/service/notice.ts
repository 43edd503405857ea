/**
 * What people should know though all is done as asked, in one condition: from the clouds' looks, from nodes of no cloud, from annotations that
 * have no effect. Pure. The text is the same as long as the matters are, so that nothing flaps, and each matter gives one event when it comes.
 */
import type { Condition } from '../../kube/objects.ts'
import type { Reason } from '../../providers/contract.ts'
import { conditionOf } from '../conditions.ts'
import type { Finding } from '../conditions.ts'
import type { Outcome } from '../placement/outcome.ts'
import { conditionTypes } from '../words.ts'

export interface Noticed {
  cloud: string
  outcome: Pick<Outcome, 'notes'> | undefined
}

/** Each matter once: the clouds' in their order, then `others`. */
export function notesOf(clouds: readonly Noticed[], others: readonly Reason[]): Reason[] {
  const found = clouds.flatMap(({ cloud, outcome }) =>
    (outcome?.notes ?? []).map(({ reason, message }) => ({
      reason,
      message: clouds.length === 1 ? message : `${cloud}: ${message}`,
    })),
  )
  const byMessage = new Map([...found, ...others].map(({ reason, message }) => [message, { reason, message }]))
  return [...byMessage.values()]
}

/** What was noted last stays while a cloud has not answered: `standing`. Absent when there is nothing to know. */
export function noticeOf(
  clouds: readonly Noticed[],
  notes: readonly Reason[],
  standing: Condition | undefined,
): Finding[] {
  const type = conditionTypes.notice
  if (standing !== undefined && clouds.some(({ outcome }) => outcome === undefined)) {
    return [{ type, status: standing.status, reason: standing.reason, message: standing.message }]
  }
  const [first] = notes
  if (first === undefined) return []
  return [{ type, status: 'True', reason: first.reason, message: notes.map(({ message }) => message).join('; ') }]
}

/** Matters that the condition written now has and the one before had not. */
export function freshNotes(
  before: readonly Condition[] | undefined,
  findings: readonly Finding[],
  notes: readonly Reason[],
): Reason[] {
  const told = conditionOf(before, conditionTypes.notice)?.message ?? ''
  const now = findings.find(({ type }) => type === conditionTypes.notice)?.message ?? ''
  return notes.filter(({ message }) => now.includes(message) && !told.includes(message))
}

const shown = 10

/** Names in a text that does not change with every further one. */
export function listed(names: readonly string[]): string {
  const sorted = names.toSorted()
  return sorted.length > shown ? `${sorted.slice(0, shown).join(', ')} and more` : sorted.join(', ')
}

/** Nodes that may receive traffic and that no cloud of this operator knows as its own. */
export function nodesWithoutCloud(names: readonly string[], clouds: readonly string[]): Reason[] {
  if (names.length === 0) return []
  const message = `no traffic for node ${listed(names)}: spec.providerID is of no cloud of this operator (${clouds.join(', ')}); set it, or name the cloud in the node's label roadstead.dev/cloud, empty for none`
  return [{ reason: 'NodeWithoutCloud', message }]
}
