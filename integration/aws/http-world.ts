/**
 * The AWS provider over the real SDK and the emulator behind the fault proxy, as a world of the conformance suite. Lost answers are
 * connections really cut. The provider's clock is ours: settle() lets a quarter of an hour pass, longer than anything is remembered.
 */
import type { Emulator } from '../../localstack/emulator.ts'
import { testRegion } from '../../localstack/sdk-clients.ts'
import type { Action, AwsCloud } from '../../providers/aws/cloud.ts'
import { actions, around } from '../../providers/aws/cloud.ts'
import type { KeyValue } from '../../providers/aws/elbv2.ts'
import { createAwsProvider } from '../../providers/aws/provider.ts'
import { createSdkCloud } from '../../providers/aws/sdk.ts'
import { keyOfTags } from '../../providers/aws/tags.ts'
import { awsTraits, squat } from '../../providers/aws/world.ts'
import type { Mutation, World } from '../../providers/conformance-world.ts'
import type { Provider, TargetNode } from '../../providers/contract.ts'
import { startAccount } from './account.ts'

const settleMs = 900_000
/** Nodes the suite and its random specs name: node-1 to node-20. */
const machines = 20
const never = new AbortController().signal

export async function httpWorld(emulator: Emulator): Promise<World> {
  const account = await startAccount(emulator, { machines, ipv6: true })
  const empty = (await account.inventory()).lines
  const log: Log = { mutations: [], keys: new Map() }
  const nodes = new Map<string, TargetNode>()
  let offsetMs = 0
  const create = async (): Promise<Provider> => {
    const sdk = await createSdkCloud({ endpoint: account.env['AWS_ENDPOINT_URL'] ?? '', region: testRegion })
    const cloud = watched(sdk, log, account.nodeGroupId)
    const created = createAwsProvider({ cloud, now: () => Date.now() + offsetMs, vpcId: account.vpcId })
    created.nodes?.([...nodes.values()])
    return created
  }
  let provider = await create()
  let ends: (() => void)[] = []
  return {
    ...awsTraits,
    get provider() {
      return provider
    },
    providerId(name) {
      const machine = account.machines[(Number(name.split('-').at(-1)) - 1) % machines]
      const providerId = `aws:///${machine?.zone}/${machine?.instanceId}`
      if (!nodes.has(name)) {
        nodes.set(name, { name, providerId, addresses: [] })
        provider.nodes?.([...nodes.values()])
      }
      return providerId
    },
    async restart() {
      for (const end of ends) end()
      ends = []
      account.faults.clear()
      await account.door.open()
      provider = await create()
      return provider
    },
    interrupt(calls, last) {
      if (calls === 0) void account.door.shut()
      else if (last === 'done') ends.push(account.beforeAnswer(calls, account.door.shut))
      else
        account.faults.add({
          match: { mutating: true },
          skip: calls - 1,
          effect: { kind: 'reset' },
        })
    },
    fail(kind) {
      account.faults.add({
        match: { mutating: true },
        times: 1,
        effect:
          kind === 'throttled'
            ? { kind: 'throttled' }
            : { kind: 'error', code: 'ServiceUnavailable', message: 'down', status: 503 },
      })
    },
    mutations: async () => [...log.mutations],
    inventory: async () => (await account.inventory()).lines.filter((line) => !empty.includes(line)),
    async squat(resource) {
      const { cloud, vpcId } = account
      const { subnets } = await cloud.describeSubnets({ filters: [{ name: 'vpc-id', values: [vpcId] }] }, never)
      await squat(cloud, { vpcId, subnetIds: subnets.map(({ subnetId }) => subnetId) }, resource)
    },
    hold: () => account.proxy.set({ provisioningMs: settleMs, initialMs: settleMs }),
    async settle() {
      account.proxy.set({ provisioningMs: 0, initialMs: 0 })
      offsetMs += settleMs
    },
    close: account.close,
  }
}

interface Log {
  mutations: Mutation[]
  /** Of what was made, by ARN or id. */
  keys: Map<string, string>
}

/** The same cloud; each mutation that was carried out is told in the words of the contract. */
function watched(sdk: AwsCloud, { mutations, keys }: Log, nodeGroupId: string): AwsCloud {
  const mutationOf = (action: Action, given: object, answer: unknown): Mutation => {
    const input = given as Record<string, unknown>
    const verb = /^create(?!Tags)/.test(action) ? 'create' : /^delete(?!Tags)/.test(action) ? 'delete' : 'update'
    if (verb === 'create') {
      const key = keyOfTags(tagsIn(input)) ?? '?'
      keys.set(madeBy(action, answer), key)
      return { verb, kind: key.split('/')[0] ?? '', key }
    }
    const named = [input['loadBalancerArn'], input['targetGroupArn'], input['listenerArn'], input['groupId']]
    const id = text([...named, input['resourceArns'], input['resources']].flat().find((one) => one !== undefined))
    const key = id === nodeGroupId ? `node-rules/${id}` : (keys.get(id) ?? '?')
    return { verb, kind: key.split('/')[0] ?? '', key }
  }
  return around(sdk, async ({ action, input }, go) => {
    const answer = await go()
    if (actions[action].mutating) mutations.push(mutationOf(action, input, answer))
    return answer
  })
}

function tagsIn(input: Record<string, unknown>): Record<string, string> {
  const specifications = (input['tagSpecifications'] ?? []) as readonly { tags: readonly KeyValue[] }[]
  const own = (input['tags'] ?? []) as readonly KeyValue[]
  return Object.fromEntries(
    [...own, ...specifications.flatMap(({ tags }) => tags)].map(({ key, value }) => [key, value]),
  )
}

/** ARN or id of what a create call has made. */
function madeBy(action: Action, answer: unknown): string {
  const field: Partial<Record<Action, string>> = {
    createLoadBalancer: 'loadBalancerArn',
    createTargetGroup: 'targetGroupArn',
    createListener: 'listenerArn',
  }
  return new RegExp(`"${field[action] ?? 'groupId'}":"([^"]+)"`).exec(JSON.stringify(answer))?.[1] ?? ''
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
