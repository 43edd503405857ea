/**
 * The AWS fake as a world of the conformance suite. A call takes 10 ms of its time and settle() a quarter of an hour, longer than anything
 * drains; what needs patience of the operator (groups in use, describes that lag) is switched off here and is the simulation's subject.
 */
import type { Mutation, World } from '../conformance-world.ts'
import { CloudError } from '../contract.ts'
import type { Provider, Resource, TargetNode } from '../contract.ts'
import type { Action, AwsCloud } from './cloud.ts'
import { actions } from './cloud.ts'
import { createFakeAws } from './fake.ts'
import type { FakeAws, FakeAwsOptions } from './fake.ts'
import { inventoryOf } from './fake/inventory.ts'
import { putInstance, seed } from './fake/seed.ts'
import type { Seeded } from './fake/seed.ts'
import { createAwsProvider } from './provider.ts'
import { keyOfTags } from './tags.ts'

const callMs = 10
const settleMs = 900_000

/** What is particular to Network Load Balancers, wherever they are emulated. */
export const awsTraits: Pick<World, 'nodeChangeWrites' | 'pendingEdit'> = {
  // Three ports have a target group each; registering is one call, deregistering another.
  nodeChangeWrites: 6,
  // Targets and checks of a running load balancer change at once: what is pending is its replacement.
  pendingEdit: { scheme: 'internal' },
}

export interface AwsWorld extends World {
  readonly aws: FakeAws
  readonly base: Seeded
}

export function fakeAwsWorld(options: FakeAwsOptions = {}): AwsWorld {
  let time = 1_800_000_000_000
  const aws = createFakeAws({ now: () => time, ...options })
  const base = seed(aws.account)
  const seeded = new Set([base.nodeGroupId])
  const nodes = new Map<string, TargetNode>()
  const seen: { mutation: Mutation; calls: number }[] = []
  let provider = create()
  aws.gate = async ({ action, input }) => {
    time += callMs
    if (actions[action].mutating) seen.push({ mutation: mutationOf(aws, base, action, input), calls: aws.calls.length })
  }

  function create(): Provider {
    const created = createAwsProvider({ cloud: aws.cloud, now: () => time, vpcId: base.vpcId })
    created.nodes?.([...nodes.values()])
    return created
  }

  return {
    ...awsTraits,
    aws,
    base,
    get provider() {
      return provider
    },
    providerId(node) {
      const number = Number(node.split('-').at(-1))
      const id = instanceId(number)
      const providerId = `aws:///eu-central-1${'abc'[number % 3] ?? 'a'}/${id}`
      if (!nodes.has(node)) {
        putInstance(aws.account, base, id, number % 3)
        nodes.set(node, { name: node, providerId, addresses: [] })
        provider.nodes?.([...nodes.values()])
      }
      return providerId
    },
    async restart() {
      aws.faults.reconnect()
      provider = create()
      return provider
    },
    interrupt: (calls, last) => aws.faults.interrupt(calls, last),
    fail(kind) {
      aws.faults.list.push({
        error: new CloudError(kind, `AWS is ${kind}`, {
          code: kind === 'throttled' ? 'Throttling' : 'ServiceUnavailable',
        }),
        times: 1,
        match: ({ action }) => actions[action].mutating,
      })
    },
    mutations: async () => seen.filter(({ calls }) => arrived(aws, calls - 1)).map(({ mutation }) => mutation),
    inventory: async () => inventoryOf(aws.account, seeded),
    async squat(resource) {
      const before = aws.calls.length
      await squat(aws.cloud, { vpcId: base.vpcId, subnetIds: base.privateSubnetIds }, resource)
      if (aws.calls.length === before) throw new Error('nothing was made')
    },
    hold() {
      aws.account.timing = { ...aws.account.timing, provisioningMs: settleMs / 2, initialHealthMs: settleMs / 2 }
    },
    async settle() {
      time += settleMs
    },
    close: async () => {},
  }
}

/** 17 digits, as EC2's are. */
export function instanceId(number: number): string {
  return `i-${number.toString(16).padStart(17, '0')}`
}

/** Calls that were refused changed nothing. */
function arrived({ calls }: FakeAws, index: number): boolean {
  const outcome = calls[index]?.outcome
  return outcome === 'ok' || outcome === 'ConnectionLost'
}

/** What a call means in the words of the contract; asked before it is carried out, while the object is still there. */
function mutationOf(
  { account }: FakeAws,
  { nodeGroupId }: Seeded,
  action: Action,
  input: Readonly<Record<string, unknown>>,
): Mutation {
  const verb = /^create(?!Tags)/.test(action) ? 'create' : /^delete(?!Tags)/.test(action) ? 'delete' : 'update'
  const ids = [input['loadBalancerArn'], input['groupId'], input['targetGroupArn'], input['listenerArn']]
  const listed = [input['resourceArns'], input['resources']].flatMap((list) => (Array.isArray(list) ? list : []))
  const id = String(
    (action === 'createListener' ? undefined : [...ids, ...listed].find((each) => each !== undefined)) ?? '',
  )
  if (id === nodeGroupId) return { verb, kind: 'node-rules', key: `node-rules/${id}` }
  const { securityGroups, loadBalancers, targetGroups, listeners } = account
  const object = securityGroups.get(id) ?? loadBalancers.get(id) ?? targetGroups.get(id) ?? listeners.get(id)
  const key = keyOfTags(object?.tags ?? tagsIn(input)) ?? '?'
  return { verb, kind: key.split('/')[0] ?? '', key }
}

/** The tags of a create call. */
function tagsIn(input: Readonly<Record<string, unknown>>): Record<string, string> {
  const specifications = (input['tagSpecifications'] ?? []) as readonly {
    tags: readonly { key: string; value: string }[]
  }[]
  const own = (input['tags'] ?? []) as readonly { key: string; value: string }[]
  const all = [...own, ...specifications.flatMap(({ tags }) => tags)]
  return Object.fromEntries(all.map(({ key, value }) => [key, value]))
}

/** Somebody else's object of that kind and name. */
export async function squat(
  cloud: AwsCloud,
  { vpcId, subnetIds }: { vpcId: string; subnetIds: readonly string[] },
  { kind, immutable }: Resource,
): Promise<void> {
  const name = typeof immutable['name'] === 'string' ? immutable['name'] : ''
  const { signal } = new AbortController()
  if (kind === 'security-group' || kind === 'node-access-group') {
    await cloud.createSecurityGroup({ groupName: name, description: 'theirs', vpcId, tagSpecifications: [] }, signal)
  } else if (kind === 'target-group') {
    await cloud.createTargetGroup(
      {
        name,
        protocol: 'TCP',
        port: 80,
        vpcId,
        targetType: 'instance',
        healthCheckProtocol: 'TCP',
        healthCheckPort: 'traffic-port',
        healthCheckIntervalSeconds: 30,
        healthCheckTimeoutSeconds: 10,
        healthyThresholdCount: 5,
        unhealthyThresholdCount: 2,
        tags: [],
      },
      signal,
    )
  } else {
    const subnetMappings = subnetIds.map((subnetId) => ({ subnetId }))
    await cloud.createLoadBalancer(
      { name, scheme: 'internal', ipAddressType: 'ipv4', subnetMappings, tags: [] },
      signal,
    )
  }
}
