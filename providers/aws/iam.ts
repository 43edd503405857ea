/**
 * The IAM policies, generated from the table of actions: what the code calls and nothing else. Every write is bound to the value of this
 * cluster's tag, on the request for what is made and on the object for what is changed; a write to a new kind of object does not compile
 * without saying what it is bound to. Source: Service Authorization Reference, ELB v2 and EC2.
 */
import type { Action } from './cloud.ts'
import { actionNames, actions } from './cloud.ts'
import { clusterTag } from './tags.ts'

interface Statement {
  Sid: string
  Effect: 'Allow'
  Action: string | readonly string[]
  Resource: string | readonly string[]
  Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
}

export interface Policy {
  Version: '2012-10-17'
  Statement: readonly Statement[]
}

/** To be replaced in the generated files: by the operator's --cluster-id, and by the name in the nodes' `kubernetes.io/cluster/<name>` tag. */
export const placeholders = { clusterId: 'CLUSTER_ID', clusterName: 'CLUSTER_NAME' } as const

/** How a write is bound to the cluster. */
type Binding = 'made' | 'made in a VPC' | 'changed' | 'tagged' | 'untagged' | 'rules'

type Write = Exclude<Action, `describe${string}`>

const bindings: Readonly<Record<Write, Binding>> = {
  createLoadBalancer: 'made',
  createTargetGroup: 'made',
  // Also to its load balancer, which has to be ours.
  createListener: 'made',
  createSecurityGroup: 'made in a VPC',
  modifyLoadBalancerAttributes: 'changed',
  modifyCapacityReservation: 'changed',
  setIpAddressType: 'changed',
  setSecurityGroups: 'changed',
  setSubnets: 'changed',
  deleteLoadBalancer: 'changed',
  modifyListener: 'changed',
  deleteListener: 'changed',
  modifyListenerAttributes: 'changed',
  addListenerCertificates: 'changed',
  removeListenerCertificates: 'changed',
  modifyTargetGroup: 'changed',
  deleteTargetGroup: 'changed',
  modifyTargetGroupAttributes: 'changed',
  registerTargets: 'changed',
  deregisterTargets: 'changed',
  deleteSecurityGroup: 'changed',
  addTags: 'tagged',
  createTags: 'tagged',
  removeTags: 'untagged',
  deleteTags: 'untagged',
  authorizeSecurityGroupIngress: 'rules',
  revokeSecurityGroupIngress: 'rules',
}

/** What AWS asks of the caller of CreateLoadBalancer and SetSubnets, though the code does not call it itself. */
const onBehalf = ['ec2:DescribeAccountAttributes', 'ec2:DescribeAddresses', 'ec2:DescribeInternetGateways']

const request = `aws:RequestTag/${clusterTag}`
const resource = `aws:ResourceTag/${clusterTag}`
const equals = (key: string, value: string | readonly string[] = placeholders.clusterId) => ({
  StringEquals: { [key]: value },
})

/** Reads alone: enough for `roadstead plan`, `diff` and `analyze`. */
export function readOnlyPolicy(): Policy {
  return { Version: '2012-10-17', Statement: [reads()] }
}

