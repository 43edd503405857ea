/** What a test breaks: single calls by a match, the connection after a number of mutations, or the order of things by a gate. */
import type { Action, AwsCloud } from '../cloud.ts'
import { actions } from '../cloud.ts'
import { CloudError } from '../../contract.ts'

export interface Call {
  action: Action
  /** The call's parameters as they came. */
  input: Readonly<Record<string, unknown>>
  /** Milliseconds on the fake's clock. */
  at: number
  /** 'ok' or AWS's code; 'lost' when it was done and the answer never came, 'not sent' when it never arrived. */
  outcome: string
}

export interface Fault {
  /** Which calls it hits; all when absent. */
  match?: (call: { action: Action; input: Readonly<Record<string, unknown>> }) => boolean
  error: CloudError
  /** How often; Infinity until it is taken out of the list. */
  times: number
  /** The call is done and only its answer is lost. */
  afterwards?: boolean
}

export interface Faults {
  readonly list: Fault[]
  /** After `calls` more mutations every call fails until reconnect(); the last one is done without an answer, or not done. */
  interrupt(calls: number, last: 'done' | 'not-done'): void
  reconnect(): void
  /** Throws what happens instead of the call; otherwise what happens after it. */
  before(action: Action, input: Readonly<Record<string, unknown>>): CloudError | undefined
}

export const connectionLost = () =>
  new CloudError('unavailable', 'the connection to AWS was lost', { code: 'ConnectionLost' })

export function createFaults(): Faults {
  const list: Fault[] = []
  let interruption: { left: number; last: 'done' | 'not-done' } | undefined
  return {
    list,
    interrupt(calls, last) {
      interruption = { left: calls, last }
    },
    reconnect() {
      interruption = undefined
    },
    before(action, input) {
      if (interruption && interruption.left <= 0) throw connectionLost()
      if (interruption && actions[action].mutating && --interruption.left === 0) {
        if (interruption.last === 'not-done') throw connectionLost()
        return connectionLost()
      }
      const index = list.findIndex(({ match }) => match?.({ action, input }) ?? true)
      const fault = list[index]
      if (fault === undefined) return undefined
      fault.times--
      if (fault.times <= 0) list.splice(index, 1)
      if (fault.afterwards !== true) throw fault.error
      return fault.error
    },
  }
}

/** For `match`: calls of one action. */
export function ofAction(action: keyof AwsCloud): NonNullable<Fault['match']> {
  return (call) => call.action === action
}
