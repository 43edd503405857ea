/** IP addresses and CIDRs as people write them, checked and in one spelling. Pure. */
import ipaddr from 'ipaddr.js'

/** The canonical spelling of a CIDR with host bits cleared; undefined when it is none. Blanks around it are allowed, as in Kubernetes. */
export function canonicalCidr(text: string): string | undefined {
  const trimmed = text.trim()
  if (!/^[0-9a-fA-F.:]+\/\d{1,3}$/.test(trimmed) || !ipaddr.isValidCIDR(trimmed)) return undefined
  const [address, prefix] = ipaddr.parseCIDR(trimmed)
  if (address.kind() === 'ipv4') return `${ipaddr.IPv4.networkAddressFromCIDR(trimmed).toString()}/${prefix}`
  return `${ipaddr.IPv6.networkAddressFromCIDR(trimmed).toRFC5952String()}/${prefix}`
}

/** The canonical spelling of an IP address, or undefined. */
export function canonicalIp(text: string): string | undefined {
  const trimmed = text.trim()
  if (ipaddr.IPv4.isValidFourPartDecimal(trimmed)) return trimmed
  if (!trimmed.includes(':') || !ipaddr.IPv6.isValid(trimmed)) return undefined
  return ipaddr.IPv6.parse(trimmed).toRFC5952String()
}
