/** Writes of target groups and their targets, laid over the records. */
import type { AwsCloud } from '../cloud.ts'
import { drainingTarget, newTarget, targetKey } from './health.ts'
import type { Records, TargetGroupRecord } from './records.ts'
import { wordsOf } from './records.ts'
import { ownerOfTags } from '../tags.ts'
import { defined, onRecord, patched, removal, write } from './write.ts'

export function targetWrites(cloud: AwsCloud, records: Records, now: () => number) {
  const lists = ['targetGroups'] as const
  const onGroup = <I extends { targetGroupArn: string }, T>(
    call: (input: I, signal: AbortSignal) => Promise<T>,
    done: (record: TargetGroupRecord, input: I) => void,
    unsure: (record: TargetGroupRecord) => void = () => {},
  ) =>
    onRecord(
      { records, now, lists },
      (input: I) => records.targetGroups.get(input.targetGroupArn),
      call,
      done,
      (record) => record && unsure(record),
    )
  const forgetHealth = (record: TargetGroupRecord) => {
    record.health = undefined
  }
  return {
    createTargetGroup: (async (input, signal) => {
      const answer = await write(records, now, { lists, of: [] }, () => cloud.createTargetGroup(input, signal))
      const at = now()
      const tags = wordsOf(input.tags)
      for (const group of answer.targetGroups) {
        records.targetGroups.set(group.targetGroupArn, {
          group,
          firstSeenAt: at,
          madeAt: at,
          writtenAt: at,
          tags: { at, value: tags },
          owner: ownerOfTags(tags),
          health: { at, value: [] },
          registered: new Map(),
          deregistered: new Map(),
          refused: new Map(),
          attributes: { at, value: {} },
        })
      }
      return answer
    }) satisfies AwsCloud['createTargetGroup'],
    modifyTargetGroup: onGroup(cloud.modifyTargetGroup, (record, { targetGroupArn: _arn, ...changed }) => {
      record.group = { ...record.group, ...defined(changed) }
      record.writtenAt = now()
    }),
    modifyTargetGroupAttributes: onGroup(
      cloud.modifyTargetGroupAttributes,
      (record, { attributes }) => (record.attributes = patched(record.attributes, attributes, now())),
    ),
    deleteTargetGroup: (async (input, signal) => {
      const record = records.targetGroups.get(input.targetGroupArn)
      await removal(records, now, 'targetGroups', record, () => cloud.deleteTargetGroup(input, signal))
    }) satisfies AwsCloud['deleteTargetGroup'],
    registerTargets: onGroup(
      cloud.registerTargets,
      (record, { targets }) => {
        const health = new Map((record.health?.value ?? []).map((each) => [targetKey(each.target), each]))
        for (const key of targets.map(targetKey)) {
          record.registered.set(key, now())
          record.deregistered.delete(key)
          record.refused.delete(key)
          const known = health.get(key)
          if (known === undefined || known.targetHealth.state === 'draining') health.set(key, newTarget(key))
        }
        if (record.health !== undefined) record.health = { ...record.health, value: [...health.values()] }
      },
      forgetHealth,
    ),
    deregisterTargets: onGroup(
      cloud.deregisterTargets,
      (record, { targets }) => {
        const gone = new Set(targets.map(targetKey))
        for (const key of gone) {
          record.deregistered.set(key, now())
          record.registered.delete(key)
        }
        const value = (record.health?.value ?? []).map((each) =>
          gone.has(targetKey(each.target)) ? drainingTarget(targetKey(each.target)) : each,
        )
        if (record.health !== undefined) record.health = { ...record.health, value }
      },
      forgetHealth,
    ),
  }
}
