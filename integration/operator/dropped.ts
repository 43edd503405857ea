/**
 * Operators that are dropped at one of their calls, as a process that is killed: the call is carried out or not, nothing after it is, and
 * nobody gets an answer.
 */
import type { KubeClient } from '../../kube/client.ts'

/** Drops the operator at its call number `at` (from 1): before it is carried out, or after, without the answer. */
export interface Crash {
  at: number
  when: 'before' | 'after'
}

export interface RunningOperator {
  stop(): Promise<void>
  /** Counted calls made. */
  readonly calls: number
  /** It has been dropped by its crash. */
  readonly crashed: boolean
}

export type Pass = <T>(call: (signal?: AbortSignal) => Promise<T>) => Promise<T>

interface Gate {
  readonly calls: number
  readonly crashed: boolean
  /** A call that counts. */
  pass: Pass
  /** One that does not: refused when the operator has been dropped. */
  uncounted: Pass
}

const dropped = () => new Error('this operator has been dropped')

/** Stops `stopping` at the crash. */
export function crashGate(crash: Crash | undefined, stopping: AbortController): Gate {
  let calls = 0
  let crashed = false
  return {
    get calls() {
      return calls
    },
    get crashed() {
      return crashed
    },
    async pass(call) {
      if (crashed) throw dropped()
      calls++
      if (calls !== crash?.at) return call()
      crashed = true
      // The request is on its way: what the operator aborts now does not call it back.
      if (crash.when === 'after') await call(new AbortController().signal).catch(() => undefined)
      stopping.abort()
      throw dropped()
    },
    uncounted: async (call) => {
      if (crashed) throw dropped()
      return call()
    },
  }
}

/** `wrote` is called before each write. */
export function gatedClient(client: KubeClient, pass: Pass, wrote: () => void): KubeClient {
  const write = <T>(call: () => Promise<T>) =>
    pass(() => {
      wrote()
      return call()
    })
  return {
    get: (...args) => pass(() => client.get(...args)),
    list: (...args) => pass(() => client.list(...args)),
    watch: (...args) => client.watch(...args),
    create: (...args) => write(() => client.create(...args)),
    replace: (...args) => write(() => client.replace(...args)),
    patch: (...args) => write(() => client.patch(...args)),
    remove: (...args) => write(() => client.remove(...args)),
  }
}

/** Runs it until `stopping` says so, or its crash. */
export function runUntil(
  stopping: AbortController,
  operator: { run(signal: AbortSignal): Promise<void> },
  gate: Gate,
): RunningOperator {
  const running = operator.run(stopping.signal)
  return {
    async stop() {
      stopping.abort()
      await running
    },
    get calls() {
      return gate.calls
    },
    get crashed() {
      return gate.crashed
    },
  }
}
