/** Writes of load balancers, listeners and tags, laid over the records. */
import type { AwsCloud } from '../cloud.ts'
import type { ListenerRecord, LoadBalancerRecord, Records } from './records.ts'
import { wordsOf } from './records.ts'
import { ownerOfTags } from '../tags.ts'
import { defined, onRecord, patched, removal, retag, without, write } from './write.ts'

export function loadBalancerWrites(cloud: AwsCloud, records: Records, now: () => number) {
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
  const onLoadBalancer = <I extends { loadBalancerArn: string }, T>(
    call: (input: I, signal: AbortSignal) => Promise<T>,
    done: (record: LoadBalancerRecord, input: I) => void,
  ) =>
    onRecord(
      { records, now, lists },
      (input: I) => records.loadBalancers.get(input.loadBalancerArn),
      call,
      (record, input) => {
        done(record, input)
        record.writtenAt = now()
      },
    )
  const onListener = <I extends { listenerArn: string }, T>(
    call: (input: I, signal: AbortSignal) => Promise<T>,
    done: (record: ListenerRecord, input: I) => void,
  ) =>
    onRecord(
      { records, now, lists: [] },
      (input: I) => listenerOf(input.listenerArn),
      call,
      (record, input) => {
        done(record, input)
        record.writtenAt = now()
      },
      (record, input) => {
        forgetListeners(input.listenerArn)()
        if (record === undefined) return
        record.attributes = undefined
        record.certificates = undefined
      },
    )
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
          capacity: { at, value: 0 },
        })
      }
      return answer
    }) satisfies AwsCloud['createLoadBalancer'],
    modifyLoadBalancerAttributes: onLoadBalancer(cloud.modifyLoadBalancerAttributes, (record, { attributes }) => {
      record.attributes = patched(record.attributes, attributes, now())
    }),
    modifyCapacityReservation: onLoadBalancer(
      cloud.modifyCapacityReservation,
      (record, { minimumLoadBalancerCapacity }) => {
        record.capacity = { at: now(), value: minimumLoadBalancerCapacity?.capacityUnits ?? 0 }
      },
    ),
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
          availabilityZones: subnetMappings.map(({ subnetId, sourceNatIpv6Prefix }) => ({
            ...(loadBalancer.availabilityZones.find((zone) => zone.subnetId === subnetId) ?? {
              zoneName: '',
              subnetId,
              loadBalancerAddresses: [],
            }),
            // Which one AWS chooses, the next read tells.
            sourceNatIpv6Prefixes: sourceNatIpv6Prefix?.includes(':') ? [sourceNatIpv6Prefix] : [],
          })),
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
