/** Sets of security group rules, pure: what a group holds after an Authorize or a Revoke of ours. AWS takes and gives them in bundles. */
import type { IpPermission } from './ec2.ts'

/** One rule: a permission with one source. */
function single(permission: IpPermission): IpPermission[] {
  const { ipProtocol, fromPort, toPort, ipRanges, ipv6Ranges, prefixListIds, userIdGroupPairs } = permission
  const of = { ipProtocol, fromPort, toPort }
  return [
    ...(ipRanges ?? []).map((range) => ({ ...of, ipRanges: [range] })),
    ...(ipv6Ranges ?? []).map((range) => ({ ...of, ipv6Ranges: [range] })),
    ...(prefixListIds ?? []).map((list) => ({ ...of, prefixListIds: [list] })),
    ...(userIdGroupPairs ?? []).map((pair) => ({ ...of, userIdGroupPairs: [pair] })),
  ]
}

/** What makes a rule the same one: everything but its description. */
function identity(rule: IpPermission): string {
  const source =
    rule.ipRanges?.[0]?.cidrIp ??
    rule.ipv6Ranges?.[0]?.cidrIpv6 ??
    rule.prefixListIds?.[0]?.prefixListId ??
    rule.userIdGroupPairs?.[0]?.groupId
  return JSON.stringify([rule.ipProtocol, rule.fromPort ?? null, rule.toPort ?? null, source ?? null])
}

/** Single rules of `held` and `added`; a rule that is in both is taken as added. */
export function withRules(held: readonly IpPermission[], added: readonly IpPermission[]): IpPermission[] {
  const more = added.flatMap(single)
  return [...withoutRules(held, more), ...more]
}

/** Single rules of `held` that are not among `removed`. */
export function withoutRules(held: readonly IpPermission[], removed: readonly IpPermission[]): IpPermission[] {
  const gone = new Set(removed.flatMap(single).map(identity))
  return held.flatMap(single).filter((rule) => !gone.has(identity(rule)))
}

/** Those of `wished` that are in `held`, as single rules. */
export function rulesHeld(held: readonly IpPermission[], wished: readonly IpPermission[]): IpPermission[] {
  const there = new Set(held.flatMap(single).map(identity))
  return wished.flatMap(single).filter((rule) => there.has(identity(rule)))
}
