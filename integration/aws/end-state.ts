/**
 * Where a Service and the account have come to, as text that is equal for equal ends: the account with what is not ours in it, the Service's
 * finalizers, conditions and addresses, its LoadBalancer object. Looking again is cheap: the account is read only when a call changed it.
 */
import { isDeepStrictEqual } from 'node:util'
import { loadBalancers } from '../../crds/load-balancer.ts'
import type { LoadBalancer } from '../../crds/load-balancer.ts'
import type { Service } from '../../kube/objects.ts'
import { absent } from '../operator/world.ts'
import { namespace } from './cluster.ts'
import type { Inventory } from './inventory.ts'
import type { Scene } from './scene.ts'
import { until } from './waiting.ts'

export interface Eye {
  /** Of the Service and all of the account. */
  look: () => Promise<readonly string[]>
  /** Resolves when a look is equal to `goal`; throws with the difference. */
  reaches: (goal: readonly string[], what: string, seconds?: number) => Promise<void>
}

/** `alive` throws when there is nobody left to wait for. */
export function eyeOn({ account, cluster }: Scene, name: string, alive: () => void): Eye {
  let carriedOut = 0
  let known: { at: number; inventory: Inventory } | undefined
  account.proxy.onCarriedOut(({ mutating }) => {
    if (mutating) carriedOut++
  })
  const inventory = async () => {
    const at = carriedOut
    if (known?.at !== at) known = { at, inventory: await account.inventory() }
    return known.inventory
  }
  const look = async () => {
    const service = await cluster.service(name)
    const object = await absent(cluster.client.get(loadBalancers, { namespace, name }))
    const seen = await inventory()
    return [...(service ? serviceLines(service, seen) : []), ...(object ? objectLines(object) : []), ...seen.lines]
  }
  return {
    look,
    async reaches(goal, what, seconds = 90) {
      let lines: readonly string[] = []
      const equal = async () => {
        alive()
        return isDeepStrictEqual((lines = await look()), goal)
      }
      await until(what, equal, { seconds, seen: () => difference(lines, goal) })
    },
  }
}

/** `- ` is missing, `+ ` is too much. */
export function difference(lines: readonly string[], goal: readonly string[]): string {
  const missing = goal.filter((line) => !lines.includes(line)).map((line) => `- ${line}`)
  const surplus = lines.filter((line) => !goal.includes(line)).map((line) => `+ ${line}`)
  const twice = lines.filter((line, index) => lines.indexOf(line) !== index && count(lines, line) > count(goal, line))
  return [...missing, ...surplus, ...twice.map((line) => `+ twice: ${line}`)].join('\n')
}

function count(lines: readonly string[], line: string): number {
  return lines.filter((one) => one === line).length
}

function serviceLines({ metadata, spec, status }: Service, { loadBalancers: standing }: Inventory): string[] {
  const conditions = (status?.conditions ?? []).map(
    ({ type, status: value, reason, observedGeneration }) =>
      `service condition ${type} ${value} ${reason}${observedGeneration === metadata.generation ? '' : ' of an older spec'}`,
  )
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ hostname }) => {
    const owner = standing.find(({ dnsName }) => dnsName === hostname)
    return `service address of ${owner === undefined ? 'a load balancer that is gone' : `the ${owner.scheme} load balancer`}`
  })
  const ports = spec.ports?.map(({ protocol, port, nodePort }) => `${protocol} ${port}:${nodePort}`)
  return [
    `service ports ${ports?.join()} finalizers ${metadata.finalizers?.join()}`,
    ...conditions.sort(),
    ...addresses.sort(),
  ]
}

/**
 * Ids are the account's; what counts is that each thing is told once. How many targets are healthy is left out: after a change of nodes it is
 * as old as the last look at their health, which a restart brings forward.
 */
function objectLines({ status }: LoadBalancer): string[] {
  const placements = status.placements.map(
    ({ cloud, state, reason, targets, resources }) =>
      `object placement ${cloud} ${state} ${reason} ${targets.total} targets of ${resources
        .map((each) => `${each.kind} ${each.key} ${each.state}`)
        .sort()
        .join()}`,
  )
  return [`object ready ${status.ready} ${status.reason} addresses ${status.addresses.length}`, ...placements]
}
