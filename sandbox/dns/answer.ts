/**
 * One question to one answer, by the Kubernetes DNS specification 1.1.0. Pure; what the index holds is the whole truth.
 * A name that exists without the asked type is NODATA, one that doesn't is NXDOMAIN; both carry the zone's SOA (RFC 2308).
 * The sandbox has no upstream: names outside the cluster's zones do not exist.
 */
import type { Answer } from 'dns-packet'
import { addressFromDashed, addressFromReverse, recordTypeOf } from './names.ts'
import type { RecordIndex } from './record-index.ts'
import type { HostRecords, ServiceRecords } from './service-records.ts'

const schemaVersion = '1.1.0'
/** CoreDNS' default for cluster names: short, because endpoints move. */
export const ttlSeconds = 5

export type Rcode = 'NOERROR' | 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'NOTIMP' | 'REFUSED'

export interface DnsAnswer {
  rcode: Rcode
  authoritative: boolean
  answers: Answer[]
  authorities: Answer[]
  additionals: Answer[]
}

export interface Asked {
  name: string
  /** As dns-packet spells it: A, AAAA, SRV, ..., UNKNOWN_255. */
  type: string
}

interface SrvTarget {
  port: number
  name: string
  host: HostRecords
}

/** What stands under one name. An empty node exists (NODATA); no node is NXDOMAIN. */
interface NameNode {
  addresses?: HostRecords
  cname?: string
  targets?: SrvTarget[]
  pointers?: string[]
  text?: string
  apex?: boolean
}

const cnameDepth = 8

export function answer(asked: Asked, index: RecordIndex): DnsAnswer {
  return resolve(asked.name, asked.type, index, 0)
}

function resolve(name: string, type: string, index: RecordIndex, depth: number): DnsAnswer {
  const lower = name.toLowerCase().replace(/\.$/, '')
  const origin = zoneOf(lower, index)
  const result: DnsAnswer = {
    rcode: 'NOERROR',
    authoritative: origin !== undefined,
    answers: [],
    authorities: [],
    additionals: [],
  }
  if (origin === undefined) return { ...result, rcode: 'NXDOMAIN' }
  const node =
    origin === index.zone ? clusterNode(labelsBelow(lower, origin), index) : reverseNode(lower, origin, index)
  if (node === undefined) return { ...result, rcode: 'NXDOMAIN', authorities: [startOfAuthority(origin, index)] }
  if (node.cname !== undefined) return withAlias(result, name, type, node.cname, index, depth)
  result.answers.push(...recordsOf(node, name, type, origin, index))
  if (result.answers.length === 0) result.authorities.push(startOfAuthority(origin, index))
  if (type === 'SRV') result.additionals.push(...addressesOfTargets(node.targets ?? []))
  return result
}

/** The zone that answers for a name, or undefined outside of all of them. */
function zoneOf(name: string, index: RecordIndex): string | undefined {
  return [index.zone, 'in-addr.arpa', 'ip6.arpa'].find((zone) => name === zone || name.endsWith(`.${zone}`))
}

function labelsBelow(name: string, zone: string): string[] {
  return name === zone ? [] : name.slice(0, -zone.length - 1).split('.')
}

function clusterNode(labels: readonly string[], index: RecordIndex): NameNode | undefined {
  const top = labels.at(-1)
  const below = labels.slice(0, -1)
  if (top === undefined) return { apex: true }
  if (top === 'svc') return serviceNode(below, index)
  if (top === 'pod') return podNode(below, index)
  if (top === 'dns-version' && below.length === 0) return { text: schemaVersion }
  if (top === 'dns') return nameServerNode(below, index)
  return undefined
}

/** `[_port, _proto, service, namespace]` and its shorter forms. */
function serviceNode(labels: readonly string[], index: RecordIndex): NameNode | undefined {
  if (labels.length === 0) return {}
  const [namespace = '', name, first, second] = labels.toReversed()
  if (name === undefined) return index.hasNamespace(namespace) ? {} : undefined
  const records = index.service(namespace, name)
  if (records === undefined || labels.length > 4) return undefined
  if (first === undefined) return ownNode(records)
  if (second !== undefined) return portNode(records, `${second}.${first}`, `${name}.${namespace}.svc.${index.zone}`)
  const host = records.hosts.get(first)
  if (host !== undefined) return { addresses: host }
  const hasPorts = [...records.targets.keys()].some((label) => label.endsWith(`.${first}`))
  return hasPorts ? {} : undefined
}

function ownNode(records: ServiceRecords): NameNode | undefined {
  if (records.cname !== undefined) return { cname: records.cname }
  return records.own === undefined ? undefined : { addresses: records.own }
}

