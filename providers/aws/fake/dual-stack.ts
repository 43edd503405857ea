/**
 * What AWS asks of listeners and target groups where clients come over IPv4 and IPv6: UDP needs a prefix for source NAT and an IPv6 target
 * group, and an IPv6 target group needs dual stack. Source: "Create a listener" and "Create a target group", NLB user guide.
 */
import ipaddr from 'ipaddr.js'
import type { ListenerProtocol } from '../elbv2.ts'
import type { Account, LoadBalancerState } from './account.ts'
import type { Placement } from './placement.ts'
import { demand } from './refusal.ts'

type Stack = Pick<Placement, 'ipAddressType' | 'prefixForSourceNat'>

/** Refuses a listener that the load balancer's address type cannot have. */
export function checkListener(
  { ipAddressType, prefixForSourceNat }: Stack,
  protocol: ListenerProtocol,
  targets: 'ipv4' | 'ipv6',
): void {
  const dualstack = ipAddressType === 'dualstack'
  const isUdp = protocol === 'UDP' || protocol === 'TCP_UDP'
  demand(
    targets === 'ipv4' || dualstack,
    'InvalidConfigurationRequest',
    'An ipv6 target group needs a dualstack load balancer',
  )
  demand(
    !isUdp || !dualstack || prefixForSourceNat === 'on',
    'InvalidConfigurationRequest',
    'UDP on a dualstack load balancer needs a prefix for source NAT',
  )
  demand(
    !isUdp || !dualstack || targets === 'ipv6',
    'InvalidConfigurationRequest',
    'UDP on a dualstack load balancer needs an ipv6 target group',
  )
}

/** Refuses another address type that a listener of the load balancer cannot live with. */
export function checkStack(account: Account, { arn }: Pick<LoadBalancerState, 'arn'>, after: Stack): void {
  for (const { loadBalancerArn, protocol, targetGroupArn } of account.listeners.values()) {
    if (loadBalancerArn !== arn) continue
    checkListener(after, protocol, account.targetGroups.get(targetGroupArn)?.ipAddressType ?? 'ipv4')
  }
}

/** `auto_assigned`, or a /80 of the subnet. */
export function checkPrefix(prefix: string, blocks: readonly string[], enabled: Placement['prefixForSourceNat']): void {
  demand(enabled === 'on', 'InvalidConfigurationRequest', 'A prefix is given, and prefixes for source NAT are off')
  if (prefix === 'auto_assigned') return
  const fits = ipaddr.IPv6.isValidCIDR(prefix) && prefix.endsWith('/80')
  demand(fits, 'ValidationError', `'${prefix}' is not an IPv6 prefix of length 80`)
  const [base] = ipaddr.IPv6.parseCIDR(prefix)
  const inside = blocks.some((block) => base.match(ipaddr.IPv6.parseCIDR(block)))
  demand(inside, 'InvalidConfigurationRequest', `'${prefix}' is not in an IPv6 CIDR block of the subnet`)
}
