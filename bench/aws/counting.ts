/** What the sections count in the proxy's journal, and what they do to the cluster. */
import type { CallRecord } from '../../localstack/journal.ts'
import { hostnameOf } from '../../integration/aws/cluster.ts'
import { nodeName } from '../../integration/aws/scene.ts'
import type { Scene } from '../../integration/aws/scene.ts'
import { until } from '../../integration/aws/waiting.ts'

export const many = 100
export const clusterNodes = 50

export function mutating(record: readonly CallRecord[]): number {
  return record.filter((call) => call.mutating).length
}

/** Targets that were registered: of the calls that were carried out. */
export function registered(record: readonly CallRecord[]): number {
  return record
    .filter(({ action, status }) => action === 'RegisterTargets' && status === 200)
    .reduce((sum, { parameters }) => sum + Object.keys(parameters).filter((key) => key.endsWith('.Id')).length, 0)
}

/** When the last registration was answered, in milliseconds since the epoch. */
export function lastRegistration(record: readonly CallRecord[]): number {
  const last = record.findLast(({ action }) => action === 'RegisterTargets')
  return (last?.at ?? 0) + (last?.ms ?? 0)
}

/** Creates the Services at once; how many seconds until each has its address and every target is registered. */
export async function createAll({ account, cluster }: Scene, patienceSeconds: number): Promise<number> {
  account.forget()
  const started = Date.now()
  for (let n = 0; n < many; n++) await cluster.create(`web-${n}`)
  let served = 0
  await until(
    'every address',
    async () => (served = (await cluster.all()).filter((service) => hostnameOf(service) !== undefined).length) === many,
    { seconds: patienceSeconds, seen: () => `${served} of ${many} have an address` },
  )
  const addressed = Date.now()
  await until('every target', () => registered(account.record()) >= many * clusterNodes, { seconds: patienceSeconds })
  return (Math.max(addressed, lastRegistration(account.record())) - started) / 1000
}

/** Nodes for the account's machines from the one of this number on. */
export async function addNodes({ account, cluster }: Scene, from: number, count: number): Promise<void> {
  for (const [index, machine] of account.machines.slice(from, from + count).entries())
    await cluster.addNode(nodeName(from + index), machine)
}

export async function within<T>(scene: Scene, work: (scene: Scene) => Promise<T>): Promise<T> {
  try {
    return await work(scene)
  } finally {
    await scene.close()
  }
}
