/** Files that a Pod sees in place of the machine's: resolv.conf and hosts, as kubelet writes them. Pure. */
import type { Pod } from '../../../kube/objects.ts'

export interface DnsSettings {
  nameserver: string
  clusterDomain: string
}

/** Host name of a Pod: spec.hostname or its name, at most 63 characters, never ending in `-` or `.`. */
export function podHostname(pod: Pod): string {
  const name = pod.spec.hostname ?? pod.metadata.name ?? ''
  return name.slice(0, 63).replace(/[-.]+$/, '')
}

/** undefined: the machine's own file (dnsPolicy Default, and ClusterFirst on the host network). */
export function resolvConf(pod: Pod, dns: DnsSettings): string | undefined {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  if (policy === 'Default' || policy === 'None' || (policy === 'ClusterFirst' && pod.spec.hostNetwork)) return undefined
  const domain = dns.clusterDomain
  const search = [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain]
  return `search ${search.join(' ')}\nnameserver ${dns.nameserver}\noptions ndots:5\n`
}

/** undefined on the host network: the machine's own file. */
export function hostsFile(pod: Pod, podIPs: readonly string[], dns: DnsSettings): string | undefined {
  if (pod.spec.hostNetwork) return undefined
  const hostname = podHostname(pod)
  const { subdomain } = pod.spec
  const names = subdomain
    ? `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.${dns.clusterDomain}\t${hostname}`
    : hostname
  const fixed = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback']
  return `# Kubernetes-managed hosts file.\n${[...fixed, ...podIPs.map((ip) => `${ip}\t${names}`)].join('\n')}\n`
}
