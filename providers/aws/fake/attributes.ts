/** Attributes of load balancers, target groups and listeners: the keys there are for network load balancers, their defaults and values. */
import type { KeyValue } from '../elbv2.ts'
import type { Attributes } from './account.ts'
import { demand } from './refusal.ts'

export interface AttributeRule {
  default: string
  accepts: (value: string) => boolean
}

export type AttributeRules = Readonly<Record<string, AttributeRule>>

const loadBalancerAttributes: AttributeRules = {
  'access_logs.s3.enabled': { default: 'false', accepts: boolean },
  'access_logs.s3.bucket': { default: '', accepts: matches(/^[a-z0-9.-]{0,63}$/) },
  'access_logs.s3.prefix': { default: '', accepts: matches(/^(?!AWSLogs)[^ ]*$/) },
  'deletion_protection.enabled': { default: 'false', accepts: boolean },
  'dns_record.client_routing_policy': {
    default: 'any_availability_zone',
    accepts: matches(/^(any_availability_zone|availability_zone_affinity|partial_availability_zone_affinity)$/),
  },
  'ipv6.deny_all_igw_traffic': { default: 'false', accepts: boolean },
  'load_balancing.cross_zone.enabled': { default: 'false', accepts: boolean },
  'secondary_ips.auto_assigned.per_subnet': { default: '0', accepts: matches(/^[0-7]$/) },
  'zonal_shift.config.enabled': { default: 'false', accepts: boolean },
}

const targetGroupAttributes: AttributeRules = {
  'deregistration_delay.connection_termination.enabled': { default: 'false', accepts: boolean },
  'deregistration_delay.timeout_seconds': { default: '300', accepts: numbers(0, 3600) },
  'load_balancing.cross_zone.enabled': {
    default: 'use_load_balancer_configuration',
    accepts: matches(/^(true|false|use_load_balancer_configuration)$/),
  },
  'preserve_client_ip.enabled': { default: 'true', accepts: boolean },
  'proxy_protocol_v2.enabled': { default: 'false', accepts: boolean },
  'stickiness.enabled': { default: 'false', accepts: boolean },
  'stickiness.type': { default: 'source_ip', accepts: matches(/^source_ip$/) },
  'target_group_health.dns_failover.minimum_healthy_targets.count': {
    default: '1',
    accepts: matches(/^(off|[0-9]+)$/),
  },
  'target_group_health.dns_failover.minimum_healthy_targets.percentage': {
    default: 'off',
    accepts: matches(/^(off|[0-9]+)$/),
  },
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.count': {
    default: '1',
    accepts: matches(/^[0-9]+$/),
  },
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage': {
    default: 'off',
    accepts: matches(/^(off|[0-9]+)$/),
  },
  'target_health_state.unhealthy.connection_termination.enabled': { default: 'true', accepts: boolean },
  'target_health_state.unhealthy.draining_interval_seconds': { default: '0', accepts: numbers(0, 360_000) },
}

export function loadBalancerAttributesOf(scheme: string): AttributeRules {
  const deny = { default: String(scheme === 'internal'), accepts: boolean }
  return { ...loadBalancerAttributes, 'ipv6.deny_all_igw_traffic': deny }
}

/** Of UDP and TCP_UDP, connections to removed targets end by default, and those to unhealthy ones cannot be ended. */
export function targetGroupAttributesOf(protocol: string): AttributeRules {
  if (!protocol.includes('UDP')) return targetGroupAttributes
  return {
    ...targetGroupAttributes,
    'deregistration_delay.connection_termination.enabled': { default: 'true', accepts: boolean },
    'target_health_state.unhealthy.connection_termination.enabled': { default: 'false', accepts: matches(/^false$/) },
  }
}

/** Of TCP listeners; others have none. */
export const listenerAttributes: AttributeRules = {
  'tcp.idle_timeout.seconds': { default: '350', accepts: numbers(60, 6000) },
}

export function defaultsOf(rules: AttributeRules): Attributes {
  return Object.fromEntries(Object.entries(rules).map(([key, rule]) => [key, rule.default]))
}

/** The attributes after the change; refuses keys there are not and values that do not fit. */
export function modified(rules: AttributeRules, before: Attributes, changes: readonly KeyValue[]): Attributes {
  for (const { key, value } of changes) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    demand(rule !== undefined, 'InvalidConfigurationRequest', `Load balancer attribute key '${key}' is not recognized`)
    demand(rule.accepts(value), 'InvalidConfigurationRequest', `The value '${value}' of '${key}' is not valid`)
  }
  return { ...before, ...Object.fromEntries(changes.map(({ key, value }) => [key, value])) }
}

function matches(pattern: RegExp): (value: string) => boolean {
  return (value) => pattern.test(value)
}

function boolean(value: string): boolean {
  return value === 'true' || value === 'false'
}

function numbers(least: number, most: number): (value: string) => boolean {
  return (value) => /^[0-9]+$/.test(value) && Number(value) >= least && Number(value) <= most
}
