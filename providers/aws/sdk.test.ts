/** The port at the HTTP edge: what is really sent equals what the code gave, refusals become CloudErrors, one request a call. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import nock from 'nock'
import { CloudError } from '../contract.ts'
import type { Action, AwsCloud } from './cloud.ts'
import { actionNames, actions } from './cloud.ts'
import { instanceRegion } from './instance-metadata.ts'
import { createSdkCloud } from './sdk.ts'

const endpoint = 'http://aws.invalid'
const signal = () => new AbortController().signal
const lb = 'arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net/a/1'
const group = 'arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/b/2'
const listener = 'arn:aws:elasticloadbalancing:eu-west-1:1:listener/net/a/1/3'
const tags = [{ key: 'team', value: 'shop' }]
const certificates = [{ certificateArn: 'arn:aws:acm:eu-west-1:1:certificate/c' }]
const check = {
  healthCheckProtocol: 'HTTP',
  healthCheckPort: '10256',
  healthCheckPath: '/healthz',
  healthCheckIntervalSeconds: 11,
  healthCheckTimeoutSeconds: 6,
  healthyThresholdCount: 2,
  unhealthyThresholdCount: 3,
  matcher: { httpCode: '200-399' },
} as const
const rules = [
  {
    ipProtocol: 'tcp',
    fromPort: 30_080,
    toPort: 30_081,
    ipRanges: [{ cidrIp: '10.0.0.0/8', description: 'a' }],
    ipv6Ranges: [{ cidrIpv6: '2001:db8::/32', description: 'b' }],
    prefixListIds: [{ prefixListId: 'pl-1', description: 'c' }],
    userIdGroupPairs: [{ groupId: 'sg-2', description: 'd' }],
  },
]
const filters = [{ name: 'vpc-id', values: ['vpc-1', 'vpc-2'] }]

/** Every field of every action. */
const inputs: { [A in Action]: Parameters<AwsCloud[A]>[0] } = {
  describeLoadBalancers: { loadBalancerArns: [lb], names: ['a', 'b'], marker: 'm', pageSize: 99 },
  describeLoadBalancerAttributes: { loadBalancerArn: lb },
  createLoadBalancer: {
    name: 'a',
    scheme: 'internal',
    ipAddressType: 'dualstack',
    subnetMappings: [
      { subnetId: 'subnet-1', allocationId: 'eip-1', privateIpv4Address: '10.0.0.9', ipv6Address: '2001:db8::1' },
      { subnetId: 'subnet-2', sourceNatIpv6Prefix: 'auto_assigned' },
    ],
    securityGroups: ['sg-1', 'sg-2'],
    enablePrefixForIpv6SourceNat: 'on',
    tags,
  },
  modifyLoadBalancerAttributes: { loadBalancerArn: lb, attributes: tags },
  describeCapacityReservation: { loadBalancerArn: lb },
  modifyCapacityReservation: {
    loadBalancerArn: lb,
    minimumLoadBalancerCapacity: { capacityUnits: 2750 },
    resetCapacityReservation: false,
  },
  setIpAddressType: { loadBalancerArn: lb, ipAddressType: 'ipv4' },
  setSecurityGroups: {
    loadBalancerArn: lb,
    securityGroups: ['sg-1'],
    enforceSecurityGroupInboundRulesOnPrivateLinkTraffic: 'off',
  },
  setSubnets: {
    loadBalancerArn: lb,
    subnetMappings: [{ subnetId: 'subnet-1', allocationId: 'eip-1', sourceNatIpv6Prefix: '2001:db8:0:0:1::/80' }],
    ipAddressType: 'dualstack',
    enablePrefixForIpv6SourceNat: 'off',
  },
  deleteLoadBalancer: { loadBalancerArn: lb },
  describeListeners: { loadBalancerArn: lb, listenerArns: [listener], marker: 'm' },
  createListener: {
    loadBalancerArn: lb,
    protocol: 'TLS',
    port: 443,
    certificates,
    sslPolicy: 'p',
    alpnPolicy: ['HTTP2Preferred'],
    defaultActions: [{ type: 'forward', targetGroupArn: group }],
    tags,
  },
  modifyListener: {
    listenerArn: listener,
    protocol: 'TCP_UDP',
    certificates,
    sslPolicy: 'p',
    alpnPolicy: ['None'],
    defaultActions: [{ type: 'forward', targetGroupArn: group }],
  },
  deleteListener: { listenerArn: listener },
  describeListenerAttributes: { listenerArn: listener },
  modifyListenerAttributes: { listenerArn: listener, attributes: tags },
  describeListenerCertificates: { listenerArn: listener, marker: 'm' },
  addListenerCertificates: { listenerArn: listener, certificates },
  removeListenerCertificates: { listenerArn: listener, certificates },
  describeTargetGroups: { loadBalancerArn: lb, targetGroupArns: [group], names: ['b'], marker: 'm', pageSize: 7 },
  createTargetGroup: {
    name: 'b',
    protocol: 'TCP',
    port: 30_080,
    vpcId: 'vpc-1',
    targetType: 'instance',
    ipAddressType: 'ipv6',
    ...check,
    tags,
  },
  modifyTargetGroup: { targetGroupArn: group, ...check },
  deleteTargetGroup: { targetGroupArn: group },
  describeTargetGroupAttributes: { targetGroupArn: group },
  modifyTargetGroupAttributes: { targetGroupArn: group, attributes: tags },
  describeTargetHealth: { targetGroupArn: group, targets: [{ id: 'i-1', port: 30_080 }] },
  registerTargets: {
    targetGroupArn: group,
    targets: [
      { id: 'i-1', port: 30_080 },
      { id: 'i-2', port: 30_081 },
    ],
  },
  deregisterTargets: { targetGroupArn: group, targets: [{ id: 'i-1', port: 30_080 }] },
  describeTags: { resourceArns: [lb, group] },
  addTags: { resourceArns: [lb], tags },
  removeTags: { resourceArns: [lb], tagKeys: ['team', 'stage'] },
  describeSubnets: { subnetIds: ['subnet-1'], filters, nextToken: 't' },
  describeRouteTables: { filters, nextToken: 't' },
  describeAvailabilityZones: { zoneNames: ['eu-west-1a'] },
  describeInstances: { instanceIds: ['i-1', 'i-2'], filters, nextToken: 't' },
  describeSecurityGroups: { groupIds: ['sg-1'], filters, nextToken: 't' },
  createSecurityGroup: {
    groupName: 'g',
    description: 'd',
    vpcId: 'vpc-1',
    tagSpecifications: [{ resourceType: 'security-group', tags }],
  },
  deleteSecurityGroup: { groupId: 'sg-1' },
  authorizeSecurityGroupIngress: { groupId: 'sg-1', ipPermissions: rules },
  revokeSecurityGroupIngress: { groupId: 'sg-1', ipPermissions: rules },
  createTags: { resources: ['sg-1'], tags },
  deleteTags: { resources: ['sg-1'], tags: [{ key: 'team', value: 'shop' }, { key: 'stage' }] },
}

