/** What went through the proxy: each call with its outcome, and counts by action. Kept until reset. */
import { type AwsCall, type AwsService, isMutating } from './aws-call.ts'

export interface CallRecord {
  /** Milliseconds since the epoch when the call arrived. */
  at: number
  /** How long the client waited; undefined while it still does. */
  ms?: number
  service: AwsService
  action: string
  mutating: boolean
  parameters: Readonly<Record<string, string>>
  requestId: string
  /** 0 for a connection that was cut. */
  status?: number
  /** The AWS error code. */
  code?: string
}

export interface Counts {
  total: number
  mutating: number
  reading: number
  throttled: number
  /** Calls that were answered with an error, throttled ones included. */
  refused: number
  byAction: Record<string, number>
}

export interface Journal {
  open(call: AwsCall, at: number): CallRecord
  close(record: CallRecord, at: number, outcome: { status: number; code?: string }): void
  records(): readonly CallRecord[]
  counts(): Counts
  reset(): void
}

const throttleCodes = new Set(['ThrottlingException', 'Throttling', 'RequestLimitExceeded'])

export function createJournal(): Journal {
  let records: CallRecord[] = []
  return {
    open(call, at) {
      const { service, action, requestId } = call
      const parameters = Object.fromEntries(
        [...call.parameters].filter(([name]) => name !== 'Action' && name !== 'Version'),
      )
      const record: CallRecord = { at, service, action, mutating: isMutating(action), parameters, requestId }
      records.push(record)
      return record
    },
    close(record, at, { status, code }) {
      record.ms = at - record.at
      record.status = status
      if (code !== undefined) record.code = code
    },
    records: () => records,
    counts() {
      const byAction: Record<string, number> = {}
      for (const { action } of records) byAction[action] = (byAction[action] ?? 0) + 1
      const mutating = records.filter((record) => record.mutating).length
      return {
        total: records.length,
        mutating,
        reading: records.length - mutating,
        throttled: records.filter(({ code }) => code !== undefined && throttleCodes.has(code)).length,
        refused: records.filter(({ code }) => code !== undefined).length,
        byAction: Object.fromEntries(Object.entries(byAction).sort(([a], [b]) => a.localeCompare(b))),
      }
    },
    reset() {
      records = []
    },
  }
}
