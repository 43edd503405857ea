/** Kernel settings of sandbox namespaces, as paths below /proc/sys. They are written inside a namespace, never on the machine. */

/**
 * What every sandbox namespace needs: IPv6 addresses usable at once (no duplicate address detection), no router solicitations, no
 * ICMP redirects (they would move traffic off the path under test), no reverse path filter, bridged frames not seen by nftables' IP hooks.
 */
export const quietSysctls: Readonly<Record<string, string>> = {
  ...perInterface('ipv6', { disable_ipv6: '0', accept_dad: '0', accept_ra: '0', router_solicitations: '0' }),
  ...perInterface('ipv6', { accept_redirects: '0', optimistic_dad: '0' }),
  ...perInterface('ipv4', { accept_redirects: '0', secure_redirects: '0', send_redirects: '0', rp_filter: '0' }),
  'net/bridge/bridge-nf-call-iptables': '0',
  'net/bridge/bridge-nf-call-ip6tables': '0',
}

/** Forwarding between interfaces, both families. */
export const forwardingSysctls: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '1',
  ...perInterface('ipv6', { forwarding: '1' }),
}

function perInterface(family: 'ipv4' | 'ipv6', values: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(values)
  return Object.fromEntries(
    ['default', 'all'].flatMap((scope) => entries.map(([key, value]) => [`net/${family}/conf/${scope}/${key}`, value])),
  )
}
