/**
 * What must hold at every moment of a change, looked at after each AWS call and each quarter of a second: clients of a published name find
 * their listener with as many healthy targets as before, the nodes let in what is forwarded to them, and allowed clients stay allowed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { realistic } from '../../providers/aws/fake/account.ts'
import type { Account, ListenerState } from '../../providers/aws/fake/account.ts'
import { healthOf, registered } from '../../providers/aws/fake/targets.ts'
import { className, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

/** Healthy targets behind a port of a published name; undefined: no listener, or nobody may come in. */
function serving(account: Account, dnsName: string, port: number): number | undefined {
  const loadBalancer = account.loadBalancers.values().find((each) => each.dnsName === dnsName)
  if (loadBalancer === undefined) return undefined
  const listener = account.listeners
    .values()
    .find((each) => each.loadBalancerArn === loadBalancer.arn && each.port === port)
  if (listener === undefined || !letsIn(account, loadBalancer.securityGroups, port)) return undefined
  return healthyTargets(account, listener)
}

function healthyTargets(account: Account, { targetGroupArn }: ListenerState): number {
  const group = account.targetGroups.get(targetGroupArn)
  if (group === undefined) return 0
  const reachable = registered(account, targetGroupArn).filter((target) => {
    const groups = account.instances.get(target.id)?.securityGroups.map(({ groupId }) => groupId) ?? []
    return letsIn(account, groups, target.port) && healthOf(account, group, target).state === 'healthy'
  })
  return reachable.length
}

/** A group of these has a rule for the port. */
function letsIn(account: Account, groupIds: readonly string[], port: number): boolean {
  return groupIds.some((id) =>
    (account.securityGroups.get(id)?.rules ?? []).some(
      ({ ipProtocol, fromPort = 0, toPort = 65_535 }) =>
        (ipProtocol === 'tcp' || ipProtocol === '-1') && fromPort <= port && port <= toPort,
    ),
  )
}

interface Scenario {
  ports?: { name: string; port: number; protocol?: string; nodePort?: number }[]
  /** Ports that clients use before, during and after the change. */
  kept: number[]
  parameters?: Record<string, string>
  change: (world: Simulation) => Promise<unknown>
  /** Whether the change has fully arrived. */
  done?: (world: Simulation) => boolean
}

const annotate = (annotations: Record<string, string | null>) => (world: Simulation) =>
  world.patch('web', { metadata: { annotations } })
const two = [
  { name: 'http', port: 80 },
  { name: 'https', port: 443 },
]

