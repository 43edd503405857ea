/**
 * The families that this node serves: /healthz speaks of no other (KEP-3836). As kube-proxy finds it out (`platformCheckSupported`): what
 * the programs can do, and whether the kernel was started with IPv6. Rules of nftables can be written without; nothing would use them.
 */
import { existsSync } from 'node:fs'
import { type Family, families } from '../rules/addresses.ts'
import type { RuleWriter } from '../writer.ts'

/** Not there with `ipv6.disable=1`; empty where IPv6 is only switched off for now (disable_ipv6). */
const ipv6Addresses = '/proc/net/if_inet6'

export function servedFamilies(writer: Pick<RuleWriter, 'families'>, hasIpv6 = existsSync(ipv6Addresses)): Family[] {
  const written = writer.families ?? families
  return families.filter((family) => written.includes(family) && (family === 'ip' || hasIpv6))
}
