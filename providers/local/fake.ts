/**
 * The local cloud in memory, for tests: the same state machine as the balancer process behind the provider's narrow interface, so it
 * refuses what the real one refuses. Without nodes to ask, verdicts come from the test: every target is healthy at once,
 * unless `hold` keeps everything new pending until `settle()`.
 */
import { CloudError } from '../contract.ts'
import { parsePool } from './balancer/addresses.ts'
import type { CloudCore } from './balancer/cloud-core.ts'
import { createCloudCore } from './balancer/cloud-core.ts'
import { emptyState } from './balancer/model.ts'
import { targetKey } from './balancer/targets.ts'
import type { LocalCloud } from './cloud.ts'
import { cloudErrorOf } from './errors.ts'
import { cloudObject, cloudRequest, Refusal } from './wire.ts'

export interface FakeLocalOptions {
  pools?: readonly string[]
  loadBalancerQuota?: number
}

export interface FakeLocal {
  cloud: LocalCloud
  core: CloudCore
  /** While true, new load balancers and targets without a verdict stay pending. */
  hold: boolean
  /** An hour passes: addresses and verdicts for everything, nothing drains any more. */
  settle(): void
  /** Throws what the next mutation answers instead of doing it. */
  failNext(error: CloudError): void
  /** After `calls` more mutations every call fails until reconnect(); the last one is done without an answer, or not done. */
  interrupt(calls: number, last: 'done' | 'not-done'): void
  reconnect(): void
}

const hourMs = 3_600_000

export function createFakeLocal(options: FakeLocalOptions = {}): FakeLocal {
  const pools = (options.pools ?? ['203.0.113.0/24', '2001:db8:113::/64']).map(parsePool)
  const settings = {
    pools: { public: pools, internal: pools },
    loadBalancerQuota: options.loadBalancerQuota ?? Infinity,
  }
  let time = 0
  const core = createCloudCore(emptyState, settings, () => time)
  let failure: CloudError | undefined
  let interruption: { left: number; last: 'done' | 'not-done' } | undefined

  const fake: FakeLocal = {
    core,
    hold: false,
    settle() {
      time += hourMs
      judgeAll(core)
      core.expire()
    },
    failNext(error) {
      failure = error
    },
    interrupt(calls, last) {
      interruption = { left: calls, last }
    },
    reconnect() {
      interruption = undefined
    },
    cloud: {
      async list(tags) {
        if (interruption && interruption.left <= 0) throw noAnswer()
        const wanted = Object.entries(tags)
        // Through the parser, as over the wire: what it drops is dropped here as well.
        return core
          .list((present) => wanted.every(([key, value]) => present[key as keyof typeof present] === value))
          .map((object) => cloudObject.parse(JSON.parse(JSON.stringify(object))))
      },
      create: async (request) => mutate(() => core.change({ verb: 'create', request: cloudRequest.parse(request) })),
      update: async (request) => mutate(() => core.change({ verb: 'update', request: cloudRequest.parse(request) })),
      remove: async (kind, name, tags) => mutate(() => core.change({ verb: 'delete', kind, name, tags })),
    },
  }
  return fake

  function mutate(change: () => void): void {
    if (interruption && interruption.left <= 0) throw noAnswer()
    if (failure) {
      const error = failure
      failure = undefined
      throw error
    }
    const last = interruption && --interruption.left === 0 ? interruption.last : undefined
    if (last === 'not-done') throw noAnswer()
    core.faults = { ...core.faults, provisioningMs: fake.hold ? hourMs / 2 : 0 }
    try {
      change()
    } catch (error) {
      if (error instanceof Refusal) throw cloudErrorOf(error.code, error.message, { cause: error })
      throw error
    }
    if (!fake.hold) judgeAll(core)
    if (last === 'done') throw noAnswer()
  }
}

function judgeAll(core: CloudCore): void {
  for (const [name, group] of Object.entries(core.state().targetGroups)) {
    for (const target of group.targets) {
      for (const check of [group.nextCheck, group.check]) {
        if (check) core.judge({ group: name, target: targetKey(target), check, healthy: true })
      }
    }
  }
}

function noAnswer(): CloudError {
  return new CloudError('unavailable', 'the connection to the cloud was lost', { code: 'NoAnswer' })
}
