/**
 * The port once more, with every write laid over the records as soon as AWS has taken it. A write without a clear answer, and one that AWS
 * refuses because the world is not as recorded, makes the next look read again; NotFound of what this process has just made is a matter of time.
 */
import { CloudError } from '../contract.ts'
import type { AwsCloud } from './cloud.ts'
import { withoutRules, withRules } from './permissions.ts'
import type { List, ListenerRecord, Life, Records, TargetGroupRecord, Words } from './records.ts'
import { drainingTarget, graceMs, newTarget, targetKey, wordsOf } from './records.ts'
import { ownerOfTags } from './tags.ts'

export function recordingWrites(cloud: AwsCloud, records: Records, now: () => number): AwsCloud {
  return {
    ...cloud,
    ...loadBalancerWrites(cloud, records, now),
    ...targetWrites(cloud, records, now),
    ...groupWrites(cloud, records, now),
  }
}

interface Touched {
  lists: readonly List[]
  /** What the call refers to: young ones may not be visible everywhere. */
  of: readonly (Life | undefined)[]
  /** More to forget when the answer is not clear. */
  unsure?: () => void
}

/** Throws CloudError. */
async function write<T>(
  records: Records,
  now: () => number,
  { lists, of, unsure }: Touched,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    const { kind, message, code, requestId } = error
    const young = of.some((life) => life?.madeAt !== undefined && now() - life.madeAt < graceMs)
    if (kind === 'not-found' && young) {
      throw new CloudError('unavailable', `AWS does not show yet what was just made: ${message}`, {
        reason: 'NotVisibleYet',
        cause: error,
        ...(code === undefined ? {} : { code }),
        ...(requestId === undefined ? {} : { requestId }),
      })
    }
    if (kind !== 'throttled' && kind !== 'in-use' && kind !== 'denied') {
      for (const list of lists) records.listedAt[list] = -Infinity
      unsure?.()
    }
    throw error
  }
}

/** A delete of what is gone is done. */
async function removal(
  records: Records,
  now: () => number,
  list: List,
  record: Life | undefined,
  call: () => Promise<void>,
): Promise<void> {
  try {
    await write(records, now, { lists: [list], of: [] }, call)
  } catch (error) {
    if (!(error instanceof CloudError && error.kind === 'not-found')) throw error
  }
  if (record !== undefined) record.deletedAt = now()
}

