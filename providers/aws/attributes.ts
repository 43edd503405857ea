/**
 * Attributes of load balancers, target groups and listeners with the values AWS gives them. Pure. Only what differs from these is ever
 * written, and what is no longer asked for goes back to them. Source: the attribute lists of the ELBv2 API reference (NLB).
 */
import type { Attributes, Tags } from './resources.ts'
import { attributesTag, protectedMark } from './tags.ts'

export type AttributeKind = 'load-balancer' | 'target-group' | 'listener'

const deletionProtection = 'deletion_protection.enabled'

const defaults: Readonly<Record<AttributeKind, Attributes>> = {
  'load-balancer': {
    'access_logs.s3.enabled': 'false',
    'access_logs.s3.bucket': '',
    'access_logs.s3.prefix': '',
    'load_balancing.cross_zone.enabled': 'false',
    'dns_record.client_routing_policy': 'any_availability_zone',
    'zonal_shift.config.enabled': 'false',
    'secondary_ips.auto_assigned.per_subnet': '0',
  },
  'target-group': {
    'deregistration_delay.timeout_seconds': '300',
    'deregistration_delay.connection_termination.enabled': 'false',
    'preserve_client_ip.enabled': 'true',
    'proxy_protocol_v2.enabled': 'false',
    'stickiness.enabled': 'false',
    'load_balancing.cross_zone.enabled': 'use_load_balancer_configuration',
    'target_health_state.unhealthy.connection_termination.enabled': 'true',
    'target_health_state.unhealthy.draining_interval_seconds': '0',
    'target_group_health.dns_failover.minimum_healthy_targets.count': '1',
    'target_group_health.dns_failover.minimum_healthy_targets.percentage': 'off',
    'target_group_health.unhealthy_state_routing.minimum_healthy_targets.count': '1',
    'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage': 'off',
  },
  listener: { 'tcp.idle_timeout.seconds': '350' },
}

/** What some defaults depend on. */
export interface Particulars {
  /** Of a target group. */
  protocol?: string
  /** Of a load balancer. */
  scheme?: string
}

function defaultsOf(kind: AttributeKind, { protocol = '', scheme }: Particulars): Attributes {
  if (kind === 'load-balancer' && scheme !== undefined) {
    return { ...defaults[kind], 'ipv6.deny_all_igw_traffic': String(scheme === 'internal') }
  }
  if (kind !== 'target-group' || !protocol.includes('UDP')) return defaults[kind]
  // UDP flows do not end by themselves; the end of those of unhealthy targets cannot be asked for.
  const own = Object.entries(defaults[kind]).filter(([key]) => !key.startsWith('target_health_state.'))
  return { ...Object.fromEntries(own), 'deregistration_delay.connection_termination.enabled': 'true' }
}

/** Those that AWS would not have by itself; undefined when there are none, so that an object without wishes needs no further call. */
export function beyondDefaults(kind: AttributeKind, wanted: Attributes, of: Particulars = {}): Attributes | undefined {
  const standard = defaultsOf(kind, of)
  const different = Object.entries(wanted).filter(([key, value]) => standard[key] !== value)
  return different.length === 0 ? undefined : Object.fromEntries(different.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * What to write. Attributes that were not read count as AWS's own values, unless the object's tags say that some were set: then they stand
 * as they were set, until they are read. Deletion protection goes only when the tags say that it was asked for once: others may have set it.
 */
export function attributeChanges(
  kind: AttributeKind,
  wanted: Attributes | undefined,
  seen: { attributes?: Attributes; tags: Tags } & Particulars,
): Attributes {
  if (seen.attributes === undefined) return seen.tags[attributesTag] === undefined ? (wanted ?? {}) : {}
  const unprotect = seen.tags[attributesTag] === protectedMark ? { [deletionProtection]: 'false' } : {}
  const goal = { ...defaultsOf(kind, seen), ...unprotect, ...wanted }
  const { attributes } = seen
  // A wish for an attribute that AWS did not list is written once more; a default is put back only where AWS lists another value.
  return Object.fromEntries(
    Object.entries(goal).filter(([key, value]) => {
      const asked = wanted?.[key] !== undefined
      if (!asked && !(key in attributes)) return false
      // While access logs are off, where they would go does not matter.
      if (!asked && key.startsWith('access_logs.s3.') && !key.endsWith('.enabled')) return false
      return (attributes[key] ?? '') !== value
    }),
  )
}
