/**
 * What IAM is asked for a recorded call: action, resources, and the tags of request and resource. After the service authorization reference
 * of Elastic Load Balancing V2 and Amazon EC2: who tags in a create call also needs the permission to tag, with the create as its reason.
 */
import type { CallRecord } from '../../localstack/journal.ts'
import { testRegion } from '../../localstack/sdk-clients.ts'
import type { AccessRequest } from './iam.ts'

const account = '123456789012'

/** Tags by ARN, or by id for ec2: as they stood when the call was made. */
export type TagsOf = (id: string) => Readonly<Record<string, string>>

export function accessOf(call: CallRecord, tagsOf: TagsOf): AccessRequest[] {
  const action = `${call.service === 'elbv2' ? 'elasticloadbalancing' : 'ec2'}:${call.action}`
  if (!call.mutating) return [{ action, resource: '*', context: {} }]
  const tags = requestTags(call.parameters)
  const request = requestContext(tags)
  const on = (id: string): AccessRequest => ({
    action,
    resource: id.startsWith('arn:') ? id : ec2Arn('security-group', id),
    context: { ...request, ...resourceContext(tagsOf(id)) },
  })
  const tagging = (resource: string): AccessRequest[] =>
    Object.keys(tags).length === 0
      ? []
      : call.service === 'elbv2'
        ? [
            {
              action: 'elasticloadbalancing:AddTags',
              resource,
              context: { ...request, 'elasticloadbalancing:CreateAction': call.action },
            },
          ]
        : [{ action: 'ec2:CreateTags', resource, context: { ...request, 'ec2:CreateAction': call.action } }]
  const { parameters } = call
  switch (call.action) {
    case 'CreateLoadBalancer': {
      const resource = elbArn(`loadbalancer/net/${parameters['Name']}/0123456789abcdef`)
      return [{ action, resource, context: request }, ...tagging(resource)]
    }
    case 'CreateTargetGroup': {
      const resource = elbArn(`targetgroup/${parameters['Name']}/0123456789abcdef`)
      return [{ action, resource, context: request }, ...tagging(resource)]
    }
    case 'CreateListener': {
      const balancer = parameters['LoadBalancerArn'] ?? ''
      const listener = balancer.replace(':loadbalancer/', ':listener/').concat('/0123456789abcdef')
      return [on(balancer), ...tagging(listener)]
    }
    case 'CreateSecurityGroup':
      return [
        { action, resource: ec2Arn('security-group', 'sg-new'), context: request },
        { action, resource: ec2Arn('vpc', parameters['VpcId'] ?? ''), context: {} },
        ...tagging(ec2Arn('security-group', 'sg-new')),
      ]
    default:
      return idsOf(parameters).map(on)
  }
}

/** Which objects a call changes. */
function idsOf(parameters: CallRecord['parameters']): string[] {
  const listed = Object.entries(parameters)
    .filter(([name]) => /^ResourceArns\.member\.\d+$|^ResourceId\.\d+$/.test(name))
    .map(([, id]) => id)
  const single = parameters['ListenerArn'] ?? parameters['TargetGroupArn'] ?? parameters['LoadBalancerArn']
  const id = single ?? parameters['GroupId']
  return id === undefined ? listed : [id]
}

function requestTags(parameters: CallRecord['parameters']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(parameters).flatMap(([name, key]) => {
      const tag = /^((?:TagSpecification\.\d+\.)?(?:Tags\.member|Tag)\.\d+)\.Key$/.exec(name)?.[1]
      return tag === undefined ? [] : [[key, parameters[`${tag}.Value`] ?? '']]
    }),
  )
}

function requestContext(tags: Readonly<Record<string, string>>): AccessRequest['context'] {
  const keys = Object.keys(tags)
  if (keys.length === 0) return {}
  return { ...Object.fromEntries(keys.map((key) => [`aws:RequestTag/${key}`, tags[key] ?? ''])), 'aws:TagKeys': keys }
}

function resourceContext(tags: Readonly<Record<string, string>>): AccessRequest['context'] {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:ResourceTag/${key}`, value]))
}

function elbArn(resource: string): string {
  return `arn:aws:elasticloadbalancing:${testRegion}:${account}:${resource}`
}

function ec2Arn(kind: string, id: string): string {
  return `arn:aws:ec2:${testRegion}:${account}:${kind}/${id}`
}
