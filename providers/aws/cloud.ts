/**
 * The port to AWS: every action this provider makes, and nothing else. Behind it stand sdk.ts (the SDK) and fake.ts (AWS's rules in memory);
 * everything above uses only this. The table of actions is what budgets, IAM policies and the tests' call counts are made from.
 */
import type { Ec2 } from './ec2.ts'
import type { Elbv2 } from './elbv2.ts'

export interface AwsCloud extends Elbv2, Ec2 {}

/** Name of a function of the port: the AWS action with a small first letter. */
export type Action = keyof AwsCloud

export type Input<A extends Action> = Parameters<AwsCloud[A]>[0]
export type Output<A extends Action> = AwsCloud[A] extends (...given: never[]) => Promise<infer O> ? O : never

type Call<A extends Action> = (input: Input<A>, signal: AbortSignal) => Promise<Output<A>>

/** The port as a table of its functions, so that one function can be written for any action. */
type Calls = { [A in Action]: Call<A> }

export interface ActionFacts {
  service: 'elasticloadbalancing' | 'ec2'
  mutating: boolean
  /** Which of AWS's token buckets a call is taken from, as far as they are known; see `bucketLimits`. */
  bucket: 'elb-read' | 'elb-write' | 'elb-register' | 'elb-heavy' | 'ec2-read' | 'ec2-write'
}

const elb = (bucket: ActionFacts['bucket']): ActionFacts => ({
  service: 'elasticloadbalancing',
  mutating: bucket !== 'elb-read',
  bucket,
})
const ec2 = (bucket: ActionFacts['bucket']): ActionFacts => ({
  service: 'ec2',
  mutating: bucket !== 'ec2-read',
  bucket,
})

export const actions: Readonly<Record<Action, ActionFacts>> = {
  describeLoadBalancers: elb('elb-read'),
  describeLoadBalancerAttributes: elb('elb-read'),
  createLoadBalancer: elb('elb-write'),
  modifyLoadBalancerAttributes: elb('elb-write'),
  describeCapacityReservation: elb('elb-read'),
  modifyCapacityReservation: elb('elb-write'),
  setIpAddressType: elb('elb-write'),
  setSecurityGroups: elb('elb-write'),
  setSubnets: elb('elb-write'),
  deleteLoadBalancer: elb('elb-write'),
  describeListeners: elb('elb-read'),
  createListener: elb('elb-write'),
  modifyListener: elb('elb-write'),
  deleteListener: elb('elb-write'),
  describeListenerAttributes: elb('elb-read'),
  modifyListenerAttributes: elb('elb-write'),
  describeListenerCertificates: elb('elb-read'),
  addListenerCertificates: elb('elb-write'),
  removeListenerCertificates: elb('elb-write'),
  describeTargetGroups: elb('elb-read'),
  createTargetGroup: elb('elb-write'),
  modifyTargetGroup: elb('elb-write'),
  deleteTargetGroup: elb('elb-write'),
  describeTargetGroupAttributes: elb('elb-read'),
  modifyTargetGroupAttributes: elb('elb-write'),
  describeTargetHealth: elb('elb-read'),
  registerTargets: elb('elb-register'),
  deregisterTargets: elb('elb-register'),
  describeTags: elb('elb-read'),
  addTags: elb('elb-write'),
  removeTags: elb('elb-write'),
  describeSubnets: ec2('ec2-read'),
  describeRouteTables: ec2('ec2-read'),
  describeAvailabilityZones: ec2('ec2-read'),
  describeInstances: ec2('ec2-read'),
  describeSecurityGroups: ec2('ec2-read'),
  createSecurityGroup: ec2('ec2-write'),
  deleteSecurityGroup: ec2('ec2-write'),
  authorizeSecurityGroupIngress: ec2('ec2-write'),
  revokeSecurityGroupIngress: ec2('ec2-write'),
  createTags: ec2('ec2-write'),
  deleteTags: ec2('ec2-write'),
}

/**
 * Burst and refill a second of AWS's buckets per account and region. Documented: elb-read. The others are what aws-load-balancer-controller
 * assumes of Modify* and RegisterTargets; EC2's are below its documented examples. All of them leave room for others in the account.
 */
export const bucketLimits: Readonly<Record<ActionFacts['bucket'], { burst: number; perSecond: number }>> = {
  'elb-read': { burst: 40, perSecond: 10 },
  'elb-write': { burst: 20, perSecond: 3 },
  'elb-register': { burst: 20, perSecond: 4 },
  'elb-heavy': { burst: 10, perSecond: 0.2 },
  'ec2-read': { burst: 100, perSecond: 20 },
  'ec2-write': { burst: 50, perSecond: 5 },
}

export const actionNames: readonly Action[] = Object.keys(actions).filter(isAction)

function isAction(name: string): name is Action {
  return Object.hasOwn(actions, name)
}

/** A port with one function for each action. */
export function everyAction(make: <A extends Action>(action: A) => Call<A>): AwsCloud {
  const made: Partial<Calls> = {}
  for (const action of actionNames) Object.assign(made, { [action]: make(action) })
  if (!isWhole(made)) throw new TypeError('an action has no function')
  return made
}

function isWhole(calls: Partial<Calls>): calls is Calls {
  return actionNames.every((action) => calls[action] !== undefined)
}

/** What is done around one call: `go` makes it, with the caller's signal unless another one is given. */
export type Around = <T>(
  call: { action: Action; input: object },
  go: (signal?: AbortSignal) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>

/** The same port, each call within `wrap`. */
export function around(cloud: AwsCloud, wrap: Around): AwsCloud {
  const calls: Calls = cloud
  return everyAction(
    (action) => (input, signal) => wrap({ action, input }, (other = signal) => calls[action](input, other), signal),
  )
}
