/**
 * A change of externalTrafficPolicy without lost requests. Pure; time comes in.
 * A load balancer looks at the old health check until the operator has moved it and says so in a Service condition. Until then, or until
 * the grace time is over, this node behaves so that both the old and the new health check are true:
 * Cluster -> Local: the health check node port answers at once, packets are still sent to endpoints anywhere.
 * Local -> Cluster: packets are sent anywhere at once, the old health check node port goes on answering.
 */
import type { Service, TrafficPolicy } from '../../kube/objects.ts'

export const policyCondition = 'roadstead.dev/ExternalTrafficPolicy'
const classPrefix = 'roadstead.dev/'

export interface PolicyView {
  spec: TrafficPolicy
  /** 0: the spec has none. */
  healthCheckNodePort: number
  /** The policy whose health checks are in effect at every load balancer; undefined when nobody says. */
  inEffect: TrafficPolicy | undefined
  /** Somebody will say so: without that there is nothing to wait for. */
  announced: boolean
}

export interface FlipState {
  readonly spec: TrafficPolicy
  /** When the flip to `spec` began; undefined when it is over. */
  readonly since: number | undefined
  /** Health check node ports that the spec has dropped, with the time they are given up. */
  readonly leftover: ReadonlyMap<number, number>
  readonly port: number
}

export interface FlipDecision {
  state: FlipState
  /** How packets are forwarded now. */
  forward: TrafficPolicy
  healthPorts: number[]
  /** Decide again at this time (ms since the epoch) if nothing else happens before. */
  wakeAt: number | undefined
}

/** What flip needs of a Service. Undefined when it has no external policy (a ClusterIP). */
export function policyView(service: Service): PolicyView | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort, loadBalancerClass } = service.spec
  if (type !== 'LoadBalancer' && type !== 'NodePort') return undefined
  const condition = service.status?.conditions?.find((candidate) => candidate.type === policyCondition)
  const said = condition?.status === 'True' ? condition.reason : undefined
  return {
    spec: externalTrafficPolicy ?? 'Cluster',
    healthCheckNodePort: type === 'LoadBalancer' && externalTrafficPolicy === 'Local' ? (healthCheckNodePort ?? 0) : 0,
    inEffect: said === 'Cluster' || said === 'Local' ? said : undefined,
    announced:
      type === 'LoadBalancer' && (condition !== undefined || (loadBalancerClass ?? '').startsWith(classPrefix)),
  }
}

/**
 * @param previous undefined when this process sees the Service for the first time
 * @param remembered ports that a previous process held open for it
 */
export function flip(
  previous: FlipState | undefined,
  view: PolicyView,
  now: number,
  graceMs: number,
  remembered: readonly number[] = [],
): FlipDecision {
  const { spec, inEffect, healthCheckNodePort: port } = view
  if (!view.announced) return settled(view)

  let since = previous?.since
  if (previous === undefined) {
    since = inEffect !== undefined && inEffect !== spec ? now : undefined
  } else if (previous.spec !== spec) since = now
  if (inEffect === spec || (since !== undefined && now >= since + graceMs)) since = undefined

  // A port the spec has dropped lasts until the load balancers are known to look at node health (policy Cluster), or for the grace time.
  const leftover = new Map(previous?.leftover)
  if (previous === undefined) for (const old of remembered) leftover.set(old, now + graceMs)
  else if (previous.port !== 0 && previous.port !== port) leftover.set(previous.port, now + graceMs)
  leftover.delete(port)
  for (const [old, until] of leftover) {
    if (now >= until || (spec === 'Cluster' && inEffect !== 'Local' && since === undefined)) leftover.delete(old)
  }

  const ends = [...leftover.values(), ...(since === undefined ? [] : [since + graceMs])]
  return {
    state: { spec, since, leftover, port },
    forward: since === undefined ? spec : 'Cluster',
    healthPorts: [...(port === 0 ? [] : [port]), ...leftover.keys()],
    wakeAt: ends.length === 0 ? undefined : Math.min(...ends),
  }
}

function settled({ spec, healthCheckNodePort: port }: PolicyView): FlipDecision {
  return {
    state: { spec, since: undefined, leftover: new Map(), port },
    forward: spec,
    healthPorts: port === 0 ? [] : [port],
    wakeAt: undefined,
  }
}
