/**
 * Declarations that every nft table of ours begins with, in modes nftables and ipvs: who is a Pod, what is a frontend, its verdict and its
 * endpoints. What else the tables hold differs.
 */
import type { Family } from '../rules/addresses.ts'

export interface OwnTypes {
  /** Declarations of `ep` and `ep-local`, and of `learn`, without name: `{ type ... : ...; }`. */
  endpoint: string
  learn: string
  /** Type of the values of `svc` and `svc-local`. */
  verdict: string
}

export function recordMapTexts(family: Family, { endpoint, learn, verdict }: OwnTypes): string[] {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const frontendType = `${type} . inet_proto . inet_service`
  return [
    `set pods { type ${type}; flags interval; }`,
    `set service-cidrs { type ${type}; flags interval; }`,
    `set cluster-ips { type ${type}; }`,
    `set frontends { type ${frontendType}; }`,
    `set no-ep { type ${frontendType}; }`,
    `set fw-vips { type ${frontendType}; }`,
    `set fw-allow { type ${frontendType} . ${type}; flags interval; }`,
    `set masq { type ${frontendType}; }`,
    `set local-vips { type ${frontendType}; }`,
    `map svc { type ${frontendType} : ${verdict}; }`,
    `map ep ${endpoint}`,
    `map svc-local { type ${frontendType} : ${verdict}; }`,
    `map ep-local ${endpoint}`,
    `set hairpin { type ${type} . ${type}; }`,
    `map session { type ${frontendType} : classid; }`,
    `map learn ${learn}`,
    `map health-ports { type inet_service : ${type}; }`,
  ]
}
