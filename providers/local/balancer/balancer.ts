/**
 * The load balancer process without its command line: the cloud core, health checks, the data plane and the state file, tied
 * together. Every change of the state ends in one flush: saved, then in the kernel; requests are answered after their flush. Routing by
 * saved verdicts goes on after a restart until new ones come in.
 */
import type { HealthCheckSpec } from '../wire.ts'
import type { Clock, Log } from './clock.ts'
import type { CloudCore } from './cloud-core.ts'
import { createCloudCore } from './cloud-core.ts'
import type { DataPlane, Route } from './data-plane.ts'
import { familyOf } from './addresses.ts'
import { frontendsOf, nextDeadline } from './frontends.ts'
import type { Probe, Subject } from './health.ts'
import { createHealthChecks } from './health.ts'
import type { BalancerState, Settings } from './model.ts'
import type { Ruleset } from './rules.ts'
import { rulesets } from './rules.ts'
import { targetKey } from './targets.ts'

export interface BalancerDeps {
  initial: BalancerState
  settings: Settings
  insideInterfaces: readonly string[]
  /** First conntrack zone for flows that choose again; see rules.ts. Another number than the last process used. */
  firstZone: number
  clock: Clock
  log: Log
  probe: Probe
  dataPlane: DataPlane
  save: (state: BalancerState) => Promise<void>
}

export interface Balancer {
  core: CloudCore
  /** Resolves when the state as of now is saved and in the kernel, or could not be put there (see trouble). */
  settled(): Promise<void>
  trouble(): string | undefined
  stop(): Promise<void>
}

const retryMs = 1000

export function createBalancer(deps: BalancerDeps): Balancer {
  const { settings, clock, log, dataPlane } = deps
  let trouble: string | undefined
  let dirty = true
  let stopped = false
  let flushing: Promise<void> = Promise.resolve()
  let zone = deps.firstZone
  let alive: ReadonlySet<string> = new Set()
  let cancelDeadline = () => {}
  const core = createCloudCore(
    deps.initial,
    settings,
    () => clock.now(),
    (state) => {
      if (stopped) return
      dirty = true
      checks.watch(subjectsOf(state))
      void settled()
    },
  )
  const checks = createHealthChecks(clock, deps.probe, (subjects, result) => {
    const verdict = result.healthy ? { healthy: true } : { healthy: false, reason: result.reason }
    for (const { group, target, check } of subjects) core.judge({ group, target, check, ...verdict })
  })
  checks.watch(subjectsOf(deps.initial))
  void settled()
  return {
    core,
    settled,
    trouble: () => trouble,
    async stop() {
      stopped = true
      cancelDeadline()
      checks.stop()
      await flushing
    },
  }

  /** Changes that arrive during a flush share the next one. */
  function settled(): Promise<void> {
    if (dirty && !stopped) flushing = flushing.then(flush)
    return flushing
  }

  async function flush(): Promise<void> {
    if (!dirty || stopped) return
    dirty = false
    const state = core.state()
    cancelDeadline()
    try {
      await deps.save(state)
      await dataPlane.apply(rulesOf(state), routesOf(state, clock.now()))
      if (trouble !== undefined) log.info({}, 'the kernel is as wanted again')
      trouble = undefined
      watchDeadline(state)
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error)
      log.warn({ error: trouble }, `the state could not be put in effect; trying again in ${retryMs} ms`)
      again(retryMs)
    }
  }

  function watchDeadline(state: BalancerState): void {
    const deadline = nextDeadline(state, clock.now())
    if (deadline === undefined || stopped) return
    cancelDeadline = clock.after(Math.max(1, deadline - clock.now()), () => {
      core.expire()
      again(0)
    })
  }

  function again(ms: number): void {
    if (stopped) return
    cancelDeadline = clock.after(ms, () => {
      dirty = true
      void settled()
    })
  }

  function rulesOf(state: BalancerState): Ruleset[] {
    const frontends = frontendsOf(state, clock.now())
    const pools = [...settings.pools.public, ...settings.pools.internal].map(({ cidr }) => cidr)
    const addresses = Object.values(state.loadBalancers).flatMap((loadBalancer) => loadBalancer.addresses)
    const now = new Set(
      frontends.flatMap(({ address, protocol, port, mode, targets }) =>
        targets.map(({ id }) => `${address} ${protocol} ${port} ${mode} ${id}`),
      ),
    )
    if ([...alive].some((target) => !now.has(target))) zone = (zone % 0xffff) + 1
    alive = now
    const { insideInterfaces } = deps
    return rulesets({ pools, addresses, frontends, retired: state.retired, insideInterfaces, zone })
  }
}

/** Draining targets are asked as well, so that UDP does not wait for a node that is gone. */
function subjectsOf(state: BalancerState): Subject[] {
  return Object.entries(state.targetGroups).flatMap(([name, { check, nextCheck, targets, draining }]) => {
    const asked = (
      target: { node: string; addresses: readonly string[] },
      checks: readonly (HealthCheckSpec | undefined)[],
    ) => {
      const [address] = target.addresses
      if (address === undefined) return []
      return checks.flatMap((each) => (each ? [{ group: name, target: targetKey(target), address, check: each }] : []))
    }
    return [
      ...targets.flatMap((target) => asked(target, [check, nextCheck])),
      ...draining.flatMap((target) => asked(target, [check])).map((subject) => ({ ...subject, draining: true })),
    ]
  })
}

/** To every node that a passthrough frontend sends to, and to those whose connections still drain. */
function routesOf(state: BalancerState, now: number): Route[] {
  const passthrough = Object.values(state.listeners).some(({ request }) => request.spec.forward.mode === 'passthrough')
  if (!passthrough && state.retired.length === 0) return []
  const kept = new Set([
    ...frontendsOf(state, now).flatMap(({ keep }) => keep),
    ...state.retired.flatMap(({ nodes }) => nodes),
  ])
  return Object.entries(state.nodeIds)
    .filter(([, id]) => kept.has(id))
    .map(([address, id]) => ({ id, family: familyOf(address), address }))
}
