/**
 * Attributes of load balancers, target groups and listeners, kept here: those that Network Load Balancers have with AWS's defaults (moto
 * shows others, refuses some of these and the delay of 3,600 s), checked keys and values.
 */
import {
  type AttributeRules,
  listenerAttributes,
  loadBalancerAttributesOf,
  targetGroupAttributesOf,
} from '../../providers/aws/fake/attributes.ts'
import { type Answer, refuse } from '../answer.ts'
import { type AwsCall, structures } from '../aws-call.ts'
import type { Layer } from '../layer.ts'
import { element, leaf } from '../xml.ts'
import { elbv2Answer } from './ask.ts'
import type { CloudState, RepairContext } from './state.ts'

interface Owner {
  arn: string
  /** For messages. */
  what: 'Load balancer' | 'Target group' | 'Listener'
  rules: AttributeRules
  /** The protocol of a target group. */
  protocol?: string
}

export function attributes({ state }: RepairContext): Layer {
  return async (call, next) => {
    switch (call.action) {
      case 'DescribeLoadBalancerAttributes':
        return show(state, call, loadBalancerOf(state, call))
      case 'ModifyLoadBalancerAttributes':
        return modify(state, call, loadBalancerOf(state, call))
      case 'DescribeTargetGroupAttributes':
        return show(state, call, targetGroupOf(state, call))
      case 'ModifyTargetGroupAttributes':
        return modify(state, call, targetGroupOf(state, call))
      case 'DescribeListenerAttributes':
        return show(state, call, listenerOf(state, call))
      case 'ModifyListenerAttributes':
        return modify(state, call, listenerOf(state, call))
      default:
        return await next(call)
    }
  }
}

function loadBalancerOf(state: CloudState, { parameters }: AwsCall): Owner {
  const arn = parameters.get('LoadBalancerArn') ?? ''
  const scheme = state.loadBalancers.get(arn)?.scheme
  if (scheme === undefined) return refuse('LoadBalancerNotFound', `Load balancer '${arn}' not found`)
  return { arn, what: 'Load balancer', rules: loadBalancerAttributesOf(scheme) }
}

function targetGroupOf(state: CloudState, { parameters }: AwsCall): Owner {
  const arn = parameters.get('TargetGroupArn') ?? ''
  const protocol = state.targetGroups.get(arn)?.protocol
  if (protocol === undefined) return refuse('TargetGroupNotFound', 'One or more target groups not found')
  return { arn, what: 'Target group', rules: targetGroupAttributesOf(protocol), protocol }
}

function listenerOf(state: CloudState, { parameters }: AwsCall): Owner {
  const arn = parameters.get('ListenerArn') ?? ''
  const listener = state.listeners.get(arn)
  if (listener === undefined) return refuse('ListenerNotFound', 'One or more listeners not found')
  return { arn, what: 'Listener', rules: listener.protocol === 'TCP' ? listenerAttributes : {} }
}

function modify(state: CloudState, call: AwsCall, owner: Owner): Answer {
  const wanted = structures(call.parameters, 'Attributes.member').map(
    (entry) => [entry.get('Key') ?? '', entry.get('Value') ?? ''] as const,
  )
  for (const [key, value] of wanted) check(owner, key, value)
  state.attributes.set(owner.arn, new Map([...(state.attributes.get(owner.arn) ?? []), ...wanted]))
  return show(state, call, owner)
}

function check({ what, rules, protocol }: Owner, key: string, value: string): void {
  const code = what === 'Target group' ? 'ValidationError' : 'InvalidConfigurationRequest'
  const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
  if (rule === undefined) return refuse(code, `${what} attribute key '${key}' is not recognized`)
  if (!rule.accepts(value)) refuse(code, `${what} attribute '${key}' cannot have the value '${value}'`)
  const addressAlways = protocol === 'UDP' || protocol === 'TCP_UDP'
  if (key === 'preserve_client_ip.enabled' && value === 'false' && addressAlways)
    refuse(
      'InvalidConfigurationRequest',
      `You cannot disable client IP preservation on target groups with the ${protocol} protocol`,
    )
  if (key === 'stickiness.enabled' && value === 'true' && protocol === 'TLS')
    refuse('InvalidConfigurationRequest', 'You cannot enable stickiness on target groups with the TLS protocol')
}

function show(state: CloudState, call: AwsCall, { arn, rules }: Owner): Answer {
  const defaults = Object.entries(rules).map(([key, rule]) => [key, rule.default] as const)
  const all = new Map([...defaults, ...(state.attributes.get(arn) ?? [])])
  const members = [...all].map(([key, value]) => element('member', [leaf('Key', key), leaf('Value', value)]))
  return elbv2Answer(call, [element('Attributes', members)])
}