function loadBalancerWrites(cloud: AwsCloud, records: Records, now: () => number) {
  const lists = ['loadBalancers'] as const
  const listenerOf = (arn: string): ListenerRecord | undefined => {
    for (const { listeners } of records.loadBalancers.values()) {
      const found = listeners?.value.get(arn)
      if (found !== undefined) return found
    }
    return undefined
  }
  /** The listeners of the load balancer that has this one, or of this load balancer, are read again. */
  const forgetListeners = (arn: string) => () => {
    for (const [id, record] of records.loadBalancers) {
      const { listeners } = record
      if (listeners !== undefined && (id === arn || listeners.value.has(arn))) {
        record.listeners = { ...listeners, at: -Infinity }
      }
    }
  }
  const onLoadBalancer =
    <I extends { loadBalancerArn: string }, T>(
      call: (input: I, signal: AbortSignal) => Promise<T>,
      done: (record: NonNullable<ReturnType<Records['loadBalancers']['get']>>, input: I) => void,
    ) =>
    async (input: I, signal: AbortSignal): Promise<T> => {
      const record = records.loadBalancers.get(input.loadBalancerArn)
      const answer = await write(records, now, { lists, of: [record] }, () => call(input, signal))
      if (record !== undefined) {
        done(record, input)
        record.writtenAt = now()
      }
      return answer
    }
  const onListener =
    <I extends { listenerArn: string }, T>(
      call: (input: I, signal: AbortSignal) => Promise<T>,
      done: (record: ListenerRecord, input: I) => void,
    ) =>
    async (input: I, signal: AbortSignal): Promise<T> => {
      const record = listenerOf(input.listenerArn)
      const unsure = () => {
        forgetListeners(input.listenerArn)()
        if (record !== undefined) record.attributes = undefined
        if (record !== undefined) record.certificates = undefined
      }
      const answer = await write(records, now, { lists: [], of: [record], unsure }, () => call(input, signal))
      if (record !== undefined) {
        done(record, input)
        record.writtenAt = now()
      }
      return answer
    }
  return {
    createLoadBalancer: (async (input, signal) => {
      const groups = (input.securityGroups ?? []).map((id) => records.securityGroups.get(id))
      const answer = await write(records, now, { lists, of: groups }, () => cloud.createLoadBalancer(input, signal))
      const at = now()
      const tags = wordsOf(input.tags)
      for (const loadBalancer of answer.loadBalancers) {
        records.loadBalancers.set(loadBalancer.loadBalancerArn, {
          loadBalancer,
          firstSeenAt: at,
          madeAt: at,
          writtenAt: at,
          tags: { at, value: tags },
          owner: ownerOfTags(tags),
          listeners: { at, value: new Map() },
          attributes: { at, value: {} },
        })
      }
      return answer
    }) satisfies AwsCloud['createLoadBalancer'],
    modifyLoadBalancerAttributes: onLoadBalancer(cloud.modifyLoadBalancerAttributes, (record, { attributes }) => {
      record.attributes = patched(record.attributes, attributes, now())
    }),
    setIpAddressType: onLoadBalancer(cloud.setIpAddressType, (record, { ipAddressType }) => {
      record.loadBalancer = { ...record.loadBalancer, ipAddressType }
    }),
    setSecurityGroups: onLoadBalancer(cloud.setSecurityGroups, (record, { loadBalancerArn: _arn, ...changed }) => {
      record.loadBalancer = { ...record.loadBalancer, ...changed }
    }),
    setSubnets: onLoadBalancer(
      cloud.setSubnets,
      (record, { subnetMappings, ipAddressType, enablePrefixForIpv6SourceNat }) => {
        const { loadBalancer } = record
        record.loadBalancer = {
          ...loadBalancer,
          ...(ipAddressType === undefined ? {} : { ipAddressType }),
          ...(enablePrefixForIpv6SourceNat === undefined ? {} : { enablePrefixForIpv6SourceNat }),
          availabilityZones: subnetMappings.map(
            ({ subnetId }) =>
              loadBalancer.availabilityZones.find((zone) => zone.subnetId === subnetId) ?? {
                zoneName: '',
                subnetId,
                loadBalancerAddresses: [],
              },
          ),
        }
      },
    ),
    deleteLoadBalancer: (async (input, signal) => {
      const record = records.loadBalancers.get(input.loadBalancerArn)
      await removal(records, now, 'loadBalancers', record, () => cloud.deleteLoadBalancer(input, signal))
      for (const listener of record?.listeners?.value.values() ?? []) listener.deletedAt = now()
    }) satisfies AwsCloud['deleteLoadBalancer'],
    createListener: (async (input, signal) => {
      const { loadBalancerArn } = input
      const record = records.loadBalancers.get(loadBalancerArn)
      const groups = input.defaultActions.map(({ targetGroupArn }) => records.targetGroups.get(targetGroupArn))
      const touched = { lists: [], of: [record, ...groups], unsure: forgetListeners(loadBalancerArn) }
      const answer = await write(records, now, touched, () => cloud.createListener(input, signal))
      const at = now()
      for (const listener of answer.listeners) {
        record?.listeners?.value.set(listener.listenerArn, {
          listener,
          firstSeenAt: at,
          madeAt: at,
          writtenAt: at,
          tags: { at, value: wordsOf(input.tags) },
          certificates: { at, value: [] },
          attributes: { at, value: {} },
        })
      }
      return answer
    }) satisfies AwsCloud['createListener'],
    modifyListener: onListener(cloud.modifyListener, (record, { listenerArn: _arn, ...changed }) => {
      const before = record.listener.protocol
      record.listener = { ...record.listener, ...defined(changed) }
      // Each protocol has attributes of its own.
      if (record.listener.protocol !== before) record.attributes = { at: now(), value: {} }
    }),
    modifyListenerAttributes: onListener(cloud.modifyListenerAttributes, (record, { attributes }) => {
      record.attributes = patched(record.attributes, attributes, now())
    }),
    addListenerCertificates: onListener(cloud.addListenerCertificates, (record, { certificates }) => {
      const held = record.certificates?.value ?? []
      const all = [...held, ...certificates.map(({ certificateArn }) => certificateArn)]
      record.certificates = { at: now(), value: [...new Set(all)].sort() }
    }),
    removeListenerCertificates: onListener(cloud.removeListenerCertificates, (record, { certificates }) => {
      const gone = certificates.map(({ certificateArn }) => certificateArn)
      record.certificates = {
        at: now(),
        value: (record.certificates?.value ?? []).filter((arn) => !gone.includes(arn)),
      }
    }),
    deleteListener: (async (input, signal) => {
      await removal(records, now, 'loadBalancers', listenerOf(input.listenerArn), () =>
        cloud.deleteListener(input, signal),
      )
    }) satisfies AwsCloud['deleteListener'],
    addTags: (async (input, signal) => {
      await write(records, now, { lists: ['loadBalancers', 'targetGroups'], of: input.resourceArns.map(markOf) }, () =>
        cloud.addTags(input, signal),
      )
      for (const record of input.resourceArns.map(markOf))
        retag(record, { ...record?.tags?.value, ...wordsOf(input.tags) }, now())
    }) satisfies AwsCloud['addTags'],
    removeTags: (async (input, signal) => {
      await write(records, now, { lists: ['loadBalancers', 'targetGroups'], of: input.resourceArns.map(markOf) }, () =>
        cloud.removeTags(input, signal),
      )
      for (const record of input.resourceArns.map(markOf))
        retag(record, without(record?.tags?.value, input.tagKeys), now())
    }) satisfies AwsCloud['removeTags'],
  }

  function markOf(arn: string) {
    return records.loadBalancers.get(arn) ?? records.targetGroups.get(arn) ?? listenerOf(arn)
  }
}

