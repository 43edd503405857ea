/**
 * AWS in memory, behind the port: its rules (fake/), its phases, its lag, its buckets, and what a test wants to see or break. Time passes only on
 * the clock it is given. Every call is kept with its parameters, so that counts and plans can be compared with what really arrived.
 */
import { CloudError } from '../contract.ts'
import type { Action, AwsCloud } from './cloud.ts'
import { actions, everyAction } from './cloud.ts'
import { createAccount } from './fake/account.ts'
import type { Account, AccountOptions, Sync } from './fake/account.ts'
import { capacityActions } from './fake/capacity.ts'
import { createFaults } from './fake/faults.ts'
import type { Call, Faults } from './fake/faults.ts'
import { listenerActions } from './fake/listeners.ts'
import { loadBalancerActions } from './fake/load-balancers.ts'
import { networkActions } from './fake/network.ts'
import { refusal } from './fake/refusal.ts'
import { securityGroupActions } from './fake/security-groups.ts'
import { tagActions } from './fake/tags.ts'
import { targetGroupActions } from './fake/target-groups.ts'
import { targetActions } from './fake/targets.ts'
import { createThrottle } from './fake/throttle.ts'
import type { Buckets } from './fake/throttle.ts'

export interface FakeAwsOptions extends AccountOptions {
  /** Token buckets; default none. */
  buckets?: Buckets
  /** Awaited before a call takes effect: latency, order of arrival. */
  gate?: (call: Pick<Call, 'action' | 'input'>, signal: AbortSignal) => Promise<void>
}

export interface FakeAws {
  readonly cloud: AwsCloud
  readonly account: Account
  readonly faults: Faults
  /** Every call since the start or the last `take`, oldest first. */
  readonly calls: readonly Call[]
  /** The calls so far, which are then forgotten. */
  take(): Call[]
  /** Awaited before a call takes effect. */
  gate: FakeAwsOptions['gate']
  /** Called after each call, whatever came of it: for what must hold at every moment. */
  watch: ((call: Call) => void) | undefined
}

/** AWS's own wordings, which SDKs and people look for. */
const throttled = {
  elasticloadbalancing: () => refusal('Throttling', 'Rate exceeded'),
  ec2: () => refusal('RequestLimitExceeded', 'Request limit exceeded.'),
}

export function createFakeAws(options: FakeAwsOptions = {}): FakeAws {
  const account = createAccount(options)
  const throttle = createThrottle(account.now, options.buckets ?? {})
  const faults = createFaults()
  let calls: Call[] = []
  const sync: Sync<Action> = {
    ...loadBalancerActions(account),
    ...capacityActions(account),
    ...targetGroupActions(account),
    ...targetActions(account),
    ...listenerActions(account),
    ...tagActions(account),
    ...securityGroupActions(account),
    ...networkActions(account),
  }

  const cloud = everyAction((action) => async (input, signal) => {
    const call: Call = {
      action,
      input: structuredClone<object>(input) as Call['input'],
      at: account.now(),
      outcome: 'ok',
    }
    calls.push(call)
    try {
      await fake.gate?.(call, signal)
      signal.throwIfAborted()
      call.at = account.now()
      const lost = faults.before(action, call.input)
      if (!throttle.admits(action)) throw throttled[actions[action].service]()
      // What goes in and out is the caller's: a copy, as over a wire.
      const answer = structuredClone(sync[action](structuredClone(input)))
      if (lost !== undefined) throw lost
      return answer
    } catch (error) {
      call.outcome = error instanceof CloudError ? (error.code ?? error.kind) : 'aborted'
      throw error
    } finally {
      fake.watch?.(call)
    }
  })
  const fake: FakeAws = {
    cloud,
    account,
    faults,
    get calls() {
      return calls
    },
    take() {
      const taken = calls
      calls = []
      return taken
    },
    gate: options.gate,
    watch: undefined,
  }
  return fake
}

/** Calls that change something, as a list of actions. */
export function mutationsIn(calls: readonly Call[]): Action[] {
  return calls.filter(({ action }) => actions[action].mutating).map(({ action }) => action)
}
