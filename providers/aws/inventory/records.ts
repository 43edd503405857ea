/**
 * What the inventory holds: AWS's objects as last read, with our own writes laid over them at once. Times are milliseconds; `at` is when a read
 * began, so that what was written while it ran is not taken back by it.
 */
import type { Owner } from '../../contract.ts'
import type { SecurityGroup } from '../ec2.ts'
import type { Listener, LoadBalancer, TargetGroup, TargetHealthDescription } from '../elbv2.ts'

export interface Aged<T> {
  at: number
  value: T
}

export type Words = Readonly<Record<string, string>>

export interface Life {
  firstSeenAt: number
  /** Made by this process: AWS may not show it everywhere for a while. */
  madeAt?: number
  /** Changed by this process. */
  writtenAt?: number
  /** This process has deleted it; it goes from the records when a later read does not show it. */
  deletedAt?: number
}

/** Whose an object is, as its tags say. */
export interface Mark {
  tags: Aged<Words> | undefined
  owner: Owner | undefined
}

export interface ListenerRecord extends Life {
  listener: Listener
  /** AWS did not take a second target group beside the first. */
  alone?: true
  tags: Aged<Words> | undefined
  /** Beside the default one; TLS only. */
  certificates: Aged<readonly string[]> | undefined
  attributes: Aged<Words> | undefined
}

export interface LoadBalancerRecord extends Life, Mark {
  loadBalancer: LoadBalancer
  listeners: Aged<Map<string, ListenerRecord>> | undefined
  /** Reserved units; read only where tags say that some were asked for. */
  capacity?: Aged<number>
  attributes: Aged<Words> | undefined
}

export interface TargetGroupRecord extends Life, Mark {
  group: TargetGroup
  health: Aged<readonly TargetHealthDescription[]> | undefined
  /** `<id>:<port>` -> when this process registered it or took it out; until AWS is sure to show it. */
  registered: Map<string, number>
  deregistered: Map<string, number>
  /** Targets that AWS did not take, when and in its words. */
  refused: Map<string, { at: number; times: number; reason: string }>
  attributes: Aged<Words> | undefined
}

export interface SecurityGroupRecord extends Life, Mark {
  group: SecurityGroup
}

/** Everything, by ARN or id. */
export interface Records {
  loadBalancers: Map<string, LoadBalancerRecord>
  targetGroups: Map<string, TargetGroupRecord>
  securityGroups: Map<string, SecurityGroupRecord>
  /** Groups of the nodes: others', whose rules we share. */
  nodeGroups: Map<string, SecurityGroupRecord>
  /** When the last complete read of each list began; -Infinity: read it again. */
  listedAt: Record<List, number>
}

export type List = 'loadBalancers' | 'targetGroups' | 'securityGroups' | 'nodeGroups'

export function emptyRecords(): Records {
  const never = -Infinity
  return {
    loadBalancers: new Map(),
    targetGroups: new Map(),
    securityGroups: new Map(),
    nodeGroups: new Map(),
    listedAt: { loadBalancers: never, targetGroups: never, securityGroups: never, nodeGroups: never },
  }
}

export function wordsOf(pairs: readonly { key: string; value: string }[]): Words {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]))
}

export function pairsOf(words: Words): { key: string; value: string }[] {
  return Object.entries(words).map(([key, value]) => ({ key, value }))
}

/** So long after a write of ours a read may still show what was before. */
export const settleMs = 10_000
/** So long AWS may not show what we have made. */
export const graceMs = 60_000
/** What AWS still shows so long after our delete has not been deleted. */
export const tombstoneMs = 60_000

/** Lays a complete read over the records: what is gone leaves them, what is new enters, our own fresh writes stay. */
export function mergeList<R extends Life, T>(
  records: Map<string, R>,
  read: Aged<readonly T[]>,
  { id, make, take }: { id: (item: T) => string; make: (item: T) => R; take: (record: R, item: T) => void },
): void {
  const seen = new Set<string>()
  for (const item of read.value) {
    const key = id(item)
    seen.add(key)
    const record = records.get(key)
    if (record === undefined) {
      records.set(key, make(item))
      continue
    }
    if (record.deletedAt !== undefined && read.at > record.deletedAt + tombstoneMs) delete record.deletedAt
    if (read.at >= (record.writtenAt ?? -Infinity) + settleMs) take(record, item)
  }
  for (const [key, record] of records) {
    if (seen.has(key)) continue
    const young = record.madeAt !== undefined && read.at < record.madeAt + graceMs
    const gone = record.deletedAt === undefined ? !young : read.at > record.deletedAt
    if (gone) records.delete(key)
  }
}