function portNode(records: ServiceRecords, label: string, serviceName: string): NameNode | undefined {
  const targets = records.targets.get(label)
  if (targets === undefined) return undefined
  return {
    targets: targets.map(({ port, host }) => ({
      port,
      name: host === '' ? serviceName : `${host}.${serviceName}`,
      host: (host === '' ? records.own : records.hosts.get(host)) ?? { A: [], AAAA: [] },
    })),
  }
}

/** Specification 2.6: any address, as long as the namespace exists. */
function podNode(labels: readonly string[], index: RecordIndex): NameNode | undefined {
  if (labels.length === 0) return {}
  const [namespace = '', label] = labels.toReversed()
  if (labels.length > 2 || !index.hasNamespace(namespace)) return undefined
  if (label === undefined) return {}
  const address = addressFromDashed(label)
  if (address === undefined) return undefined
  const addresses: HostRecords = { A: [], AAAA: [] }
  addresses[recordTypeOf(address)].push(address)
  return { addresses }
}

/** `ns.dns.<zone>`, the name server that SOA and NS name: the cluster's DNS Service. */
function nameServerNode(labels: readonly string[], index: RecordIndex): NameNode | undefined {
  if (labels.length === 0) return {}
  if (labels.length > 1 || labels[0] !== 'ns') return undefined
  return { addresses: index.service('kube-system', 'kube-dns')?.own ?? { A: [], AAAA: [] } }
}

function reverseNode(name: string, zone: string, index: RecordIndex): NameNode | undefined {
  if (name === zone) return { apex: true }
  const address = addressFromReverse(name)
  const pointers = address === undefined ? [] : index.pointers(address)
  return pointers.length === 0 ? undefined : { pointers }
}

function recordsOf(node: NameNode, name: string, type: string, zone: string, index: RecordIndex): Answer[] {
  const common = { name, ttl: ttlSeconds, class: 'IN' as const }
  switch (type) {
    case 'A':
    case 'AAAA':
      return (node.addresses?.[type] ?? []).map((data) => ({ ...common, type, data }))
    case 'SRV':
      return srvRecords(node.targets ?? [], common)
    case 'PTR':
      return (node.pointers ?? []).map((data) => ({ ...common, type, data }))
    case 'TXT':
      return node.text === undefined ? [] : [{ ...common, type, data: [node.text] }]
    case 'SOA':
      return node.apex ? [startOfAuthority(zone, index)] : []
    case 'NS':
      return node.apex ? [{ ...common, type, data: `ns.dns.${index.zone}` }] : []
    case 'ANY':
    case 'UNKNOWN_255':
      // RFC 8482: one small record instead of everything.
      return [{ ...common, type: 'HINFO', data: { cpu: 'RFC8482', os: '' } }]
    default:
      return []
  }
}

/** As CoreDNS: priority 0, weights share 100. */
function srvRecords(targets: readonly SrvTarget[], common: { name: string; ttl: number; class: 'IN' }): Answer[] {
  const weight = Math.max(1, Math.floor(100 / Math.max(1, targets.length)))
  return targets.map(({ port, name }) => ({
    ...common,
    type: 'SRV',
    data: { priority: 0, weight, port, target: name },
  }))
}

function addressesOfTargets(targets: readonly SrvTarget[]): Answer[] {
  const seen = new Set<string>()
  return targets.flatMap(({ name, host }) => {
    if (seen.has(name)) return []
    seen.add(name)
    const common = { name, ttl: ttlSeconds, class: 'IN' as const }
    return [
      ...host.A.map((data) => ({ ...common, type: 'A' as const, data })),
      ...host.AAAA.map((data) => ({ ...common, type: 'AAAA' as const, data })),
    ]
  })
}

/**
 * The alias, then what stands under its target when that is ours. A target outside stays unresolved, and the answer is
 * the alias alone without an error, as CoreDNS gives it when its upstream doesn't know the name.
 */
function withAlias(
  result: DnsAnswer,
  name: string,
  type: string,
  target: string,
  index: RecordIndex,
  depth: number,
): DnsAnswer {
  const alias: Answer = { name, type: 'CNAME', ttl: ttlSeconds, class: 'IN', data: target }
  if (type === 'CNAME' || zoneOf(target, index) === undefined) return { ...result, answers: [alias] }
  if (depth >= cnameDepth) return { ...result, rcode: 'SERVFAIL' }
  const next = resolve(target, type, index, depth + 1)
  if (next.rcode === 'SERVFAIL') return { ...result, rcode: 'SERVFAIL' }
  return { ...next, answers: [alias, ...next.answers] }
}

function startOfAuthority(zone: string, index: RecordIndex): Answer {
  return {
    name: zone,
    type: 'SOA',
    ttl: ttlSeconds,
    class: 'IN',
    data: {
      mname: `ns.dns.${index.zone}`,
      rname: `hostmaster.${index.zone}`,
      serial: index.serial,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: ttlSeconds,
    },
  }
}
