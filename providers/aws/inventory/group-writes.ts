/** Writes of security groups and their rules, laid over the records. */
import type { AwsCloud } from '../cloud.ts'
import { withoutRules, withRules } from '../permissions.ts'
import type { Records } from './records.ts'
import { wordsOf } from './records.ts'
import { ownerOfTags } from '../tags.ts'
import { removal, retag, without, write } from './write.ts'

type Rules = Parameters<typeof withRules>[0]

export function groupWrites(cloud: AwsCloud, records: Records, now: () => number) {
  const lists = ['securityGroups', 'nodeGroups'] as const
  const recordsOf = (groupId: string) =>
    [records.securityGroups.get(groupId), records.nodeGroups.get(groupId)].filter((record) => record !== undefined)
  const onRules =
    (
      call: AwsCloud['authorizeSecurityGroupIngress'],
      change: (held: Rules, rules: Rules) => Rules,
    ): AwsCloud['authorizeSecurityGroupIngress'] =>
    async (input, signal) => {
      const sources = input.ipPermissions.flatMap(({ userIdGroupPairs }) => userIdGroupPairs ?? [])
      const young = [...recordsOf(input.groupId), ...sources.flatMap(({ groupId }) => recordsOf(groupId))]
      await write(records, now, { lists, of: young }, () => call(input, signal))
      for (const record of recordsOf(input.groupId)) {
        record.group = { ...record.group, ipPermissions: change(record.group.ipPermissions, input.ipPermissions) }
        record.writtenAt = now()
      }
    }
  return {
    createSecurityGroup: (async (input, signal) => {
      const answer = await write(records, now, { lists, of: [] }, () => cloud.createSecurityGroup(input, signal))
      const at = now()
      const { groupName, description, vpcId } = input
      const tags = input.tagSpecifications.flatMap((specification) => specification.tags)
      const words = wordsOf(tags)
      records.securityGroups.set(answer.groupId, {
        group: { groupId: answer.groupId, groupName, description, vpcId, ipPermissions: [], tags },
        firstSeenAt: at,
        madeAt: at,
        writtenAt: at,
        tags: { at, value: words },
        owner: ownerOfTags(words),
      })
      return answer
    }) satisfies AwsCloud['createSecurityGroup'],
    deleteSecurityGroup: (async (input, signal) => {
      const record = records.securityGroups.get(input.groupId)
      await removal(records, now, 'securityGroups', record, () => cloud.deleteSecurityGroup(input, signal))
    }) satisfies AwsCloud['deleteSecurityGroup'],
    authorizeSecurityGroupIngress: onRules(cloud.authorizeSecurityGroupIngress, withRules),
    revokeSecurityGroupIngress: onRules(cloud.revokeSecurityGroupIngress, withoutRules),
    createTags: (async (input, signal) => {
      const found = input.resources.flatMap(recordsOf)
      await write(records, now, { lists, of: found }, () => cloud.createTags(input, signal))
      for (const record of found) retag(record, { ...record.tags?.value, ...wordsOf(input.tags) }, now())
    }) satisfies AwsCloud['createTags'],
    deleteTags: (async (input, signal) => {
      const found = input.resources.flatMap(recordsOf)
      await write(records, now, { lists, of: found }, () => cloud.deleteTags(input, signal))
      const names = input.tags.map(({ key }) => key)
      for (const record of found) retag(record, without(record.tags?.value, names), now())
    }) satisfies AwsCloud['deleteTags'],
  }
}