function targetWrites(cloud: AwsCloud, records: Records, now: () => number) {
  const lists = ['targetGroups'] as const
  const onGroup =
    <I extends { targetGroupArn: string }, T>(
      call: (input: I, signal: AbortSignal) => Promise<T>,
      done: (record: TargetGroupRecord, input: I) => void,
      unsure: (record: TargetGroupRecord) => void = () => {},
    ) =>
    async (input: I, signal: AbortSignal): Promise<T> => {
      const record = records.targetGroups.get(input.targetGroupArn)
      const touched = { lists, of: [record], unsure: () => record && unsure(record) }
      const answer = await write(records, now, touched, () => call(input, signal))
      if (record !== undefined) done(record, input)
      return answer
    }
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

function groupWrites(cloud: AwsCloud, records: Records, now: () => number) {
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

type Rules = Parameters<typeof withRules>[0]

function retag(
  record: { tags: { at: number; value: Words } | undefined; writtenAt?: number } | undefined,
  value: Words,
  at: number,
): void {
  if (record === undefined) return
  record.tags = { at, value }
  record.writtenAt = at
}

function without(words: Words = {}, keys: readonly string[]): Words {
  return Object.fromEntries(Object.entries(words).filter(([key]) => !keys.includes(key)))
}

/** What was written over what was read; the age stays that of the read. */
function patched(
  held: { at: number; value: Words } | undefined,
  written: readonly { key: string; value: string }[],
  at: number,
) {
  return { at: held?.at ?? at, value: { ...held?.value, ...wordsOf(written) } }
}

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