function leaves(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [String(value)]
  return Object.values(value).flatMap(leaves)
}

const call = (cloud: AwsCloud, action: Action, input: object = inputs[action]): Promise<unknown> =>
  (cloud[action] as (input: object, signal: AbortSignal) => Promise<unknown>)(input, signal())

/** The parameters of the one request that follows. */
function answered(status: number, body: string, headers: Record<string, string> = {}) {
  const sent: URLSearchParams[] = []
  nock(endpoint)
    .post('/', (text: unknown) => {
      sent.push(new URLSearchParams(typeof text === 'string' ? text : (text as Record<string, string>)))
      return true
    })
    .reply(status, body, { 'content-type': 'text/xml', ...headers })
  return sent
}

const elbAnswer = (action: string, result = '') =>
  `<${action}Response xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></${action}Response>`
const ec2Answer = (action: string, result = '<return>true</return>') =>
  `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId>${result}</${action}Response>`
const elbError = (code: string, message = 'no') =>
  `<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r-2</RequestId></ErrorResponse>`
const ec2Error = (code: string, message = 'no') =>
  `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>r-3</RequestID></Response>`

describe('the SDK behind the port', () => {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const
  const environment = names.map((name) => process.env[name])
  let cloud: AwsCloud

  before(async () => {
    for (const name of names) process.env[name] = 'test'
    if (!nock.isActive()) nock.activate()
    cloud = await createSdkCloud({ region: 'eu-west-1', endpoint })
  })
  after(() => {
    nock.cleanAll()
    nock.restore()
    for (const [index, name] of names.entries()) {
      const value = environment[index]
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })

  const refused = async (action: Action, status: number, body: string, headers?: Record<string, string>) => {
    answered(status, body, headers)
    const error: unknown = await call(cloud, action).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof CloudError, String(error))
    assert.ok(nock.isDone())
    return error
  }

  for (const action of actionNames) {
    test(`${action} sends what it was given, all of it and nothing else`, async () => {
      const name = action.charAt(0).toUpperCase() + action.slice(1)
      const { service } = actions[action]
      const result = action === 'createSecurityGroup' ? '<groupId>sg-9</groupId>' : undefined
      const sent = answered(200, service === 'ec2' ? ec2Answer(name, result) : elbAnswer(name))
      await call(cloud, action)
      const [parameters] = sent
      assert.ok(parameters)
      assert.equal(parameters.get('Action'), name)
      const extras = ['Action', 'Version', ...(action === 'createLoadBalancer' ? ['Type'] : ['MaxResults'])]
      const values = [...parameters].filter(([key]) => !extras.includes(key)).map(([, value]) => value)
      assert.deepEqual(values.sort(), leaves(inputs[action]).sort())
    })
  }

  test('a load balancer is made as a network load balancer; a describe without ids asks for pages', async () => {
    const made = answered(200, elbAnswer('CreateLoadBalancer'))
    await call(cloud, 'createLoadBalancer')
    assert.equal(made[0]?.get('Type'), 'network')
    assert.equal(made[0]?.get('SubnetMappings.member.1.PrivateIPv4Address'), '10.0.0.9')
    const listed = answered(200, ec2Answer('DescribeSubnets'))
    await cloud.describeSubnets({ filters }, signal())
    assert.equal(listed[0]?.get('MaxResults'), '1000')
  })

  const elbKinds = {
    Throttling: 'throttled',
    ThrottlingException: 'throttled',
    TooManyLoadBalancers: 'quota',
    TooManyTargets: 'quota',
    AccessDenied: 'denied',
    ExpiredToken: 'unavailable',
    DuplicateTargetGroupName: 'conflict',
    DuplicateListener: 'conflict',
    ResourceInUse: 'in-use',
    LoadBalancerNotFound: 'not-found',
    SubnetNotFound: 'not-found',
    InvalidTarget: 'invalid',
    ValidationError: 'invalid',
    OperationNotPermitted: 'invalid',
    SomethingNewLimitExceeded: 'quota',
    SomethingNewNotFound: 'not-found',
    SomethingNew: 'unknown',
  } as const
  for (const [code, kind] of Object.entries(elbKinds)) {
    test(`ELB's ${code} is ${kind}, with its request id`, async () => {
      const error = await refused('createTargetGroup', 400, elbError(code), { 'x-amzn-requestid': 'r-2' })
      assert.deepEqual([error.kind, error.requestId], [kind, 'r-2'])
      assert.equal(error.code, code.replace(/Exception$/, ''))
    })
  }

  const ec2Kinds = {
    RequestLimitExceeded: 'throttled',
    RulesPerSecurityGroupLimitExceeded: 'quota',
    UnauthorizedOperation: 'denied',
    AuthFailure: 'denied',
    'InvalidGroup.Duplicate': 'conflict',
    'InvalidPermission.Duplicate': 'conflict',
    'InvalidPermission.NotFound': 'not-found',
    'InvalidGroup.NotFound': 'not-found',
    'InvalidInstanceID.NotFound': 'not-found',
    DependencyViolation: 'in-use',
    InvalidParameterValue: 'invalid',
    Unavailable: 'unavailable',
  } as const
  for (const [code, kind] of Object.entries(ec2Kinds)) {
    test(`EC2's ${code} is ${kind}, with its request id`, async () => {
      const error = await refused('authorizeSecurityGroupIngress', 400, ec2Error(code), {
        'x-amzn-requestid': 'r-3',
      })
      assert.deepEqual([error.kind, error.code, error.requestId], [kind, code, 'r-3'])
    })
  }

  test('what is not allowed names the action, without the encoded reason that differs every time', async () => {
    const text = 'You are not authorized to perform this operation. Encoded authorization failure message: Ab9dE'
    const { message } = await refused('createSecurityGroup', 403, ec2Error('UnauthorizedOperation', text))
    assert.equal(message, 'ec2:CreateSecurityGroup: You are not authorized to perform this operation.')
  })

  test('a request id that only the body has is found, where the SDK keeps it', async () => {
    assert.equal((await refused('registerTargets', 400, elbError('TooManyTargets'))).requestId, 'r-2')
  })

  test('a quota is named', async () => {
    const error = await refused(
      'createLoadBalancer',
      400,
      elbError('TooManyLoadBalancers', 'The maximum has been reached.'),
    )
    assert.match(error.message, /Network Load Balancers per Region/)
  })

  test('an answer of something between us and AWS is unavailable', async () => {
    const error = await refused('describeTargetGroups', 502, '<html><body>Bad Gateway</body></html>')
    assert.deepEqual([error.kind, error.code], ['unavailable', 'HTTP502'])
  })

  test('an internal error is unavailable and is asked once: the SDK does not retry', async () => {
    const error = await refused('deleteTargetGroup', 500, elbError('InternalFailure'))
    assert.equal(error.kind, 'unavailable')
  })

  test('Retry-After is told', async () => {
    const error = await refused('describeTags', 503, elbError('ServiceUnavailable'), { 'retry-after': '7' })
    assert.deepEqual([error.kind, error.retryAfterSeconds], ['unavailable', 7])
  })

  test('a dead connection and a call that is given up are unavailable', async () => {
    nock(endpoint)
      .post('/')
      .replyWithError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    const dead = (error: unknown) => error instanceof CloudError && error.kind === 'unavailable'
    await assert.rejects(call(cloud, 'describeTags'), dead)
    await assert.rejects(cloud.describeTags({ resourceArns: [lb] }, AbortSignal.abort()), dead)
  })

  test('the region is that of the instance where nothing else tells it, or asked for', async () => {
    const metadata = { AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://imds.invalid' }
    nock('http://imds.invalid').put('/latest/api/token').reply(200, 'secret')
    nock('http://imds.invalid', { reqheaders: { 'x-aws-ec2-metadata-token': 'secret' } })
      .get('/latest/meta-data/placement/region')
      .reply(200, 'eu-west-3')
    assert.equal(await instanceRegion(metadata), 'eu-west-3')
    nock('http://imds.invalid').put('/latest/api/token').reply(403)
    assert.equal(await instanceRegion(metadata), undefined)
    assert.equal(await instanceRegion({ ...metadata, AWS_EC2_METADATA_DISABLED: 'true' }), undefined)
  })

  test('an answer without a needed field is an error that names it', async () => {
    answered(200, elbAnswer('DescribeTags', '<TagDescriptions><member><Tags/></member></TagDescriptions>'))
    await assert.rejects(call(cloud, 'describeTags'), /DescribeTags.*resourceArn/)
  })

  test('load balancers are read with their addresses, those of other types too', async () => {
    const zone =
      '<member><ZoneName>eu-west-1a</ZoneName><SubnetId>subnet-1</SubnetId><LoadBalancerAddresses><member><IpAddress>192.0.2.1</IpAddress><AllocationId>eip-1</AllocationId></member><member><IPv6Address>2001:db8::1</IPv6Address></member></LoadBalancerAddresses></member>'
    const one = `<member><LoadBalancerArn>${lb}</LoadBalancerArn><LoadBalancerName>a</LoadBalancerName><DNSName>a.elb.eu-west-1.amazonaws.com</DNSName><Type>network</Type><Scheme>internet-facing</Scheme><IpAddressType>dualstack</IpAddressType><VpcId>vpc-1</VpcId><State><Code>active</Code></State><SecurityGroups><member>sg-1</member></SecurityGroups><AvailabilityZones>${zone}</AvailabilityZones></member>`
    const other =
      '<member><LoadBalancerArn>x</LoadBalancerArn><LoadBalancerName>gw</LoadBalancerName><Type>gateway</Type></member>'
    answered(
      200,
      elbAnswer('DescribeLoadBalancers', `<LoadBalancers>${one}${other}</LoadBalancers><NextMarker>n</NextMarker>`),
    )
    const { loadBalancers, nextMarker } = await cloud.describeLoadBalancers({}, signal())
    assert.equal(nextMarker, 'n')
    assert.deepEqual(
      loadBalancers.map(({ loadBalancerName, type }) => [loadBalancerName, type]),
      [
        ['a', 'network'],
        ['gw', 'gateway'],
      ],
    )
    assert.equal(loadBalancers[0]?.dnsName, 'a.elb.eu-west-1.amazonaws.com')
    const [ipv4, ipv6] = loadBalancers[0]?.availabilityZones[0]?.loadBalancerAddresses ?? []
    assert.deepEqual([ipv4?.allocationId, ipv6?.ipv6Address], ['eip-1', '2001:db8::1'])
  })

  test('a listener that forwards by a configuration with one group names that group', async () => {
    const forward = `<member><Type>forward</Type><ForwardConfig><TargetGroups><member><TargetGroupArn>${group}</TargetGroupArn></member></TargetGroups></ForwardConfig></member>`
    const one = `<member><ListenerArn>${listener}</ListenerArn><LoadBalancerArn>${lb}</LoadBalancerArn><Port>80</Port><Protocol>TCP</Protocol><DefaultActions>${forward}</DefaultActions></member>`
    answered(200, elbAnswer('DescribeListeners', `<Listeners>${one}</Listeners>`))
    const { listeners } = await cloud.describeListeners({ loadBalancerArn: lb }, signal())
    assert.deepEqual(listeners[0]?.defaultActions, [{ type: 'forward', targetGroupArn: group }])
    assert.deepEqual(listeners[0]?.certificates, [])
  })

  test('of an instance the groups of the primary interface are read', async () => {
    const nic = (index: number, id: string) =>
      `<item><attachment><deviceIndex>${index}</deviceIndex></attachment><groupSet><item><groupId>${id}</groupId><groupName>n</groupName></item></groupSet></item>`
    const one = `<item><instanceId>i-1</instanceId><vpcId>vpc-1</vpcId><instanceState><name>running</name></instanceState><networkInterfaceSet>${nic(1, 'sg-b')}${nic(0, 'sg-a')}</networkInterfaceSet></item>`
    answered(
      200,
      ec2Answer(
        'DescribeInstances',
        `<reservationSet><item><instancesSet>${one}</instancesSet></item></reservationSet>`,
      ),
    )
    const { instances } = await cloud.describeInstances({ instanceIds: ['i-1'] }, signal())
    assert.deepEqual(
      instances.map(({ instanceId, state, securityGroups }) => [instanceId, state, securityGroups[0]?.groupId]),
      [['i-1', 'running', 'sg-a']],
    )
  })
})
