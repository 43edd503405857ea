/**
 * EC2 over the SDK's own client, protocol, credentials and signing, with the shapes of ec2-shapes.ts only. What differs between two services
 * of AWS is configuration: the client for load balancers, which is loaded anyway, speaks EC2 when it is given EC2's.
 */
import type { ElasticLoadBalancingV2ClientConfig } from '@aws-sdk/client-elastic-load-balancing-v2'
import { partition } from '@aws-sdk/core/client'
import { AwsEc2QueryProtocol } from '@aws-sdk/core/protocols'
import { makeBuilder } from '@smithy/core/client'
import { getEndpointPlugin } from '@smithy/core/endpoints'
import type { OperationShape } from './ec2-shapes.ts'
import { ec2Namespace, ec2Operations } from './ec2-shapes.ts'

const version = '2016-11-15'

/** What makes a client of the SDK one for EC2; the rest of its configuration is as for any service. */
export const ec2Service: ElasticLoadBalancingV2ClientConfig & { signingName: string } = {
  apiVersion: version,
  signingName: 'ec2',
  // Names AWS_ENDPOINT_URL_EC2 and the profile's section of services, and stands in the user agent.
  serviceId: 'EC2',
  protocol: AwsEc2QueryProtocol,
  protocolSettings: {
    defaultNamespace: ec2Namespace,
    xmlNamespace: `http://ec2.amazonaws.com/doc/${version}`,
    version,
    serviceTarget: 'AmazonEC2',
  },
  endpointProvider: (where) => ({ url: new URL(ec2Endpoint(where)) }),
}

export interface Where {
  Region?: string | undefined
  UseDualStack?: boolean | undefined
  UseFIPS?: boolean | undefined
  Endpoint?: string | undefined
}

/** EC2's endpoint rules. Throws RangeError where a partition has not what is asked for. */
export function ec2Endpoint({ Region: region = '', UseDualStack, UseFIPS, Endpoint: custom }: Where): string {
  if (custom !== undefined) {
    if (UseFIPS === true || UseDualStack === true)
      throw new RangeError('an endpoint of your own for EC2 goes neither with FIPS nor with dual stack endpoints')
    return custom
  }
  if (region === '') throw new RangeError('the region is not known: give the setting region or set AWS_REGION')
  const { name, dnsSuffix, dualStackDnsSuffix, supportsFIPS, supportsDualStack } = partition(region)
  if (UseFIPS === true && !supportsFIPS) throw new RangeError(`${name} has no FIPS endpoints`)
  if (UseDualStack === true && !supportsDualStack) throw new RangeError(`${name} has no dual stack endpoints`)
  // In GovCloud every endpoint is one of FIPS.
  const service = UseFIPS === true && (UseDualStack === true || name !== 'aws-us-gov') ? 'ec2-fips' : 'ec2'
  return `https://${service}.${region}.${UseDualStack === true ? dualStackDnsSuffix : dnsSuffix}`
}

const command = makeBuilder(
  {
    UseFIPS: { type: 'builtInParams', name: 'useFipsEndpoint' },
    Endpoint: { type: 'builtInParams', name: 'endpoint' },
    Region: { type: 'builtInParams', name: 'region' },
    UseDualStack: { type: 'builtInParams', name: 'useDualstackEndpoint' },
  },
  'AmazonEC2',
  'EC2Client',
  getEndpointPlugin,
)

/** As the SDK's modules export them: DescribeSubnetsCommand and so on. */
export const ec2Commands: Readonly<Record<string, object>> = Object.fromEntries(
  Object.values(ec2Operations).map((shape) => [`${nameOf(shape)}Command`, command({}, () => [], nameOf(shape), shape)]),
)

function nameOf(shape: OperationShape): string {
  return shape[2]
}
