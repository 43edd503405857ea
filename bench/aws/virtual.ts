/**
 * What takes minutes in AWS, in virtual time on the fake with AWS's phases (providers/aws/fake.ts): drift, the quota of rules, deletes that
 * wait. The whole operator runs; seconds are AWS's.
 */
import { simulate } from '../../integration/aws/simulated.ts'
import type { Simulation } from '../../integration/aws/simulated.ts'
import type { BenchRow } from '../row.ts'
import { many } from './counting.ts'

const { signal } = new AbortController()
const minuteMs = 60_000

/** A listener, a target, a rule and an attribute changed by hand at once: until all is as before, beside a running operator and by a restart. */
export async function drift(): Promise<BenchRow[]> {
  const world = await simulate()
  const first = world.start()
  await world.create('web')
  await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
  await world.clock.advance(15 * minuteMs)
  const before = standing(world)
  const healed = () => standing(world) === before
  await damage(world)
  if (healed()) throw new Error('the damage cannot be seen')
  const beside = await world.until(healed, 'drift is put back', 60 * minuteMs, 1000)
  await first.stop()
  await damage(world)
  const second = world.start()
  const restarted = await world.until(healed, 'drift is put back by a restart', 60 * minuteMs, 1000)
  await second.stop()
  return [
    { id: 'drift.seconds', value: beside / 1000, unit: 's until 4 changes by hand are put back' },
    { id: 'drift.restartSeconds', value: restarted / 1000, unit: 's likewise by a restart' },
  ]
}

/** What drains passes by itself. */
function standing({ inventory }: Simulation): string {
  return inventory()
    .filter((line) => !line.startsWith('draining'))
    .join('\n')
}

async function damage({ aws, base }: Simulation): Promise<void> {
  const { account, cloud } = aws
  const [listener] = account.listeners.values()
  const target = account.targets.values().find(({ deregisteredAt }) => deregisteredAt === undefined)
  const [loadBalancer] = account.loadBalancers.values()
  const nodeGroup = account.securityGroups.get(base.nodeGroupId)
  if (listener === undefined || target === undefined || loadBalancer === undefined || nodeGroup === undefined)
    throw new Error('nothing to damage')
  const { id, port, targetGroupArn } = target
  await cloud.deleteListener({ listenerArn: listener.arn }, signal)
  await cloud.deregisterTargets({ targetGroupArn, targets: [{ id, port }] }, signal)
  account.securityGroups.put(base.nodeGroupId, { ...nodeGroup, rules: [] })
  const attributes = [{ key: 'load_balancing.cross_zone.enabled', value: 'true' }]
  await cloud.modifyLoadBalancerAttributes({ loadBalancerArn: loadBalancer.arn, attributes }, signal)
}

/** 100 Services where AWS allows 60 rules in a group: how many have an address and an open node port. */
export async function ruleQuota(): Promise<BenchRow[]> {
  const world = await simulate({ aws: { quotas: { loadBalancers: 2 * many } } })
  const operator = world.start()
  const names = Array.from({ length: many }, (_, index) => `web-${index}`)
  for (const name of names) await world.create(name)
  await world.quiet(30_000)
  const rules = world.aws.account.securityGroups.get(world.base.nodeGroupId)?.rules ?? []
  const opened = (port = 0) => rules.some(({ fromPort = 0, toPort = 0 }) => fromPort <= port && port <= toPort)
  let served = 0
  for (const name of names) {
    const nodePort = (await world.service(name))?.spec.ports?.[0]?.nodePort
    if ((await world.hostname(name)) !== undefined && opened(nodePort)) served++
  }
  await operator.stop()
  return [
    { id: 'quota.served', value: served, unit: `of ${many} Services served under 60 rules per group` },
    { id: 'quota.rules', value: rules.length, unit: 'rules in the group of the nodes' },
  ]
}

/** Time to address of a Service beside 20 deletes that wait 5 minutes, as a share of that without them; what the deletes leave. */
export async function waitingDeletes(): Promise<BenchRow[]> {
  const world = await simulate({ aws: { timing: { interfaceMs: 5 * minuteMs, releaseMs: 5 * minuteMs } } })
  const operator = world.start()
  const create = async (name: string) => {
    await world.create(name)
    return world.until(async () => (await world.hostname(name)) !== undefined, `the address of ${name}`, minuteMs, 20)
  }
  await create('first')
  await world.quiet()
  const alone = await create('alone')
  const names = Array.from({ length: 20 }, (_, index) => `gone-${index}`)
  for (const name of names) await create(name)
  await world.quiet()
  for (const name of names) await world.remove(name)
  await world.quiet(1000, 20_000)
  const beside = await create('beside')
  for (const name of ['first', 'alone', 'beside']) await world.remove(name)
  await world.quiet(10 * minuteMs, 60 * minuteMs)
  const left = world.inventory().length
  await operator.stop()
  return [
    { id: 'deletes.ratio', value: beside / alone, unit: 'of the time to address, beside 20 deletes that wait 5 min' },
    { id: 'deletes.left', value: left, unit: 'objects left when they are over' },
  ]
}