/** TCP 80, with or without UDP 80, on the node port that TCP has. */
async function joined(world: Simulation, udp: boolean): Promise<unknown> {
  const { nodePort = 0 } = (await world.service('web'))?.spec.ports?.[0] ?? {}
  const tcp = { name: 'http', port: 80, protocol: 'TCP', nodePort }
  return world.patch('web', { spec: { ports: udp ? [tcp, { ...tcp, name: 'udp', protocol: 'UDP' }] : [tcp] } })
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'a port is added': {
    kept: [80],
    change: (world) => world.patch('web', { spec: { ports: two } }),
    done: ({ aws }) => aws.account.listeners.values().length === 2,
  },
  'a port is removed': {
    ports: two,
    kept: [443],
    change: (world) => world.patch('web', { spec: { ports: two.slice(1) } }),
    done: ({ aws }) => aws.account.listeners.values().length === 1,
  },
  'one of two ports gets another number': {
    ports: two,
    kept: [443],
    change: (world) => world.patch('web', { spec: { ports: [{ name: 'http', port: 81 }, two[1]] } }),
    done: ({ aws }) => aws.account.listeners.values().some(({ port }) => port === 81),
  },
  'UDP joins TCP on one port': {
    kept: [80],
    change: (world) => joined(world, true),
    done: ({ aws }) => aws.account.listeners.values().some(({ protocol }) => protocol === 'TCP_UDP'),
  },
  'UDP joins TCP on one port and leaves it before the new targets are healthy': {
    kept: [80],
    async change(world) {
      await joined(world, true)
      await world.clock.advance(30_000)
      await joined(world, false)
    },
  },
  'UDP leaves TCP on one port': {
    ports: [
      { name: 'http', port: 80, nodePort: 30_080 },
      { name: 'udp', port: 80, protocol: 'UDP', nodePort: 30_080 },
    ],
    kept: [80],
    change: (world) => joined(world, false),
    done: ({ aws }) => aws.account.listeners.values().every(({ protocol }) => protocol === 'TCP'),
  },
  'externalTrafficPolicy becomes Local': {
    kept: [80],
    change: (world) => world.patch('web', { spec: { externalTrafficPolicy: 'Local' } }),
    done: ({ aws }) =>
      aws.account.targetGroups.values().every(({ healthCheck }) => healthCheck.healthCheckPort !== '10256'),
  },
  'source ranges are set': {
    kept: [80],
    change: (world) => world.patch('web', { spec: { loadBalancerSourceRanges: ['10.0.0.0/8', '192.0.2.0/24'] } }),
    done: ({ aws }) =>
      aws.account.securityGroups
        .values()
        .some(({ rules }) => rules.some(({ source }) => source.value === '192.0.2.0/24')),
  },
  'the health check is set': {
    kept: [80],
    change: annotate({ 'roadstead.dev/health-check-interval-seconds': '20' }),
  },
  'proxy protocol is switched on': {
    kept: [80],
    change: annotate({ 'roadstead.dev/proxy-protocol': 'all' }),
  },
  'the scheme of the class changes': {
    kept: [80],
    change: (world) =>
      world.client.patch(
        loadBalancerClasses,
        { name: className },
        { type: 'merge', body: { spec: { scheme: 'internal' } } },
      ),
    done: ({ aws }) => aws.account.loadBalancers.values().some(({ scheme }) => scheme === 'internal'),
  },
  'a node joins': {
    kept: [80],
    change: (world) => world.addNode(4),
    done: ({ aws }) => aws.account.targets.values().length === 4,
  },
}

describe('make before break on AWS', () => {
  for (const [title, { ports = two.slice(0, 1), kept, change, done }] of Object.entries(scenarios)) {
    test(`${title}: no moment without a listener or with fewer healthy targets`, async () => {
      const world = await simulate({ aws: { timing: realistic } })
      const { account } = world.aws
      const operator = world.start()
      await world.create('web', { ports })
      const published = async () => (await world.hostname('web')) ?? ''
      await world.until(async () => (await published()) !== '', 'an address')
      let name = await published()
      const isServed = () => kept.every((port) => serving(account, name, port) === 3)
      await world.until(isServed, 'three healthy targets')
      await world.quiet(30_000)

      const broken = new Set<string>()
      /** Names that clients may have in their caches, and until when. */
      const names = new Map([[name, Infinity]])
      const look = (when: string) => {
        for (const [each, until] of names) {
          for (const port of world.clock.now() < until ? kept : []) {
            const healthy = serving(account, each, port)
            const what = healthy === undefined ? 'no listener that lets clients in' : `${healthy} healthy targets`
            if ((healthy ?? 0) < 3) broken.add(`${when}: port ${port} of ${each} has ${what}`)
          }
        }
      }
      world.aws.watch = ({ action }) => look(`after ${action}`)
      await change(world)
      let changed = false
      const isOver = async () => {
        const now = await published()
        if (now !== name) names.set(name, world.clock.now() + 60_000).set(now, Infinity)
        name = now
        look('in between')
        changed ||= done?.(world) ?? true
        return changed && (await isTidy(world))
      }
      await world.until(isOver, 'the change is done', 1_800_000, 250)
      assert.ok(changed)
      assert.deepEqual([...broken].slice(0, 5), [])
      await operator.stop()
    })
  }
})

/** Nothing is left of what was replaced: one load balancer, the published one, and a target group for each listener. */
async function isTidy({ aws, hostname }: Simulation): Promise<boolean> {
  const loadBalancers = aws.account.loadBalancers.values()
  const { targetGroups, listeners } = aws.account
  if (loadBalancers.length !== 1 || targetGroups.values().length !== listeners.values().length) return false
  return loadBalancers[0]?.dnsName === (await hostname('web'))
}
