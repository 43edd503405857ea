/**
 * Inbound rules of security groups as lines of text, so that two sets of rules are compared by their lines: `tcp 80 10.0.0.0/8`,
 * `tcp 80 pl-0a1b2c`, `icmp 3:4 0.0.0.0/0`. Pure. A rule of ours carries the description of this file; others' rules are told from ours by it.
 */
import type { IpPermission } from './ec2.ts'

/** Description of every rule we make. */
export const ruleDescription = 'managed by Roadstead'

/** Of ICMP: type and code. */
export function ruleLine(protocol: string, port: string, source: string): string {
  return `${protocol} ${port} ${source}`
}

/** Lines as AWS wants them, one permission per protocol and port. */
export function permissionsOf(lines: readonly string[], description: string = ruleDescription): IpPermission[] {
  const permissions = new Map<string, { of: Omit<IpPermission, 'ipRanges'>; sources: string[] }>()
  for (const line of lines) {
    const [protocol = '', port = '', source = ''] = line.split(' ')
    const key = `${protocol} ${port}`
    const known = permissions.get(key) ?? { of: { ipProtocol: protocol, ...portFields(port) }, sources: [] }
    known.sources.push(source)
    permissions.set(key, known)
  }
  return [...permissions.values()].map(({ of, sources }) => ({ ...of, ...sourceFields(sources, description) }))
}

/** One line per source of each permission, those with our description apart from the others; each sorted. */
export function linesOf(permissions: readonly IpPermission[]): { ours: string[]; others: string[] } {
  const ours: string[] = []
  const others: string[] = []
  for (const { ipProtocol, fromPort, toPort, ipRanges, ipv6Ranges, prefixListIds, userIdGroupPairs } of permissions) {
    const sources = [
      ...(ipRanges ?? []).map(({ cidrIp, description }) => ({ source: cidrIp, description })),
      ...(ipv6Ranges ?? []).map(({ cidrIpv6, description }) => ({ source: cidrIpv6, description })),
      ...(prefixListIds ?? []).map(({ prefixListId, description }) => ({ source: prefixListId, description })),
      ...(userIdGroupPairs ?? []).map(({ groupId, description }) => ({ source: groupId, description })),
    ]
    const port = portText(ipProtocol, fromPort, toPort)
    for (const { source, description } of sources) {
      const lines = description === ruleDescription ? ours : others
      lines.push(ruleLine(ipProtocol, port, source))
    }
  }
  return { ours: ours.sort(), others: others.sort() }
}

function portFields(text: string): { fromPort?: number; toPort?: number } {
  const [from, to = from] = text.split(/[-:]/)
  return from === '*' || from === undefined ? {} : { fromPort: Number(from), toPort: Number(to) }
}

function portText(protocol: string, from: number | undefined, to: number | undefined): string {
  if (from === undefined) return '*'
  if (protocol.startsWith('icmp')) return `${from}:${to ?? -1}`
  return to === undefined || to === from ? String(from) : `${from}-${to}`
}

function sourceFields(sources: readonly string[], description: string): Partial<IpPermission> {
  const of = (pick: (source: string) => boolean) => sources.filter(pick)
  const lists = of((source) => source.startsWith('pl-'))
  const groups = of((source) => source.startsWith('sg-'))
  const v6 = of((source) => source.includes(':'))
  const v4 = of((source) => !lists.includes(source) && !groups.includes(source) && !v6.includes(source))
  return {
    ...(v4.length > 0 ? { ipRanges: v4.map((cidrIp) => ({ cidrIp, description })) } : {}),
    ...(v6.length > 0 ? { ipv6Ranges: v6.map((cidrIpv6) => ({ cidrIpv6, description })) } : {}),
    ...(lists.length > 0 ? { prefixListIds: lists.map((prefixListId) => ({ prefixListId, description })) } : {}),
    ...(groups.length > 0 ? { userIdGroupPairs: groups.map((groupId) => ({ groupId, description })) } : {}),
  }
}
