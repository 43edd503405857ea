/** What can be set on the running proxy: times of AWS's slow parts, token buckets, quotas. Times are milliseconds. */
import type { Bucket } from './buckets.ts'

export interface Settings {
  /** Added to each call, half before it is carried out and half after. */
  latencyMs: number
  /** Token buckets; none when empty. */
  buckets: readonly Bucket[]
  /** How long a load balancer is `provisioning` (AWS: 2-3 minutes). */
  provisioningMs: number
  /** How long a target is `initial` (AWS: 90-180 s on a Network Load Balancer). */
  initialMs: number
  /** How long a target that was deregistered is `draining`; undefined: the group's deregistration delay, as AWS does. */
  drainingMs: number | undefined
  /** How long after its listener or load balancer went a target group is still in use (ResourceInUse). */
  targetGroupLingerMs: number
  /** How long after its load balancer went a security group is still in use (DependencyViolation). */
  securityGroupLingerMs: number
  /** How long a new object is missing from describes. */
  visibilityMs: number
  /** The certificates there are; undefined: any ARN of ACM or IAM is one. */
  certificates: readonly string[] | undefined
  quotas: Quotas
}

export interface Quotas {
  loadBalancers: number
  targetGroups: number
  listenersPerLoadBalancer: number
  targetsPerGroup: number
  certificatesPerLoadBalancer: number
  /** Rules of one direction per security group. */
  rulesPerSecurityGroup: number
  tagsPerResource: number
}

/** AWS's default quotas; load balancers are adjustable there and 50 would stop the tests with 100 Services, so 1,000. */
export const defaultSettings: Settings = {
  latencyMs: 0,
  buckets: [],
  provisioningMs: 0,
  initialMs: 0,
  drainingMs: 0,
  targetGroupLingerMs: 0,
  securityGroupLingerMs: 0,
  visibilityMs: 0,
  certificates: undefined,
  quotas: {
    loadBalancers: 1000,
    targetGroups: 3000,
    listenersPerLoadBalancer: 50,
    targetsPerGroup: 1000,
    certificatesPerLoadBalancer: 25,
    rulesPerSecurityGroup: 60,
    tagsPerResource: 50,
  },
}

export type SettingsChange = Partial<Omit<Settings, 'quotas'>> & { quotas?: Partial<Quotas> }

export function withChange(settings: Settings, change: SettingsChange): Settings {
  return { ...settings, ...change, quotas: { ...settings.quotas, ...change.quotas } }
}
