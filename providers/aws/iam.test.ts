/** The IAM policies against the calls that are really made: every call is allowed on what it touches, no action is allowed that is never called. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, healthCheck, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import type { Action } from './cloud.ts'
import { actionNames, actions } from './cloud.ts'
import { createFakeAws } from './fake.ts'
import type { FakeAws } from './fake.ts'
import { putInstance, seed } from './fake/seed.ts'
import { fullPolicy, iamName, placeholders, readOnlyPolicy } from './iam.ts'
import type { Policy } from './iam.ts'
import { createAwsProvider } from './provider.ts'

type Tags = Readonly<Record<string, string>>
type Statement = Policy['Statement'][number]

interface Request {
  name: string
  /** What the call touches; each has to be allowed. */
  objects: readonly { arn: string; tags: Tags }[]
  requestTags: Tags
  tagKeys: readonly string[]
}

const own = (text: string) => text.replaceAll(placeholders.clusterId, 'c1').replaceAll(placeholders.clusterName, 'c1')

/** IAM's evaluation, as far as these policies use it. */
function allows(policy: Policy, request: Request): boolean {
  return request.objects.every(({ arn, tags }) =>
    policy.Statement.some(
      (statement) =>
        [statement.Action].flat().includes(request.name) &&
        [statement.Resource].flat().some((pattern) => fits(pattern, arn)) &&
        conditionHolds(statement, tags, request),
    ),
  )
}

function fits(pattern: string, arn: string): boolean {
  return new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(arn)
}

function conditionHolds({ Condition = {} }: Statement, tags: Tags, { requestTags, tagKeys }: Request): boolean {
  const valueOf = (key: string): string | undefined => {
    const [, kind, name = ''] = /^aws:(RequestTag|ResourceTag)\/(.*)$/.exec(key) ?? []
    return kind === 'RequestTag' ? requestTags[name] : kind === 'ResourceTag' ? tags[name] : undefined
  }
  return Object.entries(Condition).every(([operator, tests]) =>
    Object.entries(tests).every(([key, wanted]) => {
      const accepted = [wanted].flat().map(own)
      if (operator === 'ForAllValues:StringNotEquals') return tagKeys.every((each) => !accepted.includes(each))
      const value = valueOf(own(key))
      if (value === undefined) return operator === 'StringEqualsIfExists'
      return accepted.includes(value)
    }),
  )
}

function tagsAt({ account }: FakeAws, id: string): Tags {
  const { securityGroups, loadBalancers, targetGroups, listeners } = account
  const found = [securityGroups, loadBalancers, targetGroups, listeners].map((table) => table.get(id)).find(Boolean)
  return Object.fromEntries(Object.entries(found?.tags ?? {}))
}

function requestOf(aws: FakeAws, action: Action, input: Readonly<Record<string, unknown>>): Request {
  const pairs = (list: unknown) => (Array.isArray(list) ? (list as { key: string; value?: string }[]) : [])
  const specifications = (input['tagSpecifications'] ?? []) as readonly { tags: unknown }[]
  const tags = [...pairs(input['tags']), ...specifications.flatMap((each) => pairs(each.tags))]
  const ids = [input['listenerArn'], input['targetGroupArn'], input['loadBalancerArn'], input['groupId']]
    .concat(input['resourceArns'], input['resources'])
    .filter((id) => typeof id === 'string')
  const removed = Array.isArray(input['tagKeys']) ? (input['tagKeys'] as string[]) : []
  return {
    name: iamName(action),
    objects: [...made(action), ...ids.map((id) => ({ arn: arnOf(id), tags: tagsAt(aws, id) }))],
    requestTags: Object.fromEntries(tags.map(({ key, value = '' }) => [key, value])),
    tagKeys: [...tags.map(({ key }) => key), ...removed],
  }
}

/** What does not exist yet has no tags of its own. */
function made(action: Action): { arn: string; tags: Tags }[] {
  const elb = 'arn:aws:elasticloadbalancing:eu-central-1:111122223333'
  const ec2 = 'arn:aws:ec2:eu-central-1:111122223333'
  if (action === 'createSecurityGroup') {
    return [`${ec2}:security-group/new`, `${ec2}:vpc/vpc-1`].map((arn) => ({ arn, tags: {} }))
  }
  if (action === 'createLoadBalancer') return [{ arn: `${elb}:loadbalancer/net/new/1`, tags: {} }]
  if (action === 'createTargetGroup') return [{ arn: `${elb}:targetgroup/new/1`, tags: {} }]
  return actions[action].mutating ? [] : [{ arn: '*', tags: {} }]
}

function arnOf(id: string): string {
  return id.startsWith('sg-') ? `arn:aws:ec2:eu-central-1:111122223333:security-group/${id}` : id
}

