/** Shows the cluster until the stop signal: a table that redraws itself on a terminal, one line a change elsewhere. */
import { type LoadBalancer, loadBalancers } from '../crds/load-balancer.ts'
import { systemClock } from '../kube/clock.ts'
import type { CommandIo } from '../kube/flags.ts'
import { startInformer } from '../kube/informer.ts'
import { silent } from '../kube/log.ts'
import type { KubeObject } from '../kube/objects.ts'
import { nodes, pods, type ResourceType, services } from '../kube/resources.ts'
import type { Cluster } from '../sandbox/cluster.ts'
import { type ClusterView, liveTable, serviceLines } from './live-table.ts'

const redrawMs = 200

/** Resolves when the signal aborts. */
export async function showCluster(cluster: Cluster, io: CommandIo): Promise<void> {
  const follow = <T extends KubeObject>(type: ResourceType<T>) =>
    startInformer({ client: cluster.client, type, clock: systemClock, random: Math.random, log: silent })
  const followed = {
    services: follow(services),
    loadBalancers: follow<LoadBalancer>(loadBalancers),
    pods: follow(pods),
    nodes: follow(nodes),
  }
  const informers = Object.values(followed)
  await Promise.all(informers.map((informer) => informer.synced))
  const show = io.columns === undefined ? changedLines(io) : redrawnTable(io, io.columns)
  const draw = () =>
    show({
      services: [...followed.services.cache.values()],
      loadBalancers: [...followed.loadBalancers.cache.values()],
      pods: [...followed.pods.cache.values()],
      nodes: [...followed.nodes.cache.values()],
    })
  draw()
  let pending: (() => void) | undefined
  for (const informer of informers)
    informer.cache.onChange(() => {
      pending ??= systemClock.after(redrawMs, () => {
        pending = undefined
        draw()
      })
    })
  await new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve()
    io.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  pending?.()
  await Promise.all(informers.map((informer) => informer.stop()))
}

function redrawnTable(io: CommandIo, columns: number): (view: ClusterView) => void {
  let height = 0
  return (view) => {
    const lines = liveTable(view, columns)
    // Up over the last table, then clear to the end of the screen: what was printed before stays readable.
    io.stdout(`${height > 0 ? `\u001b[${height}A` : ''}\r\u001b[J${lines.join('\n')}\n`)
    height = lines.length
  }
}

function changedLines(io: CommandIo): (view: ClusterView) => void {
  let before = new Map<string, string>()
  return (view) => {
    const now = serviceLines(view)
    for (const [key, line] of now) if (before.get(key) !== line) io.stdout(`${line}\n`)
    for (const key of before.keys()) if (!now.has(key)) io.stdout(`${key}  is gone\n`)
    before = now
  }
}