export function fullPolicy(): Policy {
  const groups = 'arn:*:ec2:*:*:security-group/*'
  return {
    Version: '2012-10-17',
    Statement: [
      reads(),
      {
        Sid: 'ReadForCreateLoadBalancer',
        Effect: 'Allow',
        Action: onBehalf,
        Resource: '*',
      },
      {
        Sid: 'ServiceLinkedRoleOnce',
        Effect: 'Allow',
        Action: 'iam:CreateServiceLinkedRole',
        Resource: '*',
        Condition: equals('iam:AWSServiceName', 'elasticloadbalancing.amazonaws.com'),
      },
      {
        Sid: 'MakeWithTheClustersTag',
        Effect: 'Allow',
        Action: bound('made').filter((name) => name !== 'elasticloadbalancing:CreateListener'),
        Resource: '*',
        Condition: equals(request),
      },
      {
        Sid: 'MakeListenersOnTheClustersLoadBalancers',
        Effect: 'Allow',
        Action: 'elasticloadbalancing:CreateListener',
        Resource: 'arn:*:elasticloadbalancing:*:*:loadbalancer/net/*',
        Condition: { StringEquals: { [request]: placeholders.clusterId, [resource]: placeholders.clusterId } },
      },
      {
        Sid: 'MakeSecurityGroupsWithTheClustersTag',
        Effect: 'Allow',
        Action: bound('made in a VPC'),
        Resource: groups,
        Condition: equals(request),
      },
      {
        Sid: 'MakeSecurityGroupsInVpcs',
        Effect: 'Allow',
        Action: bound('made in a VPC'),
        Resource: 'arn:*:ec2:*:*:vpc/*',
      },
      {
        Sid: 'TagLoadBalancingWhileMaking',
        Effect: 'Allow',
        Action: 'elasticloadbalancing:AddTags',
        Resource: '*',
        Condition: {
          StringEquals: {
            [request]: placeholders.clusterId,
            'elasticloadbalancing:CreateAction': ['CreateLoadBalancer', 'CreateTargetGroup', 'CreateListener'],
          },
        },
      },
      {
        Sid: 'TagSecurityGroupsWhileMaking',
        Effect: 'Allow',
        Action: 'ec2:CreateTags',
        Resource: groups,
        Condition: { StringEquals: { [request]: placeholders.clusterId, 'ec2:CreateAction': 'CreateSecurityGroup' } },
      },
      {
        Sid: 'ChangeTheClusters',
        Effect: 'Allow',
        Action: bound('changed'),
        Resource: '*',
        Condition: equals(resource),
      },
      {
        Sid: 'RetagTheClusters',
        Effect: 'Allow',
        Action: bound('tagged'),
        Resource: '*',
        Condition: { ...equals(resource), StringEqualsIfExists: { [request]: placeholders.clusterId } },
      },
      {
        Sid: 'UntagTheClustersButNotItsMark',
        Effect: 'Allow',
        Action: bound('untagged'),
        Resource: '*',
        Condition: { ...equals(resource), 'ForAllValues:StringNotEquals': { 'aws:TagKeys': clusterTag } },
      },
      {
        Sid: 'RulesOfTheClustersGroups',
        Effect: 'Allow',
        Action: bound('rules'),
        Resource: groups,
        Condition: equals(resource),
      },
      {
        // The nodes' group is not ours: it carries the mark that kops, EKS and Cluster API give it.
        Sid: 'RulesOfTheNodesGroups',
        Effect: 'Allow',
        Action: bound('rules'),
        Resource: groups,
        Condition: equals(`aws:ResourceTag/kubernetes.io/cluster/${placeholders.clusterName}`, ['owned', 'shared']),
      },
    ],
  }
}

function reads(): Statement {
  const names = actionNames.filter((action) => !actions[action].mutating).map(iamName)
  return { Sid: 'Read', Effect: 'Allow', Action: names.sort(), Resource: '*' }
}

function bound(binding: Binding): string[] {
  return (Object.keys(bindings) as Write[])
    .filter((action) => bindings[action] === binding)
    .map(iamName)
    .sort()
}

/** IAM's name of an action of the port. */
export function iamName(action: Action): string {
  return `${actions[action].service}:${action.charAt(0).toUpperCase()}${action.slice(1)}`
}

/** The generated files of the chart: name -> text. */
export function policyFiles(): Map<string, string> {
  const print = (policy: Policy) => `${JSON.stringify(policy, null, 2)}\n`
  return new Map([
    ['charts/roadstead/files/iam/policy.json', print(fullPolicy())],
    ['charts/roadstead/files/iam/policy-read-only.json', print(readOnlyPolicy())],
  ])
}
