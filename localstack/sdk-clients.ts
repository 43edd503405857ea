/** Clients of the real SDK for seeds, the probe and tests: no retries of their own, so that one call is one request. */
import { EC2Client } from '@aws-sdk/client-ec2'
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2'

export const testRegion = 'eu-west-1'

export interface Clients {
  ec2: EC2Client
  elbv2: ElasticLoadBalancingV2Client
  destroy(): void
}

export function clients(url: string, region = testRegion): Clients {
  const options = {
    endpoint: url,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  }
  const ec2 = new EC2Client(options)
  const elbv2 = new ElasticLoadBalancingV2Client(options)
  return {
    ec2,
    elbv2,
    destroy() {
      ec2.destroy()
      elbv2.destroy()
    },
  }
}
