/** What a Service cannot ask of a Network Load Balancer, though each word of it is well formed. Pure. */
import type { LoadBalancerSpec, Reason } from '../contract.ts'
import type { Parameters } from './parameters.ts'
import type { PortGroup } from './port-groups.ts'

/** AWS needs an IPv6 prefix for source NAT and IPv6 target groups for it. */
export function udpOverIpv6({ families, ports }: Pick<LoadBalancerSpec, 'families' | 'ports'>): boolean {
  return families.includes('IPv6') && ports.some(({ protocol }) => protocol === 'UDP')
}

/** Wishes that AWS refuses or that contradict each other, each with what to do. */
export function refusals(spec: LoadBalancerSpec, parameters: Parameters, groups: readonly PortGroup[]): Reason[] {
  const { scheme, families, requestedAddresses } = spec
  const { allocationIds, privateIpv4Addresses, ipv6Addresses, sourceNatPrefixes, subnets } = parameters
  const refuse = (message: string): Reason => ({ reason: 'InvalidParameter', message })
  const counted: readonly [string, readonly string[] | undefined][] = [
    ['eip-allocations', allocationIds],
    ['private-ipv4-addresses', privateIpv4Addresses],
    ['ipv6-addresses', ipv6Addresses],
    ['source-nat-ipv6-prefixes', sourceNatPrefixes],
  ]
  return [
    ...(families.includes('IPv4')
      ? []
      : [
          {
            reason: 'UnsupportedIpFamily',
            message:
              'a Network Load Balancer has IPv4 or both families, never IPv6 alone; set ipFamilyPolicy to RequireDualStack',
          },
        ]),
    ...(requestedAddresses.length > 0
      ? [
          {
            reason: 'AddressNotSupported',
            message: `AWS takes addresses per subnet: use roadstead.dev/${scheme === 'public' ? 'eip-allocations' : 'private-ipv4-addresses'} instead of ${requestedAddresses.join(', ')}`,
          },
        ]
      : []),
    ...(allocationIds && scheme === 'internal'
      ? [refuse('eip-allocations is for public load balancers; use private-ipv4-addresses')]
      : []),
    ...(privateIpv4Addresses && scheme === 'public'
      ? [refuse('private-ipv4-addresses is for internal load balancers; use eip-allocations')]
      : []),
    ...(ipv6Addresses && !families.includes('IPv6') ? [refuse('ipv6-addresses needs a dual-stack Service')] : []),
    ...(sourceNatPrefixes && !udpOverIpv6(spec)
      ? [refuse('source-nat-ipv6-prefixes is for UDP over dual stack: remove it, or add a UDP port and IPv6')]
      : []),
    ...counted.flatMap(([key, addresses]) =>
      addresses && subnets && addresses.length !== subnets.length
        ? [refuse(`${key} names ${addresses.length} for ${subnets.length} subnets; give one for each`)]
        : [],
    ),
    ...(parameters.capacityUnits !== undefined && groups.some(({ protocol }) => protocol === 'TLS')
      ? [
          refuse(
            'capacity-units: AWS reserves none for load balancers with TLS listeners; remove it, or end TLS behind',
          ),
        ]
      : []),
    ...(parameters.tlsPorts !== undefined && parameters.certificates === undefined
      ? [refuse('tls-ports needs tls-certificates')]
      : []),
    ...(parameters.healthCheckTrafficPort && spec.policy === 'Local'
      ? [
          refuse(
            'health-check-traffic-port cannot tell nodes with local endpoints; remove it or use externalTrafficPolicy Cluster',
          ),
        ]
      : []),
  ]
}