/** A life with everything a Service may ask for. */
async function everything(record: (request: Request, action: Action) => void): Promise<void> {
  let time = 1_800_000_000_000
  const aws = createFakeAws({ now: () => time })
  const base = seed(aws.account)
  const instance = (number: number) => `i-${String(number).padStart(17, '0')}`
  for (const number of [1, 2, 3]) putInstance(aws.account, base, instance(number), number % 3)
  const nodes = [1, 2, 3].map((number) => ({
    name: `node-${number}`,
    providerId: `aws:///eu-central-1a/${instance(number)}`,
    addresses: [],
  }))
  aws.gate = async ({ action, input }) => {
    time += 10
    record(requestOf(aws, action, input), action)
  }
  let provider = createAwsProvider({ cloud: aws.cloud, now: () => time, vpcId: base.vpcId })
  provider.nodes?.(nodes)
  const providerId = (node: string) => nodes.find(({ name }) => name === node)?.providerId ?? ''
  const world = { provider, providerId, settle: async () => void (time += 900_000) }
  const certificate = (name: string) => `arn:aws:acm:eu-central-1:111122223333:certificate/${name}`
  const tls = { 'tls-ports': '443', 'tls-certificates': `${certificate('a')},${certificate('b')}` }
  const subnets = (ids: readonly string[]) => ({ subnets: ids.join(',') })
  const tcp: SpecChanges['ports'] = [{ name: '', protocol: 'TCP', port: 80, nodePort: 30_080 }]
  const lives: readonly SpecChanges[] = [
    { drainSeconds: 30, parameters: { ...tls, ...subnets(base.publicSubnetIds.slice(0, 2)), tags: 'team=shop' } },
    { families: ['IPv4', 'IPv6'], parameters: { ...subnets(base.publicSubnetIds), 'cross-zone': 'true' } },
    {
      policy: 'Local',
      healthCheck: healthCheck(31_000),
      nodes: ['node-3'],
      parameters: { 'idle-timeout-seconds': '60' },
    },
    { parameters: { ...tls, tags: 'team=other' } },
    {
      parameters: { ...tls, 'tls-certificates': certificate('a'), 'private-link-rules': 'off' },
      sourceRanges: ['10.0.0.0/8'],
    },
    { ports: tcp },
    // In place: what carries UDP is replaced.
    { ports: tcp, families: ['IPv4', 'IPv6'], parameters: { 'capacity-units': '3000' } },
    { ports: tcp, parameters: subnets(base.publicSubnetIds.slice(0, 2)) },
    { scheme: 'internal' },
  ]
  for (const changes of lives) {
    const spec = specOf(world, changes)
    await converge(world as Parameters<typeof converge>[0], spec, { provider })
    provider = createAwsProvider({ cloud: aws.cloud, now: () => time })
    provider.nodes?.(nodes)
    await converge(world as Parameters<typeof converge>[0], spec, { provider })
  }
  await converge(world as Parameters<typeof converge>[0], undefined, { provider })
  // Where no subnet is tagged, route tables and kinds of zones decide.
  for (const subnet of aws.account.subnets.values()) {
    aws.account.subnets.put(subnet.subnetId, {
      ...subnet,
      tags: [],
      availabilityZone: `${subnet.availabilityZone}-bos-1a`,
    })
  }
  time += 3_600_000
  await converge(world as Parameters<typeof converge>[0], specOf(world, { scheme: 'internal' }), { provider }).catch(
    (error: unknown) => assert.match(String(error), /zone|subnet/i),
  )
}

describe('IAM policies', () => {
  test('every call is allowed on what it touches, and every action of the port is called', async () => {
    const called = new Set<Action>()
    await everything((request, action) => {
      called.add(action)
      assert.ok(allows(fullPolicy(), request), `${request.name} on ${JSON.stringify(request.objects)} is not allowed`)
    })
    const never = actionNames.filter((action) => !called.has(action))
    assert.deepEqual(never, [])
  })

  test('what carries no mark, or that of another cluster, cannot be changed', async () => {
    await everything((request, action) => {
      if (!actions[action].mutating) return
      const strip = (tags: Tags) =>
        Object.fromEntries(
          Object.entries(tags)
            .filter(([key]) => !/cluster/.test(key))
            .concat([['roadstead.dev/cluster', 'c2']]),
        )
      const foreign = {
        ...request,
        objects: request.objects.map(({ arn, tags }) => ({ arn, tags: strip(tags) })),
        requestTags: strip(request.requestTags),
      }
      assert.ok(!allows(fullPolicy(), foreign), `${request.name} is allowed for another cluster`)
    })
  })

  test('the mark itself cannot be taken off', () => {
    const request = {
      name: 'elasticloadbalancing:RemoveTags',
      objects: [{ arn: 'arn:aws:elasticloadbalancing:r:1:targetgroup/t/1', tags: { 'roadstead.dev/cluster': 'c1' } }],
      requestTags: {},
      tagKeys: ['roadstead.dev/cluster'],
    }
    assert.ok(!allows(fullPolicy(), request))
    assert.ok(allows(fullPolicy(), { ...request, tagKeys: ['team'] }))
  })

  test('the read-only policy has every read and no write', () => {
    const listed = readOnlyPolicy().Statement.flatMap(({ Action: names }) => [names].flat())
    const reads = actionNames.filter((action) => !actions[action].mutating).map(iamName)
    assert.deepEqual(listed.toSorted(), reads.toSorted())
    assert.ok(listed.every((name) => /:Describe/.test(name)))
  })

  test('a managed policy may have 6,144 characters without white space', () => {
    assert.ok(JSON.stringify(fullPolicy()).length <= 6144)
  })
})
