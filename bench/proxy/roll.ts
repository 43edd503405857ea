/**
 * Pods replaced under load: a whole sandbox cluster (operator, proxies, controllers, load balancer), two Services with externalTrafficPolicy
 * Cluster and Local, 100 new connections a second to each from outside through the load balancer, all Pods of both replaced five times.
 * `full`: 45,000 requests to each; usually as many as fit into the replacements.
 */
import { systemClock } from '../../kube/clock.ts'
import { silent } from '../../kube/log.ts'
import { deployments } from '../../kube/resources.ts'
import type { Tally } from '../../cli/tour/prober.ts'
import { createWorld, type World } from '../../cli/tour/world.ts'
import { echoDeployment, loadBalancerService } from '../../cli/tour/manifests.ts'
import { namespaceProber } from '../../cli/tour/namespace-prober.ts'
import { roadsteadCommand } from '../../cli/user-namespace.ts'
import { startCluster } from '../../sandbox/cluster.ts'
import { ownRunFolder } from '../../sandbox/nodes/own-run-folder.ts'
import type { BenchRow } from '../row.ts'
import { load as machineLoad, pause } from './figures.ts'

const policies = ['Cluster', 'Local'] as const
const rolls = 5
const replicas = 3
const perSecond = 100
const fullRequests = 45_000

export async function roll(full: boolean): Promise<BenchRow[]> {
  const name = `bench-roll-${process.pid}`
  const cluster = await startCluster({
    name,
    folder: ownRunFolder(name),
    nodes: 3,
    apiPort: 0,
    roadstead: roadsteadCommand,
    env: process.env,
    clock: systemClock,
    random: Math.random,
    log: silent,
    say: () => {},
  })
  try {
    const world = createWorld(cluster, namespaceProber(cluster, process.env), new AbortController().signal)
    const tallies = await Promise.all(policies.map((policy) => rollService(world, policy, full)))
    for (const [index, policy] of policies.entries()) {
      const { sent, failed, failures } = tallies[index] as Tally
      console.error(
        `proxy: ${rolls} rolls with policy ${policy}: ${failed} of ${sent} failed ${failed > 0 ? JSON.stringify(failures) : ''}(load ${machineLoad()})`,
      )
    }
    const sum = (count: (tally: Tally) => number) => tallies.reduce((total, tally) => total + count(tally), 0)
    return [{ id: 'roll.failed', value: sum(({ failed }) => failed), unit: `of ${sum(({ sent }) => sent)} requests` }]
  } finally {
    await cluster.stop()
  }
}

async function rollService(world: World, policy: (typeof policies)[number], full: boolean): Promise<Tally> {
  const app = `web-${policy.toLowerCase()}`
  await world.apply(echoDeployment({ name: app, replicas }))
  await world.apply(loadBalancerService({ name: app, app, spec: { externalTrafficPolicy: policy } }))
  await world.podsReady(app, replicas)
  const host = await world.address(app)
  await world.wait(`answers of ${app}`, 60, async () => {
    const { failed } = await world.prober.connect({ protocol: 'http', host, port: 80 }, 20)
    return failed === 0 || undefined
  })
  const load = await world.prober.load({ protocol: 'http', host, port: 80 }, perSecond)
  const began = Date.now()
  const fullMs = (fullRequests / perSecond) * 1000
  for (let turn = 1; turn <= rolls; turn++) {
    await replacePods(world, app, turn)
    if (full) await pause(Math.max(0, began + (fullMs * turn) / rolls - Date.now()))
  }
  return load.stop()
}

async function replacePods(world: World, app: string, turn: number): Promise<void> {
  const before = new Set((await world.readyPods(app)).map((pod) => pod.metadata.uid))
  const annotations = { 'bench/turn': String(turn) }
  await world.client.patch(
    deployments,
    { namespace: 'default', name: app },
    { type: 'merge', body: { spec: { template: { metadata: { annotations } } } } },
  )
  await world.wait(`new Pods of ${app}`, 120, async () => {
    const ready = await world.readyPods(app)
    const fresh = ready.filter((pod) => !before.has(pod.metadata.uid) && pod.metadata.deletionTimestamp === undefined)
    return (fresh.length === replicas && ready.length === replicas) || undefined
  })
}
