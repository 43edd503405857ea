/**
 * Which events a change of status deserves. Pure: from what stood before to what was written, so that one change gives one event and a
 * restart or a resync gives none. Reasons are those of Kubernetes' service controller where it has one.
 */
import type { LoadBalancerStatus } from '../../crds/load-balancer.ts'
import type { Condition } from '../../kube/objects.ts'
import type { Reason } from '../../providers/contract.ts'
import { conditionOf } from '../conditions.ts'
import type { Finding } from '../conditions.ts'
import type { Outcome } from '../placement/outcome.ts'
import { conditionTypes } from '../words.ts'
import type { CloudView } from './status.ts'

export interface EventText {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

/** From the conditions that stood, the ones written now, and whether the clouds changed something. */
export function statusEvents(
  before: readonly Condition[] | undefined,
  findings: readonly Finding[],
  clouds: readonly CloudView[],
): EventText[] {
  return [
    ...acceptedEvents(before, findings),
    ...progressEvents(before, findings, clouds),
    ...targetEvents(before, findings),
  ]
}

/** What people should know since now. */
export function noticeEvents(notes: readonly Reason[]): EventText[] {
  return notes.map(({ reason, message }) => ({ type: reason === 'Draining' ? 'Normal' : 'Warning', reason, message }))
}

/** Failures that our own record does not show yet. What every cloud refuses alike is told once, by the condition Accepted. */
export function cloudEvents(clouds: readonly CloudView[], previous: LoadBalancerStatus | undefined): EventText[] {
  const refusedAsWhole = clouds.every(({ outcome }) => outcome?.state === 'Unsupported')
  return clouds.flatMap(({ cloud, outcome }) => {
    const before = previous?.placements.find((one) => one.cloud === cloud)
    if (outcome === undefined || (before?.reason === outcome.reason && before.state === outcome.state)) return []
    return refusedAsWhole ? [] : failureEvents(clouds.length > 1 ? `${cloud}: ` : '', outcome)
  })
}

/** While load balancers are being removed: that they drain, or why it does not come to an end. */
export function releasingEvents(
  before: readonly Condition[] | undefined,
  findings: readonly Finding[],
  clouds: readonly CloudView[],
): EventText[] {
  const now = findings.find(({ type }) => type === conditionTypes.programmed)
  const was = conditionOf(before, conditionTypes.programmed)
  if (now?.reason === 'Draining' && now.message !== was?.message) {
    return [{ type: 'Normal', reason: 'DrainingLoadBalancer', message: now.message }]
  }
  const failed = clouds.find(({ outcome }) => outcome?.state === 'Failed')?.outcome
  if (failed === undefined || failed.event === 'never') return []
  if (was?.reason === now?.reason) return []
  const message = `Error syncing load balancer: failed to delete load balancer: ${failed.message}`
  return [{ type: 'Warning', reason: failed.event === 'specific' ? failed.reason : 'SyncLoadBalancerFailed', message }]
}

function acceptedEvents(before: readonly Condition[] | undefined, findings: readonly Finding[]): EventText[] {
  const now = findings.find(({ type }) => type === conditionTypes.accepted)
  if (now?.status !== 'False') return []
  const was = conditionOf(before, conditionTypes.accepted)
  if (was?.status === 'False' && was.reason === now.reason && was.message === now.message) return []
  return [{ type: 'Warning', reason: now.reason, message: now.message }]
}

function failureEvents(where: string, outcome: Outcome): EventText[] {
  if (outcome.state !== 'Failed' && outcome.state !== 'Unsupported') return []
  if (outcome.event === 'never') return []
  const text = `Error syncing load balancer: ${where}${outcome.message}`
  return [
    {
      type: 'Warning',
      reason: outcome.event === 'specific' ? outcome.reason : 'SyncLoadBalancerFailed',
      message: text,
    },
  ]
}

function progressEvents(
  before: readonly Condition[] | undefined,
  findings: readonly Finding[],
  clouds: readonly CloudView[],
): EventText[] {
  const now = findings.find(({ type }) => type === conditionTypes.programmed)
  const was = conditionOf(before, conditionTypes.programmed)
  if (now?.reason === 'ReplacementUnhealthy' && was?.reason !== now.reason) {
    return [{ type: 'Warning', reason: now.reason, message: now.message }]
  }
  if (now?.status !== 'True') return []
  if (was?.status !== 'True')
    return [{ type: 'Normal', reason: 'EnsuredLoadBalancer', message: 'Ensured load balancer' }]
  if (!clouds.some(({ outcome }) => outcome?.changed === true)) return []
  return [
    { type: 'Normal', reason: 'UpdatedLoadBalancer', message: 'Updated load balancer with new hosts or settings' },
  ]
}

function targetEvents(before: readonly Condition[] | undefined, findings: readonly Finding[]): EventText[] {
  const now = findings.find(({ type }) => type === conditionTypes.ready)
  const was = conditionOf(before, conditionTypes.ready)
  if (now?.reason === was?.reason) return []
  if (now?.reason === 'NoEligibleNodes')
    return [{ type: 'Warning', reason: 'UnAvailableLoadBalancer', message: now.message }]
  if (now?.reason !== 'NoHealthyTargets' || was?.status !== 'True') return []
  return [{ type: 'Warning', reason: 'NoHealthyTargets', message: now.message }]
}
