/**
 * Targets of a group and their health: what AWS says, with what this process has registered or taken out and AWS may not show yet laid over it.
 */
import type { TargetHealthDescription } from '../elbv2.ts'
import type { Aged, TargetGroupRecord } from './records.ts'
import { settleMs } from './records.ts'

export function targetKey({ id, port }: { id: string; port: number }): string {
  return `${id}:${port}`
}

/** A read of the targets' health, with what this process has registered or taken out and AWS may not show yet. */
export function mergeHealth(record: TargetGroupRecord, read: Aged<readonly TargetHealthDescription[]>): void {
  for (const changes of [record.registered, record.deregistered]) {
    for (const [key, at] of changes) if (read.at > at + settleMs) changes.delete(key)
  }
  const found = new Map(read.value.map((description) => [targetKey(description.target), description]))
  for (const key of record.registered.keys()) {
    const shown = found.get(key)
    if (shown === undefined || shown.targetHealth.state === 'draining') found.set(key, newTarget(key))
  }
  for (const key of record.deregistered.keys()) {
    const shown = found.get(key)
    if (shown !== undefined && shown.targetHealth.state !== 'draining') found.set(key, drainingTarget(key))
  }
  record.health = { at: read.at, value: [...found.values()] }
}

/**
 * Groups whose targets are asked the same question: the answer of one is the answer of all, so a load balancer with ten ports is not asked ten
 * times a poll. A check of the traffic port is another one for each group.
 */
export function alike(records: readonly TargetGroupRecord[]): TargetGroupRecord[][] {
  const classes = new Map<string, TargetGroupRecord[]>()
  for (const record of records) {
    const { group } = record
    const check =
      group.healthCheckPort === 'traffic-port'
        ? group.targetGroupArn
        : JSON.stringify([
            group.ipAddressType,
            group.healthCheckProtocol,
            group.healthCheckPort,
            group.healthCheckPath,
            group.matcher?.httpCode,
            group.healthyThresholdCount,
            group.healthCheckIntervalSeconds,
          ])
    classes.set(check, [...(classes.get(check) ?? []), record])
  }
  return [...classes.values()]
}

/** What a group of the same check says about targets that are new here. */
export function takeHealth(record: TargetGroupRecord, { health }: TargetGroupRecord): void {
  const told = new Map(health?.value.map(({ target, targetHealth }) => [target.id, targetHealth]))
  if (record.health === undefined || health === undefined) return
  const value = record.health.value.map((each) => {
    const { state } = each.targetHealth
    const other = told.get(each.target.id)
    return state === 'initial' && other !== undefined && other.state !== 'draining'
      ? { ...each, targetHealth: other }
      : each
  })
  record.health = { at: health.at, value }
}

export function newTarget(key: string): TargetHealthDescription {
  return {
    target: targetOf(key),
    targetHealth: { state: 'initial', reason: 'Elb.RegistrationInProgress', description: 'registered just now' },
  }
}

export function drainingTarget(key: string): TargetHealthDescription {
  return {
    target: targetOf(key),
    targetHealth: { state: 'draining', reason: 'Target.DeregistrationInProgress', description: 'taken out just now' },
  }
}

export function targetOf(key: string): { id: string; port: number } {
  const at = key.lastIndexOf(':')
  return { id: key.slice(0, at), port: Number(key.slice(at + 1)) }
}
